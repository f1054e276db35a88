/** Sends requests to an API server, with their authorization, time limits and retries. */
import { Clock, Context, Duration, Effect, Exit, Option, Redacted, Schedule, Stream } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { innermostCause } from "../text/Cause.ts"
import { type Operation, refusalOf, textOf } from "./answers.ts"
import type { KubeAccess } from "./KubeAccess.ts"
import { KubeError } from "./KubeClient.ts"

const CALL_TIMEOUT = "30 seconds"
/** The time limit of a page of a list. */
export const LIST_TIMEOUT = "2 minutes"
/** How many seconds a connection may be silent for longer than its watch is to last. */
const WATCH_GRACE_SECONDS = 10
const RETRIES = 4
/** With these answers the server says that it has not carried out the request. */
const NOT_EXECUTED = new Set([429, 503])
/** After these answers it is unknown whether the server has carried out the request. */
const MAYBE_EXECUTED = new Set([500, 504])
/** A request with one of these methods has the same result if it is sent twice. A PATCH is an apply or a merge of fixed values. */
const IDEMPOTENT = new Set(["GET", "PATCH", "DELETE"])

type Timeout = typeof CALL_TIMEOUT | typeof LIST_TIMEOUT

export interface Exchange {
  /** Names a request for its error messages. */
  readonly operation: (name: string) => Operation
  /**
   * Sends a request and reads its answer. A call that the server answers with 429 or 503 is retried. So is an idempotent call that the
   * server answers with 500 or 504.
   */
  readonly call: <A>(
    operation: Operation,
    request: HttpClientRequest.HttpClientRequest,
    read: (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<A, KubeError>,
    timeout?: Timeout
  ) => Effect.Effect<A, KubeError>
  /** The bytes of a watch, until its server ends the watch, or is silent for longer than the watch is to last. */
  readonly watch: (
    operation: Operation,
    request: HttpClientRequest.HttpClientRequest,
    seconds?: number
  ) => Stream.Stream<Uint8Array, KubeError>
}

/** Counts the requests to the API server, and the watches that fail. By default they are not counted. */
export const RequestObserver = Context.Reference("skopeo-operator/kube/RequestObserver", {
  defaultValue: () => ({
    /**
     * Called for each request. `code` is the HTTP status, or `<error>` without an answer, as in client-go. `seconds` is the time
     * from the send of the request to the head of the answer.
     */
    answered: (_host: string, _method: string, _code: string, _seconds: number): void => {},
    /** Called when a list or a watch of all objects of a resource has failed, before the pause that follows. */
    watchFailed: (_resource: string): void => {}
  })
})

export const make = (
  access: KubeAccess["Service"],
  client: HttpClient.HttpClient,
  observer: typeof RequestObserver.Service
): Exchange => {
  const { host } = new URL(access.server)
  const http = client.pipe(
    // The API server may begin traces of its own, and gets no identifiers of ours.
    HttpClient.transformResponse(Effect.provideService(HttpClient.TracerPropagationEnabled, false)),
    HttpClient.mapRequest((request) =>
      request.pipe(HttpClientRequest.prependUrl(access.server), HttpClientRequest.acceptJson)
    ),
    HttpClient.transform((execution, { method }) =>
      Effect.flatMap(Clock.currentTimeMillis, (start) =>
        Effect.onExit(execution, (exit) =>
          Effect.map(Clock.currentTimeMillis, (end) => {
            const code = Exit.isSuccess(exit) ? String(exit.value.status) : "<error>"
            observer.answered(host, method, code, Math.max(0, end - start) / 1_000)
          })
        )
      )
    )
  )

  /** Sends a request with the current token. If the server refuses the token, the request is sent once more with a token that is read again. */
  const execute = Effect.fnUntraced(function* (operation: Operation, request: HttpClientRequest.HttpClientRequest) {
    const execution = (authorization: Redacted.Redacted) =>
      http.execute(HttpClientRequest.setHeader(request, "authorization", Redacted.value(authorization)))
    const authorization = yield* access.authorization
    if (Option.isNone(authorization)) return yield* http.execute(request)
    const response = yield* execution(authorization.value)
    if (response.status !== 401) return response
    // The answer is read to its end, so that its connection can be used again.
    yield* Effect.ignore(textOf(operation, response))
    return yield* execution(Option.getOrElse(yield* access.renewed, () => authorization.value))
  })

  const send = (operation: Operation, request: HttpClientRequest.HttpClientRequest) =>
    execute(operation, request).pipe(
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
          while: ({ code }) => NOT_EXECUTED.has(code) || (MAYBE_EXECUTED.has(code) && IDEMPOTENT.has(request.method)),
          times: RETRIES,
          schedule: backoff
        })
      ),

    watch: (operation, request, seconds = Infinity) =>
      Stream.unwrap(
        send(operation, request).pipe(
          within(operation, CALL_TIMEOUT),
          Effect.map((response) => Stream.mapError(response.stream, operation.unreachable))
        )
      ).pipe(
        Stream.timeoutOrElse({
          duration: Duration.seconds(seconds + WATCH_GRACE_SECONDS),
          orElse: () => Stream.empty
        })
      )
  }
}

/** Pauses that grow, and are never shorter than the server asks for. */
const backoff = Schedule.exponential("500 millis").pipe(
  Schedule.setInputType<KubeError>(),
  Schedule.jittered,
  Schedule.modifyDelay(({ duration, input }) =>
    Effect.map(Clock.currentTimeMillis, (now) =>
      Duration.millis(Math.max(Math.round(Duration.toMillis(duration)), (input.until ?? now) - now))
    )
  )
)
