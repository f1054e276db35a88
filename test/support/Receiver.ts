/** A receiver of webhooks on loopback, which keeps its requests. */
import type { IncomingHttpHeaders, ServerResponse } from "node:http"
import { Effect, Queue, type Scope } from "effect"
import { serve } from "../../src/registry/memory/LoopbackServer.ts"

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

/** Starts a receiver. `answer` gets the number of the request, from 1 on. By default it answers 204. */
export const startReceiver = (
  answer: (response: ServerResponse, count: number) => void = (response) => void response.writeHead(204).end()
): Effect.Effect<Receiver, never, Scope.Scope> =>
  Effect.gen(function* () {
    const requests: Array<Received> = []
    const arrived = yield* Queue.unbounded<Received>()
    const host = yield* serve((request, response) => {
      let body = ""
      request.setEncoding("utf8").on("data", (text: string) => (body += text))
      request.on("end", () => {
        const received = { path: request.url ?? "", headers: request.headers, body }
        requests.push(received)
        Queue.offerUnsafe(arrived, received)
        answer(response, requests.length)
      })
    })
    return { host, requests, next: Queue.take(arrived) }
  })
