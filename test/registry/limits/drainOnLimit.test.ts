/** Work on several things, some of which a registry puts off. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { TestClock } from "effect/testing"
import { bothDraining, drainOnLimit } from "../../../src/registry/limits/drainOnLimit.ts"

type Trouble = "PutOff" | "Broken"
const limited = (postponed: (error: Trouble, millis: number) => Trouble = (error) => error) => ({
  isRateLimited: (error: Trouble): boolean => error === "PutOff",
  postponed
})

/** What takes a second, and may come to nothing after that or at once. */
const work = (ended: Array<string>) => (name: string) =>
  Effect.gen(function* () {
    if (name.startsWith("put off")) return yield* Effect.fail<Trouble>("PutOff")
    if (name.startsWith("broken")) return yield* Effect.fail<Trouble>("Broken")
    yield* Effect.sleep("1 second")
    ended.push(name)
    return name.length
  })

/** The outcome, and what came to its end. */
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
  it.effect("gives what came of all, in order", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* outcomeOf(["a", "bb", "ccc"]), {
        outcome: Result.succeed([1, 2, 3]),
        ended: ["a", "bb", "ccc"]
      })
      assert.deepStrictEqual(yield* outcomeOf([]), { outcome: Result.succeed([]), ended: [] })
    })
  )

  it.effect("lets those go on that are under way when one is put off, and begins no more", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* outcomeOf(["under way", "put off", "later"]), {
        outcome: Result.fail<Trouble>("PutOff"),
        ended: ["under way"]
      })
    })
  )

  it.effect("tells of what was put off as much later as the others took to their end", () =>
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

  it.effect("ends them when one fails", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* outcomeOf(["under way", "broken", "later"]), {
        outcome: Result.fail<Trouble>("Broken"),
        ended: []
      })
    })
  )
})

describe("bothDraining", () => {
  it.effect("lets one go on when the other is put off, and ends it when that fails", () =>
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
