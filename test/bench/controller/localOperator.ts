/** The operator as a process of this machine, with the program of the container image. */
import { Clock, Effect, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import { shipped } from "../../../scripts/bundle/shipped.ts"
import { startLocalOperator } from "../../support/localOperator.ts"
import { BenchFailed } from "../copy/measure.ts"
import { secondsBetween } from "./milestones.ts"

/**
 * Starts the operator for Images of some namespaces, with copies in its process and without a leader election. It is killed
 * when the Scope closes. Gives the seconds from the start of the process until /readyz answers 200.
 */
export const startOperator = Effect.fnUntraced(function* (
  bundle: string,
  namespaces: ReadonlyArray<string>
): Effect.fn.Return<number, BenchFailed, HttpClient.HttpClient | Scope.Scope> {
  const start = yield* Clock.currentTimeNanos
  yield* startLocalOperator({
    program: shipped(bundle),
    env: {
      NODE_ENV: "production",
      COPY_ENGINE: "direct",
      LEADER_ELECTION: "false",
      WATCH_NAMESPACES: namespaces.join(","),
      DISABLE_SRC_TLS_VERIFICATION: "true",
      DISABLE_DEST_TLS_VERIFICATION: "true"
    }
  }).pipe(Effect.mapError(({ message }) => new BenchFailed({ detail: message })))
  return secondsBetween(start, yield* Clock.currentTimeNanos)
})
