/** A server for hostile answers. Everything that it starts ends with its scope. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { Socket } from "node:net"
import { Deferred, Effect, FiberSet, Schedule, type Scope } from "effect"
import type { Stage } from "./Attack.ts"

/** A request to a registry, with the parts of its path. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly route: "base" | "tags" | "manifests" | "blobs" | "referrers" | "other"
  readonly repository: string
  /** The tag or the digest. */
  readonly reference: string
  readonly authorization: string | undefined
}

const askedOf = ({ headers, method = "", url = "/" }: IncomingMessage): Asked => {
  const { pathname: path, searchParams: query } = new URL(url, "http://registry")
  const [, repository = "", route = path === "/v2/" ? "base" : "other", reference = ""] =
    /^\/v2\/(.+)\/(tags|manifests|blobs|referrers)\/(.*)$/u.exec(path) ?? []
  const { authorization } = headers
  return { method, path, query, route: route as Asked["route"], repository, reference, authorization }
}

/** Answers with time, within the scope of the server. */
export interface Pace {
  /** Does something later. */
  readonly after: (millis: number, act: () => void) => void
  /** Writes a piece again and again until the client leaves. */
  readonly drip: (socket: ServerResponse | Socket, millis: number, piece: string | Uint8Array) => void
}

export type Answer = (asked: Asked, response: ServerResponse, pace: Pace) => void

export interface HostileRegistry {
  /** `ADDRESS:PORT` */
  readonly host: string
  readonly asked: ReadonlyArray<Asked>
  /** Ends with the first request. */
  readonly begun: Effect.Effect<void>
}

export interface HostileRegistryOptions {
  /** Whether the registry has the certificate of the stage. Default: plain HTTP. */
  readonly tls?: boolean
}

/** Starts a hostile registry on a free port. */
export const hostileRegistry = Effect.fnUntraced(function* (
  { address, certificate }: Pick<Stage, "address" | "certificate">,
  answer: Answer,
  { tls = false }: HostileRegistryOptions = {}
): Effect.fn.Return<HostileRegistry, never, Scope.Scope> {
  const asked: Array<Asked> = []
  const begun = yield* Deferred.make<void>()
  const run = yield* FiberSet.makeRuntime()
  const pace: Pace = {
    after: (millis, act) => void run(Effect.delay(Effect.sync(act), millis)),
    drip: (socket, millis, piece) =>
      void run(
        Effect.repeat(
          Effect.sync(() => void socket.write(piece)),
          { while: () => !socket.destroyed, schedule: Schedule.spaced(millis) }
        )
      )
  }
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const one = askedOf(request)
    asked.push(one)
    // A client may leave at any time.
    request.on("error", () => undefined)
    response.on("error", () => undefined)
    Deferred.doneUnsafe(begun, Effect.void)
    // What a client sends is read and dropped.
    request.resume()
    answer(one, response, pace)
  }
  const server = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = tls
        ? createTlsServer({ cert: certificate.certificate, key: certificate.key }, listener)
        : createServer(listener)
      // A scan by TLS of a server without TLS is no error here.
      server.on("clientError", (_, socket) => void socket.destroy())
      server.on("tlsClientError", (_, socket) => void socket.destroy())
      server.on("connection", (socket) => socket.on("error", () => undefined))
      server.listen(0, address, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  const listening = server.address()
  const port = typeof listening === "object" && listening !== null ? listening.port : 0
  return { host: `${address}:${port}`, asked, begun: Deferred.await(begun) }
})

/** The most bytes of an endless answer, for a client that never tires. */
const ENDLESS_BYTES = 2 * 1024 ** 3

/** Writes chunks as fast as the client reads, until it leaves. */
export const endless = (response: ServerResponse | Socket, chunk: Uint8Array): void => {
  let written = 0
  const push = (): void => {
    while (!response.destroyed && written < ENDLESS_BYTES) {
      written += chunk.length
      if (!response.write(chunk)) return
    }
  }
  response.on("drain", push)
  push()
}

export const FILL = Buffer.alloc(64 * 1024, "a")

export const respond = (
  response: ServerResponse,
  status: number,
  body: string | Uint8Array = "",
  headers: Readonly<Record<string, string | number>> = {}
): void => {
  const bytes = Buffer.from(body)
  response.writeHead(status, { "content-length": bytes.length, ...headers })
  response.end(response.req.method === "HEAD" ? undefined : bytes)
}

export const respondJson = (
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string | number>> = {}
): void => respond(response, status, JSON.stringify(value), { "content-type": "application/json", ...headers })

/** An error by the distribution specification. */
export const respondError = (response: ServerResponse, status: number, message: string, code = "DENIED"): void =>
  respondJson(response, status, { errors: [{ code, message }] })
