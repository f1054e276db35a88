/** Sends requests to an API server, with their authorization, time limits and retries. */
import { Effect, Option, Redacted, Schedule, Stream } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { innermostCause } from "../text/Cause.ts"
import { type Operation, refusalOf } from "./answers.ts"
import type { KubeAccess } from "./KubeAccess.ts"
import { KubeError } from "./KubeClient.ts"

const CALL_TIMEOUT = "30 seconds"
/** The time limit of a page of a list. */
export const LIST_TIMEOUT = "2 minutes"
/** The server ends a watch after this time. If no byte comes for a little longer, the connection is dead. */
export const WATCH_SECONDS = 290
const WATCH_SILENCE = "320 seconds"
const RETRIES = 4

type Timeout = typeof CALL_TIMEOUT | typeof LIST_TIMEOUT

export interface Exchange {
  /** Names a request for its error messages. */
  readonly operation: (name: string) => Operation
  /** Sends a request and reads its answer. Retries a call that the server answers with 429, 503 or 504. */
  readonly call: <A>(
    operation: Operation,
    request: HttpClientRequest.HttpClientRequest,
    read: (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<A, KubeError>,
    timeout?: Timeout
  ) => Effect.Effect<A, KubeError>
  /** The bytes of a watch until the server ends it. Fails if no byte comes for longer than a watch lasts. */
  readonly watch: (
    operation: Operation,
    request: HttpClientRequest.HttpClientRequest
  ) => Stream.Stream<Uint8Array, KubeError>
}

export const make = (access: KubeAccess["Service"], client: HttpClient.HttpClient): Exchange => {
  const http = client.pipe(
    HttpClient.mapRequestEffect((request) =>
      Effect.map(
        access.authorization,
        Option.match({
          onNone: () => request,
          onSome: (value) => HttpClientRequest.setHeader(request, "authorization", Redacted.value(value))
        })
      )
    ),
    HttpClient.mapRequest((request) =>
      request.pipe(HttpClientRequest.prependUrl(access.server), HttpClientRequest.acceptJson)
    )
  )

  const send = (operation: Operation, request: HttpClientRequest.HttpClientRequest) =>
    http.execute(request).pipe(
      Effect.mapError(operation.unreachable),
      Effect.flatMap((response) =>
        response.status < 300 ? Effect.succeed(response) : Effect.flip(refusalOf(operation, response))
      )
    )

  const within = ({ unreachable }: Operation, duration: Timeout) =>
    Effect.timeoutOrElse({
      duration,
      orElse: () => Effect.fail(unreachable(`no answer within ${duration}`))
    })

  return {
    operation: (name) => ({
      name,
      unreachable: (cause) =>
        new KubeError({
          operation: name,
          code: 0,
          reason: "Unreachable",
          detail: `${access.server}: ${typeof cause === "string" ? cause : innermostCause(cause)}`
        })
    }),

    call: (operation, request, read, timeout = CALL_TIMEOUT) =>
      send(operation, request).pipe(
        Effect.flatMap(read),
        within(operation, timeout),
        Effect.retry({
          while: ({ code }) => code === 429 || code === 503 || code === 504,
          times: RETRIES,
          schedule: Schedule.exponential("500 millis").pipe(Schedule.jittered)
        })
      ),

    watch: (operation, request) =>
      Stream.unwrap(
        send(operation, request).pipe(
          within(operation, CALL_TIMEOUT),
          Effect.map((response) => Stream.mapError(response.stream, operation.unreachable))
        )
      ).pipe(
        Stream.timeoutOrElse({
          duration: WATCH_SILENCE,
          orElse: () => Stream.fail(operation.unreachable(`no byte came for ${WATCH_SILENCE}`))
        })
      )
  }
}
