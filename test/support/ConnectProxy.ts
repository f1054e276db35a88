/** A forward proxy: CONNECT for requests with TLS, absolute addresses for requests without TLS. */
import { createServer, type IncomingMessage, request as send, type ServerResponse, STATUS_CODES } from "node:http"
import { createServer as createTlsServer } from "node:https"
import { connect, type Socket } from "node:net"
import type { Duplex } from "node:stream"
import { Effect, type Scope } from "effect"
import type { KeyedCertificate } from "../../src/registry/memory/LoopbackServer.ts"
import { hostOf } from "../../src/registry/memory/LoopbackServer.ts"

export interface ConnectProxyOptions {
  /** The certificate of the proxy, if clients connect to it with TLS. */
  readonly tls?: KeyedCertificate
  /** The loopback address of a `name:port`. A target without one is refused with 502. */
  readonly place: (target: string) => string | undefined
  /** The required `user:password`. */
  readonly credential?: string
  /** The status with which each request is refused. */
  readonly refusal?: number
  /** The status with which a request is refused, or `undefined`. */
  readonly refuse?: (request: IncomingMessage, target: string) => number | undefined
  /** The address to listen on. Default: the loopback. */
  readonly address?: string
}

export interface ConnectProxy {
  readonly host: string
  /** The requests so far, such as `CONNECT registry.test:443` and `GET http://registry.test/v2/…`, without queries. */
  readonly seen: ReadonlyArray<string>
}

export const startProxy = (options: ConnectProxyOptions): Effect.Effect<ConnectProxy, never, Scope.Scope> =>
  Effect.suspend(() => {
    const seen: Array<string> = []
    const sockets = new Set<Duplex>()
    const refusalOf = (request: IncomingMessage, target: string): number | undefined => {
      if (options.refusal !== undefined) return options.refusal
      const expected = `Basic ${Buffer.from(options.credential ?? "").toString("base64")}`
      if (options.credential !== undefined && request.headers["proxy-authorization"] !== expected) return 407
      if (options.place(target) === undefined) return 502
      return options.refuse?.(request, target)
    }
    const placeOf = (target: string): { readonly host: string; readonly port: number } => {
      const [host = "", port] = (options.place(target) ?? "").split(":")
      return { host, port: Number(port) }
    }

    const forward = (request: IncomingMessage, response: ServerResponse) => {
      const url = new URL(request.url ?? "")
      seen.push(`${request.method ?? ""} ${url.origin}${url.pathname}`)
      const target = url.port === "" ? `${url.hostname}:80` : url.host
      const refusal = refusalOf(request, target)
      if (refusal !== undefined) {
        response.writeHead(refusal)
        response.end()
        return
      }
      const { "proxy-authorization": _, ...headers } = request.headers
      const onward = send({ ...placeOf(target), method: request.method, path: url.pathname + url.search, headers })
      onward.on("response", (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      onward.on("error", () => response.destroy())
      request.pipe(onward)
    }

    const tunnel = (request: IncomingMessage, client: Duplex, head: Buffer) => {
      const target = request.url ?? ""
      seen.push(`CONNECT ${target}`)
      sockets.add(client)
      const refusal = refusalOf(request, target)
      if (refusal !== undefined) {
        client.end(`HTTP/1.1 ${refusal} ${STATUS_CODES[refusal] ?? ""}\r\ncontent-length: 0\r\n\r\n`)
        return
      }
      const { host, port } = placeOf(target)
      const onward: Socket = connect(port, host, () => {
        client.write("HTTP/1.1 200 Connection Established\r\n\r\n")
        onward.write(head)
        onward.pipe(client)
        client.pipe(onward)
      })
      onward.on("error", () => client.destroy())
      client.on("error", () => onward.destroy())
      client.on("close", () => onward.destroy())
    }

    return Effect.map(
      Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const { tls } = options
          const server =
            tls === undefined
              ? createServer(forward)
              : createTlsServer({ cert: tls.certificate, key: tls.key }, forward)
          server.on("connect", tunnel)
          server.listen(0, options.address ?? "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) =>
          Effect.callback<void>((resume) => {
            server.close(() => resume(Effect.void))
            server.closeAllConnections()
            for (const socket of sockets) socket.destroy()
          })
      ),
      (server) => ({ host: hostOf(server).replace("127.0.0.1", options.address ?? "127.0.0.1"), seen })
    )
  })
