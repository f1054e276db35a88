/** Judges the tags of a listing without holding up other work. */
import { Clock, Effect } from "effect"
import { type Candidate, type JudgedTag, tagJudge, type TagFilter } from "../../domain/TagFilter.ts"

/** The clock is read once in so many tags, and other fibers run after so many milliseconds. */
const STEP = 100
const STEP_MILLIS = 10

/**
 * The verdicts of `judgeTags`, in steps between which other fibers run if judging takes long: a stranger can make both a
 * listing and an expression expensive. Thousands of tags and sensible expressions are one step.
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
