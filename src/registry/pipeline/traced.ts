/** A span for each request. */
import { Effect } from "effect"
import type { Stage } from "./request.ts"

/** Outermost, so that the span holds all attempts, and the requests for tokens. */
export const traced: Stage = (next) => (request) =>
  Effect.tap(next(request), ({ status }) => Effect.annotateCurrentSpan("status", status)).pipe(
    Effect.withSpan(
      "registry.request",
      {
        kind: "client",
        attributes: {
          registry: request.access.repository.registry,
          repository: request.access.repository.path,
          method: request.method,
          route: request.route
        }
      },
      { captureStackTrace: false }
    )
  )

/** The span of a client's method, without its place in the source: `Effect.fn` looks for that at every call. */
export const spanOf = (name: string) => Effect.withSpan(`RegistryClient.${name}`, {}, { captureStackTrace: false })
