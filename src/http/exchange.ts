/**
 * Sends one request and reads its answer with Node's own client. A copy consists of many small requests, and more
 * general clients take five to ten times the processor time for each (`npm run bench -- copy` shows the cost).
 */
import * as http from "node:http"
import * as https from "node:https"
import { type Duration, Effect } from "effect"
import type { Route } from "./agents.ts"
import { ConnectionError, type Progress } from "./ConnectionError.ts"
import type { BodyStream, HttpHead, HttpRequest, StreamedBody } from "./Http.ts"
import { idleFor, untilIdle } from "./idle.ts"

/** An answer whose body has not been read. */
export type Incoming = HttpHead & BodyStream

export interface ExchangeOptions {
  readonly connectMillis: number
  /** How long a streamed body may bring no byte to send. */
  readonly idleTimeout: Duration.Duration
}

/** Sends a request by a route. Fails with `Idle` if a streamed body stands still for too long. */
export const exchange = (
  route: Route,
  request: HttpRequest,
  { connectMillis, idleTimeout }: ExchangeOptions
): Effect.Effect<Incoming, ConnectionError> =>
  Effect.suspend(() => {
    const { body } = request
    const sending = { steps: 0 }
    const sent = Effect.callback<Incoming, ConnectionError>((resume) => {
      const attempt = new Attempt(route, request, connectMillis, sending, resume)
      attempt.start()
      return Effect.sync(() => attempt.giveUp())
    })
    if (body === undefined || body instanceof Uint8Array) return sent
    const watch = untilIdle(idleTimeout, { moved: () => sending.steps, isPaused: () => body.isPaused?.() === true })
    return Effect.raceFirst(
      sent,
      Effect.flatMap(watch, () => Effect.fail(idleFor(idleTimeout, false)))
    )
  })

type Resume = (effect: Effect.Effect<Incoming, ConnectionError>) => void

/** One attempt to send a request. The attempt is repeated if the host had just closed a reused connection. */
class Attempt {
  readonly #route: Route
  readonly #request: HttpRequest
  readonly #connectMillis: number
  readonly #sending: { steps: number }
  readonly #resume: Resume
  #outgoing: http.ClientRequest | undefined
  #isGivenUp = false
  #isConnected = false
  #isAnswered = false

  constructor(route: Route, request: HttpRequest, connectMillis: number, sending: { steps: number }, resume: Resume) {
    this.#route = route
    this.#request = request
    this.#connectMillis = connectMillis
    this.#sending = sending
    this.#resume = resume
  }

  start(): void {
    try {
      this.#begin()
    } catch (error) {
      this.#fail(error)
    }
  }

  giveUp(): void {
    this.#isGivenUp = true
    this.#outgoing?.destroy()
  }

  #begin(): void {
    const outgoing = requestBy(this.#route, this.#request)
    this.#outgoing = outgoing
    outgoing.once("socket", (socket) => {
      limitConnecting(outgoing, socket, this.#route.isSecure, this.#connectMillis, () => {
        this.#isConnected = true
        this.#send(outgoing)
      })
    })
    const closed = new Promise<void>((resolve) => outgoing.once("close", resolve))
    outgoing.once("response", (incoming) => this.#answer(outgoing, incoming, closed))
    outgoing.on("error", (error) => {
      // The reader of the answer gets an error that comes after the answer began.
      if (this.#isAnswered) return
      // The host may have closed the idle connection just now.
      if (outgoing.reusedSocket && !this.#isGivenUp && isRepeatable(this.#request)) this.start()
      else this.#fail(error)
    })
    // Node emits no error if a host switches protocols.
    void closed.then(() => {
      if (outgoing !== this.#outgoing || this.#isAnswered) return
      this.#fail(ConnectionError.of({ _tag: "Closed" }, "the connection was closed without an answer"))
    })
  }

  /**
   * Called once there is a connection. If a request is written before and TLS fails, Node gives an error without a
   * code.
   */
  #send(outgoing: http.ClientRequest): void {
    const { body } = this.#request
    if (body === undefined || body instanceof Uint8Array) outgoing.end(body)
    else void send(outgoing, body, this.#sending, () => this.#isAnswered)
  }

  #answer(outgoing: http.ClientRequest, incoming: http.IncomingMessage, closed: Promise<void>): void {
    this.#isAnswered = true
    // The answer came before the end of the request, so the connection cannot be reused.
    incoming.once("end", () => outgoing.writableFinished || outgoing.destroy())
    if (!isEmpty(this.#request, incoming.statusCode ?? 0, incoming.headers)) {
      this.#resume(Effect.succeed(incomingOf(incoming, bodyOf(incoming, closed))))
      return
    }
    incoming.resume()
    void closed.then(() => this.#resume(Effect.succeed(incomingOf(incoming, nothing()))))
  }

  #fail(error: unknown): void {
    this.#resume(Effect.fail(ConnectionError.from(error, { isConnected: this.#isConnected, isAnswered: false })))
  }
}

const requestBy = (route: Route, { body, headers, method }: HttpRequest): http.ClientRequest => {
  const size = body instanceof Uint8Array ? body.length : body?.size
  const isEmptyPush = size === undefined && method !== "GET" && method !== "HEAD"
  return (route.isSecure ? https : http).request({
    agent: route.agent,
    method,
    hostname: route.hostname,
    port: route.port,
    path: route.path,
    headers: {
      ...route.headers,
      ...headers,
      ...(size === undefined ? {} : { "content-length": size }),
      ...(isEmptyPush ? { "content-length": 0 } : {})
    }
  })
}

const limitConnecting = (
  outgoing: http.ClientRequest,
  socket: Parameters<http.ClientRequest["onSocket"]>[0],
  isSecure: boolean,
  millis: number,
  onConnect: () => void
): void => {
  const isConnecting = socket.connecting || ("secureConnecting" in socket && socket.secureConnecting === true)
  if (!isConnecting) return onConnect()
  const before = socket.timeout ?? 0
  const expire = () => outgoing.destroy(ConnectionError.timedOut())
  socket.setTimeout(millis)
  socket.once("timeout", expire)
  socket.once(isSecure ? "secureConnect" : "connect", () => {
    socket.removeListener("timeout", expire)
    socket.setTimeout(before)
    onConnect()
  })
}

/** Whether a request may be sent again: it is idempotent (RFC 9110, section 9.2.2) and its body is in memory. */
const isRepeatable = ({ body, method }: HttpRequest): boolean =>
  method !== "POST" && method !== "PATCH" && (body === undefined || body instanceof Uint8Array)

/** Sends a streamed body. Stops early if the host answers before the body's end. */
const send = async (
  outgoing: http.ClientRequest,
  body: StreamedBody,
  sending: { steps: number },
  isAnswered: () => boolean
): Promise<void> => {
  const bytes = body.bytes[Symbol.asyncIterator]()
  let proceed = () => {}
  outgoing.once("close", () => {
    proceed()
    // The source may bring its next bytes much later, and the request no longer needs them.
    void bytes.return?.().catch(() => {})
  })
  let sent = 0
  try {
    for await (const chunk of { [Symbol.asyncIterator]: () => bytes }) {
      sending.steps += 1
      sent += chunk.length
      // The host would take more bytes for the next request.
      if (sent > body.size) throw badBody(`the body to send has more bytes than its ${body.size}`)
      // The chunk's buffer may be reused only after the socket has taken the chunk.
      await new Promise<void>((resolve) => {
        proceed = resolve
        outgoing.write(chunk, () => resolve())
      })
      sending.steps += 1
      if (outgoing.destroyed || isAnswered()) return
    }
    if (sent !== body.size) throw badBody(`the body to send has ${sent} bytes instead of ${body.size}`)
    outgoing.end()
  } catch (error) {
    if (isAnswered()) return
    outgoing.destroy(error instanceof ConnectionError ? error : badBody(String(error)))
  }
}

const badBody = (detail: string): ConnectionError => ConnectionError.of({ _tag: "BodyFailed" }, detail)

/** Whether an answer has no body. */
export const isEmpty = ({ method }: HttpRequest, status: number, headers: http.IncomingHttpHeaders): boolean =>
  method === "HEAD" || headers["content-length"] === "0" || status === 204

const incomingOf = (incoming: http.IncomingMessage, bytes: Incoming["bytes"]): Incoming => ({
  status: incoming.statusCode ?? 0,
  headers: textOf(incoming.headers),
  bytes,
  discard: () => void incoming.destroy()
})

async function* nothing(): AsyncGenerator<never> {}

const IN_BODY: Progress = { isConnected: true, isAnswered: true }

/** Reads a body. Ends only once the connection is idle again, so that the next request can reuse the connection. */
async function* bodyOf(incoming: http.IncomingMessage, closed: Promise<void>): AsyncGenerator<Uint8Array> {
  try {
    yield* incoming
  } catch (error) {
    throw ConnectionError.from(error, IN_BODY)
  }
  await closed
}

const textOf = (headers: http.IncomingHttpHeaders): HttpHead["headers"] => {
  const text: Record<string, string | undefined> = {}
  for (const name in headers) {
    const value = headers[name]
    text[name] = Array.isArray(value) ? value.join(", ") : value
  }
  return text
}
