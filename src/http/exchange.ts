/**
 * One request and its answer, by Node's own client. More general clients take five to ten times its processor time for
 * each of the small requests that a copy is made of (`npm run bench -- copy` shows it).
 */
import * as http from "node:http"
import * as https from "node:https"
import { Effect } from "effect"
import type { HttpAnswer, HttpBody, HttpRequest } from "./Http.ts"

/** How a request gets to its host. */
export interface Way {
  readonly isSecure: boolean
  readonly agent: http.Agent
  readonly hostname: string
  readonly port: string
  /** As the request's first line has it. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** Fails with whatever Node says of the connection, or with what the body's bytes failed with. */
export const exchange = (way: Way, request: HttpRequest, connectMillis: number): Effect.Effect<HttpAnswer, unknown> =>
  Effect.callback<HttpAnswer, unknown>((resume) => {
    let outgoing: http.ClientRequest | undefined
    let isGivenUp = false
    const start = (): void => {
      const sent = requestBy(way, request)
      outgoing = sent
      let isAnswered = false
      sent.once("socket", (socket) => limitConnecting(sent, socket, way.isSecure, connectMillis))
      const closed = new Promise<void>((resolve) => sent.once("close", resolve))
      sent.once("response", (incoming) => {
        isAnswered = true
        // An answer before the end of what it is to: the connection is of no more use.
        incoming.once("end", () => sent.writableFinished || sent.destroy())
        if (!isEmpty(request, incoming)) {
          resume(Effect.succeed(answerOf(request, incoming, bodyOf(incoming, closed))))
          return
        }
        incoming.resume()
        void closed.then(() => resume(Effect.succeed(answerOf(request, incoming, nothing()))))
      })
      sent.on("error", (error) => {
        // What spoils the rest of an answer is told to whoever reads it.
        if (isAnswered) return
        // A kept connection may have been closed by its host at this very moment.
        if (sent.reusedSocket && !isGivenUp && isRepeatable(request)) start()
        else resume(Effect.fail(error))
      })
      // Node tells of no error where a host changes the protocol.
      void closed.then(() => {
        if (sent === outgoing && !isAnswered)
          resume(Effect.fail(new Error("the connection was closed without an answer")))
      })
      void send(sent, request.body, () => isAnswered)
    }
    try {
      start()
    } catch (error) {
      // What cannot be written into a request.
      resume(Effect.fail(error))
    }
    return Effect.sync(() => {
      isGivenUp = true
      outgoing?.destroy()
    })
  })

const requestBy = (way: Way, { body, headers, method }: HttpRequest): http.ClientRequest => {
  const size = body instanceof Uint8Array ? body.length : body?.size
  const isEmptyPush = size === undefined && method !== "GET" && method !== "HEAD"
  return (way.isSecure ? https : http).request({
    agent: way.agent,
    method,
    hostname: way.hostname,
    port: way.port,
    path: way.path,
    headers: {
      ...way.headers,
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
  millis: number
): void => {
  if (!socket.connecting) return
  const before = socket.timeout ?? 0
  const expire = () => outgoing.destroy(new Error("ETIMEDOUT"))
  socket.setTimeout(millis)
  socket.once("timeout", expire)
  socket.once(isSecure ? "secureConnect" : "connect", () => {
    socket.removeListener("timeout", expire)
    socket.setTimeout(before)
  })
}

/** RFC 9110, section 9.2.2, for what can be sent once more. */
const isRepeatable = ({ body, method }: HttpRequest): boolean =>
  method !== "POST" && method !== "PATCH" && (body === undefined || body instanceof Uint8Array)

/** Sends a body, or as much of it as its host has not answered yet. */
const send = async (
  outgoing: http.ClientRequest,
  body: HttpBody | undefined,
  isAnswered: () => boolean
): Promise<void> => {
  if (body === undefined || body instanceof Uint8Array) {
    outgoing.end(body)
    return
  }
  const bytes = body.bytes[Symbol.asyncIterator]()
  let proceed = () => {}
  outgoing.once("close", () => {
    proceed()
    // They may be long in coming, and nobody waits for them any more.
    void bytes.return?.().catch(() => {})
  })
  let sent = 0
  try {
    for await (const chunk of { [Symbol.asyncIterator]: () => bytes }) {
      sent += chunk.length
      // They would be taken for the next request.
      if (sent > body.size) throw new Error(`there were more bytes to send than ${body.size}`)
      // Written when the socket has taken it: only then may its buffer be used again.
      await new Promise<void>((resolve) => {
        proceed = resolve
        outgoing.write(chunk, () => resolve())
      })
      if (outgoing.destroyed || isAnswered()) return
    }
    if (sent !== body.size) throw new Error(`there were ${sent} bytes to send instead of ${body.size}`)
    outgoing.end()
  } catch (error) {
    if (!isAnswered()) outgoing.destroy(error instanceof Error ? error : new Error(String(error)))
  }
}

/** Whether there is nothing to read after an answer's head. */
const isEmpty = (request: HttpRequest, { headers, statusCode }: http.IncomingMessage): boolean =>
  request.method === "HEAD" || headers["content-length"] === "0" || statusCode === 204

const answerOf = (request: HttpRequest, incoming: http.IncomingMessage, body: HttpAnswer["body"]): HttpAnswer => ({
  request,
  status: incoming.statusCode ?? 0,
  headers: textOf(incoming.headers),
  body,
  discard: () => void incoming.destroy()
})

async function* nothing(): AsyncGenerator<never> {}

/** Ends when its connection is there for the next request, which would make another otherwise. */
async function* bodyOf(incoming: http.IncomingMessage, closed: Promise<void>): AsyncGenerator<Uint8Array> {
  yield* incoming
  await closed
}

const textOf = (headers: http.IncomingHttpHeaders): HttpAnswer["headers"] => {
  const text: Record<string, string | undefined> = {}
  for (const name in headers) {
    const value = headers[name]
    text[name] = Array.isArray(value) ? value.join(", ") : value
  }
  return text
}
