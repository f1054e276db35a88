/** Work on several items, some of which are rate limited. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { TestClock } from "effect/testing"
import { bothDraining, drainOnLimit } from "../../../src/registry/limits/drainOnLimit.ts"

type Trouble = "PutOff" | "Broken"
const limited = (postponed: (error: Trouble, millis: number) => Trouble = (error) => error) => ({
  isRateLimited: (error: Trouble): boolean => error === "PutOff",
  postponed
})

/** An effect of one second, which may fail at its end or at once. */
const work = (ended: Array<string>) => (name: string) =>
  Effect.gen(function* () {
    if (name.startsWith("put off")) return yield* Effect.fail<Trouble>("PutOff")
    if (name.startsWith("broken")) return yield* Effect.fail<Trouble>("Broken")
    yield* Effect.sleep("1 second")
    ended.push(name)
    return name.length
  })

/** The outcome of the work, and the items that finished. */
const outcomeOf = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  const ended: Array<string> = []
  const fiber = yield* Effect.forkChild(
    Effect.result(drainOnLimit(names, work(ended), { concurrency: 2, limited: limited() }))
  )
  yield* TestClock.adjust("10 seconds")
  const exit = fiber.pollUnsafe()
  assert.isDefined(exit)
  return { outcome: yield* exit ?? Effect.never, ended }
})

describe("drainOnLimit", () => {
  it.effect("drainOnLimit gives the results of all items in order", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* outcomeOf(["a", "bb", "ccc"]), {
        outcome: Result.succeed([1, 2, 3]),
        ended: ["a", "bb", "ccc"]
      })
      assert.deepStrictEqual(yield* outcomeOf([]), { outcome: Result.succeed([]), ended: [] })
    })
  )

  it.effect("drainOnLimit lets running items finish after one is rate limited, and starts no more", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* outcomeOf(["under way", "put off", "later"]), {
        outcome: Result.fail<Trouble>("PutOff"),
        ended: ["under way"]
      })
    })
  )

  it.effect("drainOnLimit adds the time that the other items took to the time of the error", () =>
    Effect.gen(function* () {
      const postponed: Array<number> = []
      const recording = limited((error, millis) => {
        postponed.push(millis)
        return error
      })
      const fiber = yield* Effect.forkChild(
        Effect.result(drainOnLimit(["under way", "put off"], work([]), { concurrency: 2, limited: recording }))
      )
      yield* TestClock.adjust("10 seconds")
      assert.isDefined(fiber.pollUnsafe())
      assert.deepStrictEqual(postponed, [1_000])
    })
  )

  it.effect("drainOnLimit interrupts the other items if one fails", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* outcomeOf(["under way", "broken", "later"]), {
        outcome: Result.fail<Trouble>("Broken"),
        ended: []
      })
    })
  )
})

describe("bothDraining", () => {
  it.effect(
    "bothDraining lets one effect finish if the other is rate limited, and interrupts it if the other fails",
    () =>
      Effect.gen(function* () {
        for (const [other, expected] of [
          ["put off", ["one"]],
          ["broken", []]
        ] as const) {
          const ended: Array<string> = []
          const fiber = yield* Effect.forkChild(
            Effect.result(bothDraining(work(ended)("one"), work(ended)(other), limited()))
          )
          yield* TestClock.adjust("10 seconds")
          assert.isDefined(fiber.pollUnsafe())
          assert.deepStrictEqual(ended, [...expected])
        }
      })
  )
})
