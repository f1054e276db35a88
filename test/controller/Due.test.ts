/** Keys that come due: when each is given out, in which order, and which is not. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Due from "../../src/controller/Due.ts"
import { seededRandom } from "../support/seededRandom.ts"

const DAY = 86_400_000

/** Writes down each key with the time at which it was given out. */
const record = Effect.fnUntraced(function* <K>(due: Due.Due<K>) {
  const given: Array<readonly [number, K]> = []
  const consumer = yield* due.keys.pipe(
    Stream.runForEach((key) => Effect.map(Clock.currentTimeMillis, (now) => given.push([now, key]))),
    Effect.forkScoped({ startImmediately: true })
  )
  return { given, consumer }
})

describe("keys that come due", () => {
  it.effect("are given out once each, when their time comes and not before", () =>
    Effect.gen(function* () {
      const due = yield* Due.make<string>()
      const { given } = yield* record(due)
      yield* due.set("late", 3_000)
      yield* due.set("early", 1_000)
      yield* TestClock.adjust(999)
      assert.deepStrictEqual(given, [])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(given, [
        [1_000, "early"],
        [3_000, "late"]
      ])
    })
  )

  it.effect("are given out at once if their time has passed, in the order of their times", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 minute")
      const due = yield* Due.make<string>()
      yield* due.set("c", 30_000)
      yield* due.set("a", 10_000)
      yield* due.set("b", 20_000)
      const { given } = yield* record(due)
      yield* Effect.yieldNow
      assert.deepStrictEqual(given, [
        [60_000, "a"],
        [60_000, "b"],
        [60_000, "c"]
      ])
    })
  )

  it.effect("of one time are given out in the order in which they were set", () =>
    Effect.gen(function* () {
      const due = yield* Due.make<number>()
      const { given } = yield* record(due)
      for (let key = 0; key < 20; key++) yield* due.set(key, 1_000)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        given.map(([, key]) => key),
        Array.from({ length: 20 }, (_, key) => key)
      )
    })
  )

  it.effect("have the time that was set last, be that earlier or later", () =>
    Effect.gen(function* () {
      const due = yield* Due.make<string>()
      const { given } = yield* record(due)
      yield* due.set("sooner", 50_000)
      yield* due.set("later", 5_000)
      yield* TestClock.adjust("1 second")
      yield* due.set("sooner", 10_000)
      yield* due.set("later", 20_000)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(given, [
        [10_000, "sooner"],
        [20_000, "later"]
      ])
    })
  )

  it.effect("are not given out once they are forgotten, and others are", () =>
    Effect.gen(function* () {
      const due = yield* Due.make<string>()
      const { given } = yield* record(due)
      yield* due.set("gone", 1_000)
      yield* due.set("kept", 2_000)
      yield* due.forget("gone")
      yield* due.forget("unknown")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(given, [[2_000, "kept"]])
    })
  )

  it.effect("may be months away, further than a timer of the process reaches", () =>
    Effect.gen(function* () {
      const due = yield* Due.make<string>()
      const { given } = yield* record(due)
      yield* due.set("a", 60 * DAY)
      yield* TestClock.adjust("59 days")
      assert.deepStrictEqual(given, [])
      yield* TestClock.adjust("2 days")
      assert.deepStrictEqual(given, [[60 * DAY, "a"]])
    })
  )

  it.effect("may have times with fractions of a millisecond, and are not given out before them", () =>
    Effect.gen(function* () {
      const due = yield* Due.make<string>()
      const { given } = yield* record(due)
      yield* due.set("a", 10.25)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(given, [[11, "a"]])
    })
  )

  it.effect("leave no timer behind when their consumer ends", () =>
    Effect.gen(function* () {
      const due = yield* Due.make<string>()
      const { consumer, given } = yield* record(due)
      yield* due.set("a", 1_000)
      yield* Fiber.interrupt(consumer)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(given, [])
    })
  )

  for (let seed = 1; seed <= 20; seed++) {
    it.effect(`are given out as a plain list of times says: seed ${seed}`, () =>
      Effect.gen(function* () {
        const random = seededRandom(seed)
        const due = yield* Due.make<number>()
        const { given } = yield* record(due)
        const times = new Map<number, number>()
        const expected: Array<readonly [number, number]> = []
        let now = 0
        for (let action = 0; action < 500; action++) {
          const key = random.below(40)
          if (random.chance(0.6)) {
            const millis = now + 1 + random.below(5_000)
            // A key that is set again comes after the others of its time.
            times.delete(key)
            times.set(key, millis)
            yield* due.set(key, millis)
          } else if (random.chance(0.3)) {
            times.delete(key)
            yield* due.forget(key)
          } else {
            now += random.below(1_000)
            const past = [...times].filter(([, millis]) => millis <= now).sort(([, a], [, b]) => a - b)
            for (const [dueKey, millis] of past) {
              expected.push([millis, dueKey])
              times.delete(dueKey)
            }
            yield* TestClock.setTime(now)
          }
        }
        assert.deepStrictEqual(given, expected)
        assert.isAbove(given.length, 50)
      })
    )
  }
})
