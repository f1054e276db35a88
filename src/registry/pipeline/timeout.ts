/** The stage that bounds the time of an answer. */
import { Clock, Duration, Effect } from "effect"
import { CurrentMemoryWait, MemoryWait } from "../../http/MemoryWait.ts"
import { errorOf, isReplayable, shownOperation, type Stage } from "./request.ts"

/**
 * The time limit of an answer. The stage is inside the rate limiter, so time in the rate limiter's queue does not
 * count. Nor does the time for which the body waits for memory: no registry is to blame for that. A streamed body may take as
 * long as it needs, but the HTTP client fails a body that stands still.
 */
export const timeout =
  (duration: Duration.Duration): Stage =>
  (next) =>
  (request) =>
    Effect.flatMap(Clock.currentTimeMillis, (start) => {
      const wait = new MemoryWait()
      const millis = Effect.map(Clock.currentTimeMillis, (now) => now - start - wait.millisUntil(now))
      const timed = Effect.flatMap(next(request), (response) =>
        Effect.map(millis, (millis) => ({ ...response, millis }))
      ).pipe(Effect.provideService(CurrentMemoryWait, wait))
      if (!isReplayable(request)) return timed
      const limit = request.millisLeft ?? Duration.toMillis(duration)
      const expired = Effect.gen(function* () {
        for (let left = limit; left >= 1; left = limit - (yield* millis)) yield* Effect.sleep(left)
        const operation = shownOperation(request)
        const words = `${operation} got no complete answer within ${Duration.format(duration)}`
        return yield* errorOf(request, "Unreachable", words)
      })
      return Effect.raceFirst(timed, expired)
    })
