/** A registry over a link with a delay. */
import { connect, createServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"
import type { BenchRegistry } from "./registry.ts"

/** Passes on what one socket receives, each byte later. Equal delays keep the order. */
const passOn = (from: Socket, to: Socket, delay: number): void => {
  const later = (act: () => void) => Effect.runFork(Effect.delay(Effect.sync(act), delay))
  from.on("data", (bytes: Buffer) => later(() => to.destroyed || to.write(bytes)))
  from.on("end", () => later(() => to.end()))
  from.on("error", () => to.destroy())
}

/** The registry behind a proxy that delivers each byte `delay` milliseconds later, each way. */
export const distant = (
  registry: BenchRegistry,
  delay: number | undefined
): Effect.Effect<BenchRegistry, never, Scope.Scope> => {
  if (delay === undefined) return Effect.succeed(registry)
  const [host = "", port = ""] = registry.host.split(":")
  const sockets = new Set<Socket>()
  // Each way of a connection ends by itself, after its last bytes have arrived.
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: Number(port), host, allowHalfOpen: true })
    for (const socket of [near, far]) {
      socket.setNoDelay(true)
      sockets.add(socket)
      socket.once("close", () => sockets.delete(socket))
    }
    passOn(near, far, delay)
    passOn(far, near, delay)
  })
  return Effect.acquireRelease(
    Effect.callback<BenchRegistry>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const own = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ ...registry, host: `127.0.0.1:${own}` }))
      })
    }),
    () =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
  )
}
