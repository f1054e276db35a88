/**
 * A keyed work queue: no key is worked on twice at once, a key added while it is worked on is worked on again, a key that
 * fails waits longer each time, and at most so many are worked on together.
 */
import { Cause, Clock, Duration, Effect, FiberMap, FiberSet, type Scope, Semaphore } from "effect"

/** When a key is to be worked on again without being added; `undefined`: not before it is. Milliseconds of the Clock. */
export type Again = number | undefined

export interface WorkQueue<in K> {
  /** Adds a key to be worked on as soon as there is room. */
  readonly add: (key: K) => Effect.Effect<void>
  /** Forgets a key's timer and failures. */
  readonly forget: (key: K) => Effect.Effect<void>
}

export interface WorkQueueOptions<K, E, R> {
  readonly work: (key: K) => Effect.Effect<Again, E, R>
  /** Keys at once. Default 10. */
  readonly concurrency?: number
  /** The pause after the first failure, doubled up to `maximum`. Default 750 ms and 15 min, Flux's pair. */
  readonly backoff?: { readonly base: Duration.Input; readonly maximum: Duration.Input }
  /** Told whenever the number of keys that wait has changed. */
  readonly onDepth?: (depth: number) => void
}

/** A timer further away than this wakes up early, finds nothing due and sleeps on. */
const LONGEST_SLEEP = Duration.toMillis("1 day")

/** Ends with its scope, and with it what is being worked on. */
export const make = Effect.fnUntraced(function* <K, E, R>(
  options: WorkQueueOptions<K, E, R>
): Effect.fn.Return<WorkQueue<K>, never, R | Scope.Scope> {
  const base = Duration.toMillis(Duration.fromInputUnsafe(options.backoff?.base ?? "750 millis"))
  const maximum = Duration.toMillis(Duration.fromInputUnsafe(options.backoff?.maximum ?? "15 minutes"))
  const room = yield* Semaphore.make(options.concurrency ?? 10)
  const workers = yield* FiberSet.make<void, never>()
  const timers = yield* FiberMap.make<K, void, never>()
  const fork = yield* FiberSet.runtime(workers)<R>()
  /** Keys that wait or are worked on; `again` if they were added since their work began. */
  const current = new Map<K, { again: boolean }>()
  const failures = new Map<K, number>()
  let depth = 0

  const moveDepth = (by: number) => {
    depth += by
    options.onDepth?.(depth)
  }

  const addAt = (key: K, millis: number): Effect.Effect<void> =>
    FiberMap.run(
      timers,
      key,
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.delay(add(key), Math.min(LONGEST_SLEEP, Math.max(0, millis - now)))
      )
    ).pipe(Effect.asVoid)

  const workOnce = (key: K): Effect.Effect<void, never, R> =>
    room
      .withPermit(
        Effect.suspend(() => {
          moveDepth(-1)
          return Effect.andThen(FiberMap.remove(timers, key), options.work(key))
        })
      )
      .pipe(
        Effect.matchCauseEffect({
          onSuccess: (again) => {
            failures.delete(key)
            return again === undefined ? Effect.void : addAt(key, again)
          },
          onFailure: (cause) => {
            if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
            const count = (failures.get(key) ?? 0) + 1
            failures.set(key, count)
            return Effect.flatMap(Clock.currentTimeMillis, (now) =>
              addAt(key, now + Math.min(maximum, base * 2 ** Math.min(count - 1, 30)))
            )
          }
        })
      )

  const workWhileAdded = (key: K, state: { again: boolean }): Effect.Effect<void, never, R> =>
    Effect.whileLoop({
      while: () => {
        if (state.again) {
          state.again = false
          return true
        }
        // Checked and removed in one step: a key added from here on starts anew, none is lost.
        current.delete(key)
        return false
      },
      body: () => workOnce(key),
      step: () => {}
    })

  const add = (key: K): Effect.Effect<void> =>
    Effect.sync(() => {
      const working = current.get(key)
      if (working !== undefined) {
        if (!working.again) moveDepth(1)
        working.again = true
        return
      }
      const state = { again: true }
      current.set(key, state)
      moveDepth(1)
      fork(workWhileAdded(key, state))
    })

  return {
    add,
    forget: (key) =>
      Effect.suspend(() => {
        failures.delete(key)
        return FiberMap.remove(timers, key)
      })
  }
})
