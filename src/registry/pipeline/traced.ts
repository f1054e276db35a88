/** The stage that makes a span of each request. */
import { Effect } from "effect"
import type { Stage } from "./request.ts"

/** This stage is the outermost, so that the span contains all attempts and the requests for tokens. */
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

/** The span of a client's method. Unlike `Effect.fn` it captures no stack trace, which costs time at every call. */
export const spanOf = (name: string) => Effect.withSpan(`RegistryClient.${name}`, {}, { captureStackTrace: false })
