/** Judges the tags of a listing without delaying other fibers. */
import { Clock, Effect } from "effect"
import { type Candidate, type JudgedTag, tagJudge, type TagFilter } from "../../domain/TagFilter.ts"

/** The Clock is read after each `STEP` tags. Other fibers run after each `STEP_MILLIS`. */
const STEP = 100
const STEP_MILLIS = 10

/**
 * Gives the verdicts of `judgeTags`. Other fibers run between the steps, because registries and users can make listings and
 * expressions expensive. Thousands of tags with cheap expressions are one step.
 */
export const judgeTagsInSteps = Effect.fnUntraced(function* (
  filter: TagFilter,
  listed: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<JudgedTag>> {
  const { conclude, judge } = tagJudge(filter)
  const tags = [...new Set(listed)]
  const candidates: Array<Candidate> = []
  let since = yield* Clock.currentTimeMillis
  for (const [index, tag] of tags.entries()) {
    candidates.push(judge(tag))
    if (index % STEP !== STEP - 1) continue
    const now = yield* Clock.currentTimeMillis
    if (now - since < STEP_MILLIS) continue
    yield* Effect.yieldNow
    since = yield* Clock.currentTimeMillis
  }
  return conclude(candidates)
})
