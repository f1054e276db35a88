/** A free port of the loopback, for a process that cannot choose one. */
import { createServer } from "node:net"
import { Effect } from "effect"

export const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})
