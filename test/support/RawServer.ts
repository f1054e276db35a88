/** A server that writes the bytes of a test, HTTP or not, and knows its open connections. */
import { createServer, type Server, type Socket } from "node:net"
import { createServer as createTlsServer } from "node:tls"
import { Effect, type Scope } from "effect"
import type { KeyedCertificate } from "../../src/registry/memory/LoopbackServer.ts"
import { hostOf } from "../../src/registry/memory/LoopbackServer.ts"

export interface RawServer {
  readonly host: string
  /** The head of each request. */
  readonly heads: ReadonlyArray<string>
  readonly open: ReadonlySet<Socket>
  /** All received bytes, with bodies. */
  readonly received: () => string
}

const TLS_HANDSHAKE = 22

/** `answer` is called with each request's head and the number of earlier requests of its connection. */
export const rawServer = (
  answer: (socket: Socket, head: string, before: number) => void,
  tls?: KeyedCertificate
): Effect.Effect<RawServer, never, Scope.Scope> =>
  Effect.suspend(() => {
    const heads: Array<string> = []
    const open = new Set<Socket>()
    let received = ""
    const listen = (socket: Socket) => {
      let before = 0
      let text = ""
      open.add(socket)
      socket.on("close", () => open.delete(socket))
      socket.on("error", () => socket.destroy())
      socket.on("data", (chunk: Buffer): void => {
        // A TLS handshake is answered by closing the connection.
        if (text === "" && before === 0 && chunk[0] === TLS_HANDSHAKE) return void socket.destroy()
        const came = chunk.toString("latin1")
        received += came
        text += came
        for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
          const head = text.slice(0, end)
          text = text.slice(end + 4)
          if (!/^[A-Z]+ \S+ HTTP\/1\.1\r\n/u.test(head)) continue
          heads.push(head)
          answer(socket, head, before++)
        }
      })
    }
    return Effect.map(
      Effect.acquireRelease(
        Effect.callback<Server>((resume) => {
          const server =
            tls === undefined ? createServer(listen) : createTlsServer({ cert: tls.certificate, key: tls.key }, listen)
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) =>
          Effect.callback<void>((resume) => {
            server.close(() => resume(Effect.void))
            for (const socket of open) socket.destroy()
          })
      ),
      (server) => ({ host: hostOf(server), heads, open, received: () => received })
    )
  })
