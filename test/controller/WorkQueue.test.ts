import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as WorkQueue from "../../src/controller/WorkQueue.ts"

const seconds = Effect.map(Clock.currentTimeMillis, (millis) => millis / 1_000)

describe("the work queue", () => {
  it.effect("works on no key twice at once, and once more on one that was added meanwhile", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const queue = yield* WorkQueue.make({
        work: (key: string) =>
          Effect.gen(function* () {
            log.push(`${yield* seconds} start ${key}`)
            yield* Effect.sleep("10 seconds")
            log.push(`${yield* seconds} end ${key}`)
            return undefined
          })
      })
      yield* queue.add("a")
      yield* queue.add("a")
      yield* TestClock.adjust("5 seconds")
      yield* queue.add("a")
      yield* queue.add("a")
      yield* queue.add("b")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(log, ["0 start a", "5 start b", "10 end a", "10 start a", "15 end b", "20 end a"])
    })
  )

  it.effect("waits longer after each failure up to the maximum, and forgets failures after a success", () =>
    Effect.gen(function* () {
      const times: Array<number> = []
      let outcomes = ["fail", "fail", "fail", "fail", "fine", "fail", "fine"]
      const queue = yield* WorkQueue.make({
        backoff: { base: "1 second", maximum: "4 seconds" },
        work: (_key: string) =>
          Effect.gen(function* () {
            times.push(yield* seconds)
            const [outcome, ...rest] = outcomes
            outcomes = rest
            if (outcome === "fail") return yield* Effect.fail("no luck")
            return rest.length === 0 ? undefined : (yield* Clock.currentTimeMillis) + 60_000
          })
      })
      yield* queue.add("a")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(times, [0, 1, 3, 7, 11, 71, 72])
    })
  )

  it.effect("survives work that dies", () =>
    Effect.gen(function* () {
      let runs = 0
      const queue = yield* WorkQueue.make({
        work: (_key: string) =>
          Effect.suspend(() => {
            runs += 1
            return runs === 1 ? Effect.die("a defect") : Effect.succeed(undefined)
          })
      })
      yield* queue.add("a")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(runs, 2)
    })
  )

  it.effect("works on so many keys at once and says how many wait", () =>
    Effect.gen(function* () {
      let atOnce = 0
      let most = 0
      const depths: Array<number> = []
      const queue = yield* WorkQueue.make({
        concurrency: 3,
        onDepth: (depth) => depths.push(depth),
        work: (_key: number) =>
          Effect.gen(function* () {
            atOnce += 1
            most = Math.max(most, atOnce)
            yield* Effect.sleep("1 second")
            atOnce -= 1
            return undefined
          })
      })
      for (let key = 0; key < 20; key++) yield* queue.add(key)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(most, 3)
      assert.strictEqual(Math.max(...depths), 17, "20 less the 3 that are worked on")
      assert.strictEqual(depths.at(-1), 0)
    })
  )

  it.effect("replaces a key's timer by what its last work asked for, and drops it when the key is forgotten", () =>
    Effect.gen(function* () {
      const times: Array<number> = []
      const queue = yield* WorkQueue.make({
        work: (_key: string) =>
          Effect.gen(function* () {
            times.push(yield* seconds)
            return (yield* Clock.currentTimeMillis) + 100_000
          })
      })
      yield* queue.add("a")
      yield* TestClock.adjust("50 seconds")
      yield* queue.add("a")
      yield* TestClock.adjust("101 seconds")
      assert.deepStrictEqual(times, [0, 50, 150])
      yield* queue.forget("a")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(times, [0, 50, 150])
    })
  )

  it.effect("keeps a timer that is months away", () =>
    Effect.gen(function* () {
      const times: Array<number> = []
      const queue = yield* WorkQueue.make({
        work: (_key: string) =>
          Effect.gen(function* () {
            const now = yield* Clock.currentTimeMillis
            const due = 60 * 86_400_000
            if (now >= due) times.push(now / 86_400_000)
            return now < due ? due : undefined
          })
      })
      yield* queue.add("a")
      yield* TestClock.adjust("90 days")
      assert.deepStrictEqual(times, [60])
    })
  )
})
