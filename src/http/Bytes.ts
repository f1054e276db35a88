/**
 * A number of bytes that work shares. Work takes all of its bytes at once or waits with none of them, so that a long wait for
 * many bytes keeps nothing from work that needs few. Waiting work is served in the order of its arrival, as far as bytes are
 * free. Smaller work may overtake larger work until as many bytes as there are have overtaken it: nothing waits for ever.
 */
import { Deferred, Effect, type Scope } from "effect"

export interface Bytes {
  /** Waits for bytes, and returns them when the scope ends. There must be so many in all. */
  readonly take: (bytes: number) => Effect.Effect<void, never, Scope.Scope>
}

interface Taker {
  readonly bytes: number
  readonly granted: Deferred.Deferred<void>
  /** The bytes of later takers that were served before. */
  overtaken: number
}

export const makeBytes = (total: number): Bytes => {
  let free = total
  const waiting = new Set<Taker>()

  const serve = (): void => {
    const served: Array<Taker> = []
    const passed: Array<Taker> = []
    for (const taker of waiting) {
      if (taker.bytes <= free) {
        free -= taker.bytes
        waiting.delete(taker)
        served.push(taker)
        for (const earlier of passed) earlier.overtaken += taker.bytes
      } else passed.push(taker)
      if (passed.some(({ overtaken }) => overtaken >= total)) break
    }
    for (const { granted } of served) Deferred.doneUnsafe(granted, Effect.void)
  }

  const enter = (bytes: number): Taker => {
    const taker: Taker = { bytes, granted: Deferred.makeUnsafe(), overtaken: 0 }
    waiting.add(taker)
    serve()
    return taker
  }

  const leave = (taker: Taker): void => {
    if (!waiting.delete(taker)) free += taker.bytes
    serve()
  }

  return {
    take: (bytes) =>
      Effect.flatMap(
        Effect.acquireRelease(
          Effect.sync(() => enter(bytes)),
          (taker) => Effect.sync(() => leave(taker))
        ),
        ({ granted }) => Deferred.await(granted)
      )
  }
}
