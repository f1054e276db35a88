/** A receiver of requests over HTTP, which keeps them. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import { Effect, Queue, type Scope } from "effect"

/** A received request. */
export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Receiver {
  readonly host: string
  readonly requests: ReadonlyArray<Received>
  /** Waits for the next request. */
  readonly next: Effect.Effect<Received>
}

/** Answers a request, whose number counts from 1. */
export type AnswerTo = (response: ServerResponse, count: number) => void

/** Starts a receiver on a free port of an address, by default of the loopback. By default it answers 204. */
export const startReceiver = (
  answer: AnswerTo = (response) => void response.writeHead(204).end(),
  address = "127.0.0.1"
): Effect.Effect<Receiver, never, Scope.Scope> =>
  Effect.gen(function* () {
    const requests: Array<Received> = []
    const arrived = yield* Queue.unbounded<Received>()
    const server = createServer((request, response) => {
      let body = ""
      request.setEncoding("utf8").on("data", (text: string) => (body += text))
      request.on("end", () => {
        const received = { path: request.url ?? "", headers: request.headers, body }
        requests.push(received)
        Queue.offerUnsafe(arrived, received)
        answer(response, requests.length)
      })
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, address, () => resume(Effect.void))),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    const found = server.address()
    const port = typeof found === "object" && found !== null ? found.port : 0
    return { host: `${address}:${port}`, requests, next: Queue.take(arrived) }
  })
