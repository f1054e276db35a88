/** Judges the tags of a listing without delaying other fibers. */
import { Effect } from "effect"
import { type KeyedTag, type JudgedTag, tagJudge, type TagFilter } from "../../domain/TagFilter.ts"
import { makeBreaks } from "../breaks.ts"

/** The number of tags after which other fibers may run. The most expensive expressions take some 4 ms for one tag. */
const STEP = 10

/**
 * Gives the verdicts of `judgeTags`. Other fibers run between the steps, because registries and users can make listings and
 * expressions expensive. Thousands of tags with cheap expressions are one step.
 */
export const judgeTagsInSteps = Effect.fnUntraced(function* (
  filter: TagFilter,
  listed: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<JudgedTag>> {
  const { conclude, judge } = tagJudge(filter)
  const keyed: Array<KeyedTag> = []
  const breathe = yield* makeBreaks
  for (const tag of new Set(listed)) {
    keyed.push(judge(tag))
    if (keyed.length % STEP === 0) yield* breathe
  }
  return conclude(keyed)
})
