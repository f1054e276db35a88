import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Result } from "effect"
import { judgeTagsInSteps } from "../../../src/controller/check/judgeTagsInSteps.ts"
import { judgeTags, type TagFilter } from "../../../src/domain/TagFilter.ts"
import { isExact, parseTagPattern } from "../../../src/domain/TagPattern.ts"

describe("judging in steps", () => {
  const pattern = Result.getOrThrow(parseTagPattern("x.x"))
  if (isExact(pattern)) throw new Error("a pattern was expected")
  const filter: TagFilter = { pattern, allowCandidateRelease: true, include: [], exclude: [], latest: 7 }

  it.effect("gives the verdicts of judging at once, and lets other fibers run if it takes long", () =>
    Effect.gen(function* () {
      const listed = Array.from(
        { length: 1_000 },
        (_, index) => `${index % 50}.${index}${index % 7 === 0 ? "-rc1" : ""}`
      )
      let turns = 0
      yield* Effect.yieldNow.pipe(
        Effect.andThen(Effect.sync(() => (turns += 1))),
        Effect.forever,
        Effect.forkChild({ startImmediately: true })
      )
      assert.deepStrictEqual(yield* judgeTagsInSteps(filter, listed), judgeTags(filter, listed))
      assert.strictEqual(turns, 0, "not where it takes no time")
      let now = 0
      const millis = () => (now += 6)
      const nanos = () => BigInt(millis()) * 1_000_000n
      const slow: Clock.Clock = {
        currentTimeMillisUnsafe: millis,
        currentTimeMillis: Effect.sync(millis),
        currentTimeNanosUnsafe: nanos,
        currentTimeNanos: Effect.sync(nanos),
        monotonicTimeNanosUnsafe: nanos,
        monotonicTimeNanos: Effect.sync(nanos),
        sleep: () => Effect.void
      }
      const judged = yield* judgeTagsInSteps(filter, listed).pipe(Effect.provideService(Clock.Clock, slow))
      assert.deepStrictEqual(judged, judgeTags(filter, listed))
      assert.isAbove(turns, 1)
      assert.deepStrictEqual(yield* judgeTagsInSteps(filter, []), [])
    })
  )
})
