/** The stage that retries reads that failed because of the network or an overloaded server. */
import { type Duration, Effect, Schedule } from "effect"
import { RegistryError } from "../RegistryError.ts"
import { isRead, type RegistryResponse, type Stage } from "./request.ts"

const RETRIES = 2

/** A registry that does not implement a method or a path does not implement it a second later. */
const NOT_IMPLEMENTED = 501

/** The pause is doubled each time. After the last retry the answer is passed on, even if it is an error. */
export const retryReads = (retryDelay: Duration.Input): Stage => {
  const policy = {
    while: isWorthAnotherTry,
    times: RETRIES,
    schedule: Schedule.exponential(retryDelay).pipe(Schedule.jittered)
  }
  return (next) => (request) =>
    isRead(request)
      ? Effect.flatMap(next(request), (response) =>
          response.status >= 500 && response.status !== NOT_IMPLEMENTED
            ? Effect.fail(response)
            : Effect.succeed(response)
        ).pipe(
          Effect.retry(policy),
          Effect.catch((failure) => (failure instanceof RegistryError ? Effect.fail(failure) : Effect.succeed(failure)))
        )
      : next(request)
}

const isWorthAnotherTry = (failure: RegistryError | RegistryResponse): boolean =>
  failure instanceof RegistryError ? failure.reason._tag === "Unreachable" : true
