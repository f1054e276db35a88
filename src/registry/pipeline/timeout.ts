/** The stage that bounds the time of an answer. */
import { Clock, Duration, Effect } from "effect"
import { errorOf, isReplayable, shownOperation, type Stage } from "./request.ts"

/**
 * The time limit of an answer. The stage is inside the rate limiter, so time in the rate limiter's queue does not
 * count. A streamed body may take as long as it needs, but the HTTP client fails a body that stands still.
 */
export const timeout =
  (duration: Duration.Duration): Stage =>
  (next) =>
  (request) =>
    Effect.flatMap(Clock.currentTimeMillis, (start) => {
      const timed = Effect.flatMap(next(request), (response) =>
        Effect.map(Clock.currentTimeMillis, (end) => ({ ...response, millis: end - start }))
      )
      if (!isReplayable(request)) return timed
      return Effect.timeoutOrElse(timed, {
        duration: request.millisLeft ?? duration,
        orElse: () => {
          const operation = shownOperation(request)
          const words = `${operation} got no complete answer within ${Duration.format(duration)}`
          return Effect.fail(errorOf(request, "Unreachable", words))
        }
      })
    })
