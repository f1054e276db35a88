/** A port of the loopback that nothing listens on, for a process that cannot choose one itself. */
import { createServer } from "node:net"
import { Effect } from "effect"

export const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})
