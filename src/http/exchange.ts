/**
 * One request and its answer, by Node's own client. More general clients take five to ten times its processor time for
 * each of the small requests that a copy is made of (`npm run bench -- copy` shows it).
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
  /** How long the bytes to send may stand still. */
  readonly idleTimeout: Duration.Duration
}

/** Sends a request by a route; a body that is sent as it comes must not stand still. */
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

/** One attempt to send a request. It is made once more where its host had just closed a kept connection. */
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
      // An error in the middle of an answer is for the reader of the answer.
      if (this.#isAnswered) return
      // A kept connection may have been closed by its host at this very moment.
      if (outgoing.reusedSocket && !this.#isGivenUp && isRepeatable(this.#request)) this.start()
      else this.#fail(error)
    })
    // Node tells of no error where a host changes the protocol.
    void closed.then(() => {
      if (outgoing !== this.#outgoing || this.#isAnswered) return
      this.#fail(ConnectionError.of({ _tag: "Closed" }, "the connection was closed without an answer"))
    })
  }

  /** Once there is a connection: of what was written before, Node tells no code when TLS fails. */
  #send(outgoing: http.ClientRequest): void {
    const { body } = this.#request
    if (body === undefined || body instanceof Uint8Array) outgoing.end(body)
    else void send(outgoing, body, this.#sending, () => this.#isAnswered)
  }

  #answer(outgoing: http.ClientRequest, incoming: http.IncomingMessage, closed: Promise<void>): void {
    this.#isAnswered = true
    // The answer came before the end of the request: the connection is of no more use.
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

/** RFC 9110, section 9.2.2, for what can be sent once more. */
const isRepeatable = ({ body, method }: HttpRequest): boolean =>
  method !== "POST" && method !== "PATCH" && (body === undefined || body instanceof Uint8Array)

/** Sends a body, or as much of it as its host has not answered yet. */
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
    // The next bytes may be long in coming, and the request waits for them no more.
    void bytes.return?.().catch(() => {})
  })
  let sent = 0
  try {
    for await (const chunk of { [Symbol.asyncIterator]: () => bytes }) {
      sending.steps += 1
      sent += chunk.length
      // More bytes would be taken for the next request.
      if (sent > body.size) throw badBody(`there were more bytes to send than ${body.size}`)
      // Only when the socket has taken the chunk may its buffer be used again.
      await new Promise<void>((resolve) => {
        proceed = resolve
        outgoing.write(chunk, () => resolve())
      })
      sending.steps += 1
      if (outgoing.destroyed || isAnswered()) return
    }
    if (sent !== body.size) throw badBody(`there were ${sent} bytes to send instead of ${body.size}`)
    outgoing.end()
  } catch (error) {
    if (isAnswered()) return
    outgoing.destroy(error instanceof ConnectionError ? error : badBody(String(error)))
  }
}

const badBody = (detail: string): ConnectionError => ConnectionError.of({ _tag: "BodyFailed" }, detail)

/** Whether there is nothing to read after an answer's head. */
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

/** Ends when its connection is there for the next request, which would make another otherwise. */
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
