/** A server on a free port of the loopback, for tests, the demo and the build. The server stops when its scope ends. */
import { createServer, type RequestListener } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { Server } from "node:net"
import { Effect, type Scope } from "effect"

/** A certificate and its key. */
export interface KeyedCertificate {
  /** PEM. */
  readonly certificate: string
  /** PEM, PKCS #8. */
  readonly key: string
}

/**
 * Serves HTTP, or HTTPS with a certificate. Succeeds with `127.0.0.1:PORT`. The end of the scope closes every
 * connection.
 */
export const serve = (listener: RequestListener, tls?: KeyedCertificate): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        const server =
          tls === undefined
            ? createServer(listener)
            : createTlsServer({ cert: tls.certificate, key: tls.key }, listener)
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    ),
    hostOf
  )

/** `127.0.0.1:PORT` of a listening server. */
export const hostOf = (server: Server): string => {
  const address = server.address()
  return `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
}
