/** The times at which keys are worked on, and the retries of failed keys. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Random, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Due from "../../src/controller/Due.ts"
import * as WorkQueue from "../../src/controller/WorkQueue.ts"
import { seededRandom } from "../support/seededRandom.ts"

const seconds = Effect.map(Clock.currentTimeMillis, (millis) => millis / 1_000)

/** A Random that always gives the same number in [0, 1). */
const constant = (value: number): Random.Random => ({ nextDoubleUnsafe: () => value, nextIntUnsafe: () => 0 })

/** A queue that gets the keys that come due, as in the controller. */
const makeQueue = Effect.fnUntraced(function* <K, E, R>(
  options: Omit<WorkQueue.WorkQueueOptions<K, E, R>, "due" | "concurrency"> & { readonly concurrency?: number }
) {
  const due = yield* Due.make<K>()
  const queue = yield* WorkQueue.make({ concurrency: 10, ...options, due })
  yield* due.keys.pipe(
    Stream.runForEach((key) => queue.add(key, "Low")),
    Effect.forkScoped({ startImmediately: true })
  )
  return queue
})

/** Work with the given outcomes, the last one repeated, and the times at which the work began. */
const failing = (outcomes: ReadonlyArray<Effect.Effect<WorkQueue.Again, string>>) => {
  const times: Array<number> = []
  const work = (_key: string) =>
    Effect.flatMap(seconds, (now) => outcomes[times.push(now) - 1] ?? Effect.succeed<WorkQueue.Again>(undefined))
  return { times, work }
}

const fails: Effect.Effect<never, string> = Effect.fail("no luck")

describe("the work queue", () => {
  it.effect("the queue works on no key twice at once, and works again on a key that was added meanwhile", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const queue = yield* makeQueue({
        work: (key: string) =>
          Effect.gen(function* () {
            log.push(`${yield* seconds} start ${key}`)
            yield* Effect.sleep("10 seconds")
            log.push(`${yield* seconds} end ${key}`)
            return undefined
          })
      })
      yield* queue.add("a", "Low")
      yield* queue.add("a", "Low")
      yield* TestClock.adjust("5 seconds")
      yield* queue.add("a", "Low")
      yield* queue.add("a", "Low")
      yield* queue.add("b", "Low")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(log, ["0 start a", "5 start b", "10 end a", "10 start a", "15 end b", "20 end a"])
    })
  )

  it.effect("the queue works on a key of high priority before the other waiting keys", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const queue = yield* makeQueue({
        concurrency: 2,
        work: (key: string) =>
          Effect.as(
            Effect.delay(
              Effect.sync(() => log.push(key)),
              "1 second"
            ),
            undefined
          )
      })
      for (const key of ["a", "b", "c", "d"]) yield* queue.add(key, "Low")
      yield* queue.add("d", "High")
      yield* queue.add("new", "High")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(log, ["a", "b", "d", "new", "c"])
    })
  )

  it.effect("the pause grows with each failure up to the maximum, and a success resets it", () => {
    const inAMinute = Effect.map(Clock.currentTimeMillis, (now) => now + 60_000)
    const { times, work } = failing([fails, fails, fails, fails, inAMinute, fails])
    return Effect.gen(function* () {
      const queue = yield* makeQueue({ backoff: { base: "1 second", maximum: "4 seconds" }, work })
      yield* queue.add("a", "Low")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(times, [0, 1, 3, 7, 11, 71, 72])
    }).pipe(Effect.provideService(Random.Random, constant(0)))
  })

  it.effect("the default pause is from 750 ms to 15 minutes", () => {
    const { times, work } = failing(Array.from({ length: 14 }, () => fails))
    return Effect.gen(function* () {
      const queue = yield* makeQueue({ work })
      yield* queue.add("a", "Low")
      yield* TestClock.adjust("1 day")
      const pauses = times.map((time, index) => time - (times[index - 1] ?? time)).slice(1)
      assert.deepStrictEqual(pauses, [0.75, 1.5, 3, 6, 12, 24, 48, 96, 192, 384, 768, 900, 900, 900])
    }).pipe(Effect.provideService(Random.Random, constant(0)))
  })

  it.effect(
    "each pause is shortened at random by up to a fifth, so that keys that failed together are not retried together",
    () => {
      const tried: Array<number> = []
      return Effect.gen(function* () {
        const queue = yield* makeQueue({
          concurrency: 100,
          backoff: { base: "10 seconds", maximum: "1 minute" },
          work: (_key: number) =>
            Effect.flatMap(seconds, (now) => {
              if (now > 0) tried.push(now)
              return now > 0 ? Effect.succeed<WorkQueue.Again>(undefined) : fails
            })
        })
        for (let key = 0; key < 100; key++) yield* queue.add(key, "Low")
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(tried.length, 100)
        assert.isAtLeast(Math.min(...tried), 8)
        assert.isAtMost(Math.max(...tried), 10)
        assert.isAbove(new Set(tried).size, 90)
      }).pipe(Random.withSeed("a seed"))
    }
  )

  it.effect("the queue works at once on a changed key that failed before, and counts its failures from zero", () => {
    const { times, work } = failing([fails, fails, fails, fails])
    return Effect.gen(function* () {
      const queue = yield* makeQueue({ backoff: { base: "10 seconds", maximum: "15 minutes" }, work })
      yield* queue.add("a", "Low")
      yield* TestClock.adjust("40 seconds")
      assert.deepStrictEqual(times, [0, 10, 30])
      yield* queue.forget("a")
      yield* queue.add("a", "High")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(times, [0, 10, 30, 40, 50], "nothing is left of the pause that would have ended at 70")
    }).pipe(Effect.provideService(Random.Random, constant(0)))
  })

  it.effect(
    "a key that is added again and fails again during its pause is retried at the end of the same pause",
    () => {
      const { times, work } = failing(Array.from({ length: 6 }, () => fails))
      return Effect.gen(function* () {
        const queue = yield* makeQueue({ backoff: { base: "10 seconds", maximum: "15 minutes" }, work })
        yield* queue.add("a", "Low")
        for (let count = 0; count < 4; count++) {
          yield* TestClock.adjust("1 second")
          yield* queue.add("a", "High")
        }
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(times, [0, 1, 2, 3, 4, 10, 30])
      }).pipe(Effect.provideService(Random.Random, constant(0)))
    }
  )

  const ownInterrupt = Effect.withFiber((fiber) => Fiber.interrupt(fiber))
  const unusual: ReadonlyArray<readonly [string, Effect.Effect<never, string> | Effect.Effect<undefined>]> = [
    ["dies", Effect.die("a defect")],
    ["is interrupted from inside", Effect.interrupt],
    ["interrupts its own fiber", Effect.as(ownInterrupt, undefined)]
  ]
  for (const [name, outcome] of unusual) {
    it.effect(`a key whose work ${name} is retried as a failed key`, () => {
      const { times, work } = failing([outcome, outcome])
      return Effect.gen(function* () {
        const queue = yield* makeQueue({ concurrency: 1, backoff: { base: "1 second", maximum: "1 minute" }, work })
        yield* queue.add("a", "Low")
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(times, [0, 1, 3])
        yield* queue.add("a", "Low")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(times.length, 4)
      }).pipe(Effect.provideService(Random.Random, constant(0)))
    })

    it.effect(`the queue works on the waiting keys after work ${name}`, () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const queue = yield* makeQueue({
          concurrency: 1,
          work: (key: string) =>
            Effect.gen(function* () {
              log.push(`${yield* seconds} ${key}`)
              yield* Effect.sleep("100 millis")
              return key === "a" && log.length === 1 ? yield* outcome : undefined
            })
        })
        for (const key of ["a", "b", "c"]) yield* queue.add(key, "Low")
        yield* TestClock.adjust("500 millis")
        assert.deepStrictEqual(log, ["0 a", "0.1 b", "0.2 c"])
      })
    )
  }

  it.effect("the queue works on a limited number of keys at once, and reports its depth", () =>
    Effect.gen(function* () {
      let atOnce = 0
      let most = 0
      const depths: Array<number> = []
      const queue = yield* makeQueue({
        concurrency: 3,
        observer: { depth: (depth) => depths.push(depth) },
        work: (_key: number) =>
          Effect.gen(function* () {
            atOnce += 1
            most = Math.max(most, atOnce)
            yield* Effect.sleep("1 second")
            atOnce -= 1
            return undefined
          })
      })
      for (let key = 0; key < 20; key++) yield* queue.add(key, "Low")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(most, 3)
      assert.strictEqual(Math.max(...depths), 17, "20 less the 3 that are worked on")
      assert.strictEqual(depths.at(-1), 0)
    })
  )

  it.effect("the queue reports how long each key has waited, and each failure", () =>
    Effect.gen(function* () {
      const waited: Array<number> = []
      let retried = 0
      const done: Effect.Effect<WorkQueue.Again, string> = Effect.succeed(undefined)
      const outcomes = [Effect.fail("down"), done]
      const queue = yield* makeQueue({
        concurrency: 1,
        backoff: { base: "4 seconds", maximum: "4 seconds" },
        observer: { taken: (millis) => waited.push(millis), retried: () => (retried += 1) },
        work: (key: string) =>
          Effect.delay(
            Effect.suspend(() => (key === "b" ? (outcomes.shift() ?? done) : done)),
            "3 seconds"
          )
      }).pipe(Effect.provideService(Random.Random, constant(0)))
      for (const key of ["a", "b", "b"]) yield* queue.add(key, "Low")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(waited, [0, 3_000, 0], "a, then b after a, then b as soon as its pause has ended")
      assert.strictEqual(retried, 1)
    })
  )

  it.effect("the queue works on many thousand keys whose work ends at once", () =>
    Effect.gen(function* () {
      let worked = 0
      const queue = yield* makeQueue({ work: (_key: number) => Effect.sync(() => void (worked += 1)) })
      for (let key = 0; key < 20_000; key++) yield* queue.add(key, "Low")
      yield* queue.idle.pipe(Stream.takeUntil(Boolean), Stream.runDrain)
      assert.strictEqual(worked, 20_000)
    })
  )

  it.effect("the time that the last work gave replaces a key's earlier due time", () =>
    Effect.gen(function* () {
      const times: Array<number> = []
      const queue = yield* makeQueue({
        work: (_key: string) =>
          Effect.gen(function* () {
            times.push(yield* seconds)
            return times.length < 3 ? (yield* Clock.currentTimeMillis) + 100_000 : undefined
          })
      })
      yield* queue.add("a", "Low")
      yield* TestClock.adjust("50 seconds")
      yield* queue.add("a", "Low")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(times, [0, 50, 150])
    })
  )

  it.effect("a key that is worked on before its due time is no longer due at that time", () => {
    const { times, work } = failing([Effect.succeed(100_000)])
    return Effect.gen(function* () {
      const queue = yield* makeQueue({ work })
      yield* queue.add("a", "Low")
      yield* TestClock.adjust("50 seconds")
      yield* queue.add("a", "High")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(times, [0, 50])
    })
  })

  it.effect("the queue reports whether it is idle, at once and at each change, without keys that are due later", () =>
    Effect.gen(function* () {
      const queue = yield* makeQueue({
        work: (_key: string) =>
          Effect.delay(
            Effect.map(Clock.currentTimeMillis, (now) => (now < 60_000 ? now + 100_000 : undefined)),
            "1 second"
          )
      })
      const idle: Array<string> = []
      yield* queue.idle.pipe(
        Stream.runForEach((isIdle) => Effect.map(seconds, (now) => idle.push(`${now} ${isIdle ? "idle" : "busy"}`))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* queue.add("a", "Low")
      yield* queue.add("b", "Low")
      yield* queue.add("b", "Low")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(idle, ["0 idle", "0 busy", "2 idle"])
      yield* TestClock.adjust("1 hour")
      // The queue worked on b twice, and b is due a second after a.
      assert.deepStrictEqual(idle.slice(3), ["101 busy", "102 idle", "102 busy", "103 idle"])
    })
  )

  it.effect("the end of the queue's scope interrupts running work, and no more work starts", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const scope = yield* Scope.make()
      const work = (key: string) =>
        Effect.onInterrupt(
          Effect.andThen(
            Effect.sync(() => log.push(`start ${key}`)),
            Effect.never
          ),
          () => Effect.sync(() => log.push(`stop ${key}`))
        )
      const queue = yield* Scope.provide(makeQueue({ concurrency: 1, work }), scope)
      yield* queue.add("a", "Low")
      yield* queue.add("b", "Low")
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      yield* queue.add("c", "High")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(log, ["start a", "stop a"])
    })
  )

  for (let seed = 1; seed <= 20; seed++) {
    it.effect(`the queue loses no key and works on no key twice at once, however work ends: seed ${seed}`, () =>
      Effect.gen(function* () {
        const random = seededRandom(seed)
        const working = new Set<number>()
        let twice = 0
        let most = 0
        const added = new Map<number, number>()
        const worked = new Map<number, number>()
        let now = 0
        const queue = yield* makeQueue({
          concurrency: 3,
          work: (key: number) =>
            Effect.gen(function* () {
              if (working.has(key)) twice += 1
              working.add(key)
              most = Math.max(most, working.size)
              worked.set(key, yield* Clock.currentTimeMillis)
              yield* Effect.sleep(random.below(2_000))
              if (random.chance(0.2)) return yield* fails
              if (random.chance(0.1)) return yield* Effect.die("a defect")
              if (random.chance(0.1)) return yield* Effect.interrupt
              return random.chance(0.3) ? (yield* Clock.currentTimeMillis) + random.below(5_000) : undefined
            }).pipe(Effect.ensuring(Effect.sync(() => working.delete(key))))
        })
        for (let action = 0; action < 200; action++) {
          const key = random.below(10)
          added.set(key, now)
          yield* queue.add(key, random.chance(0.3) ? "High" : "Low")
          now += random.below(1_000)
          yield* TestClock.setTime(now)
        }
        yield* TestClock.adjust("1 day")
        for (const [key, time] of added) assert.isAtLeast(worked.get(key) ?? -1, time)
        assert.deepStrictEqual({ twice, most, left: working.size }, { twice: 0, most: 3, left: 0 })
      })
    )
  }
})
