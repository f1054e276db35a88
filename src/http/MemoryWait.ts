/** The time for which a request waits for memory. No time limit of a registry's answer counts this time. */
import { Clock, Context, Effect } from "effect"

export class MemoryWait {
  #millis = 0
  #since: number | undefined

  /** The milliseconds until a time, which may be within a wait. */
  millisUntil(now: number): number {
    return this.#millis + (this.#since === undefined ? 0 : now - this.#since)
  }

  begin(now: number): void {
    this.#since = now
  }

  end(now: number): void {
    this.#millis = this.millisUntil(now)
    this.#since = undefined
  }
}

/** The wait of the request around the work, if its time is limited. A request waits once at a time. */
export const CurrentMemoryWait = Context.Reference<MemoryWait | undefined>("skopeo-operator/http/MemoryWait", {
  defaultValue: () => undefined
})

/** Counts the time of an effect as a wait for memory. */
export const waitingForMemory = <A, E, R>(wait: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(CurrentMemoryWait, (current) => {
    if (current === undefined) return wait
    return Effect.acquireUseRelease(
      Effect.map(Clock.currentTimeMillis, (now) => current.begin(now)),
      () => wait,
      () => Effect.map(Clock.currentTimeMillis, (now) => current.end(now))
    )
  })
