/** A proxy of TCP on loopback whose answers come late, as those of a distant registry. */
import { connect, createServer, type Socket } from "node:net"
import { Effect, FiberSet, type Scope } from "effect"

/** Forwards connections to `target` (`host:port`), and gives the address of the proxy. Each byte of an answer is delayed. */
export const startDelayingProxy = Effect.fnUntraced(function* (
  target: string,
  millis: number
): Effect.fn.Return<string, never, Scope.Scope> {
  const [host = "", port = ""] = target.split(/:(?=[0-9]+$)/u)
  const sockets = new Set<Socket>()
  const runFork = yield* FiberSet.makeRuntime()
  const server = createServer((client) => {
    const upstream = connect(Number(port), host)
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on("error", () => other.destroy())
      socket.on("close", () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    client.on("data", (bytes) => upstream.write(bytes))
    // Timers of one duration end in the order of their starts.
    upstream.on("data", (bytes) =>
      runFork(
        Effect.delay(
          Effect.sync(() => client.write(bytes)),
          millis
        )
      )
    )
  })
  return yield* Effect.acquireRelease(
    Effect.callback<string>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(`127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`))
      })
    }),
    () =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
  )
})
