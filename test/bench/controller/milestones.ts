/** When awaited events came first, such as the Ready of an Image. */
import { Clock, Deferred, Effect } from "effect"

/** Seconds between two times of the Clock in nanoseconds. */
export const secondsBetween = (start: bigint, end: bigint): number => Number(end - start) / 1e9

export interface Milestones {
  /** An event has come now. Later events of the same name do not count. */
  readonly reached: (name: string) => Effect.Effect<void>
  /** Waits for an event, and gives its time in nanoseconds of the Clock. */
  readonly at: (name: string) => Effect.Effect<bigint>
  /** How many events have come. */
  readonly count: () => number
  /** Waits for all events, and gives the time of the last one. */
  readonly all: (names: ReadonlyArray<string>) => Effect.Effect<bigint>
}

export const make = (): Milestones => {
  const times = new Map<string, Deferred.Deferred<bigint>>()
  const of = (name: string): Deferred.Deferred<bigint> => {
    const known = times.get(name) ?? Deferred.makeUnsafe<bigint>()
    times.set(name, known)
    return known
  }
  const at = (name: string): Effect.Effect<bigint> => Effect.suspend(() => Deferred.await(of(name)))
  let count = 0
  return {
    reached: (name) =>
      Effect.map(
        Effect.flatMap(Clock.currentTimeNanos, (now) => Deferred.succeed(of(name), now)),
        (isFirst) => {
          if (isFirst) count += 1
        }
      ),
    at,
    count: () => count,
    all: (names) =>
      Effect.map(Effect.forEach(names, at), (found) => found.reduce((last, time) => (time > last ? time : last), 0n))
  }
}
