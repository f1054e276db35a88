/** Requests to an API server: who asks, how long an answer may take, and what is asked again. */
import { Effect, Option, Redacted, Schedule, Stream } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { innermostCause } from "../text/Cause.ts"
import { type Operation, refusalOf } from "./answers.ts"
import type { KubeAccess } from "./KubeAccess.ts"
import { KubeError } from "./KubeClient.ts"

const CALL_TIMEOUT = "30 seconds"
/** A page of a list may be long. */
export const LIST_TIMEOUT = "2 minutes"
/** The server ends a watch after this; a silence a little longer means that the connection is dead. */
export const WATCH_SECONDS = 290
const WATCH_SILENCE = "320 seconds"
const RETRIES = 4

type Timeout = typeof CALL_TIMEOUT | typeof LIST_TIMEOUT

export interface Exchange {
  /** Names a request for its errors. */
  readonly operation: (name: string) => Operation
  /** One whole exchange, tried again where the server asks for that or never took the request in. */
  readonly call: <A>(
    operation: Operation,
    request: HttpClientRequest.HttpClientRequest,
    read: (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<A, KubeError>,
    timeout?: Timeout
  ) => Effect.Effect<A, KubeError>
  /** The bytes of a watch, until its server ends it. Fails if the server is silent for longer than a watch lasts. */
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
          orElse: () => Stream.fail(operation.unreachable(`silent for ${WATCH_SILENCE}`))
        })
      )
  }
}
