/** A server in front of a registry, at an address that pods can reach. It holds requests for as long as a test says. */
import { createServer, type IncomingMessage, request as send, type ServerResponse } from "node:http"
import { Effect, type Scope } from "effect"

export interface HoldingProxy {
  readonly host: string
  /** Holds later reads of blobs of a repository until `release`. */
  readonly hold: (path: string) => void
  /** Forwards the held reads of a repository, and holds no more. */
  readonly release: (path: string) => void
  /** Whether a read of a blob of a repository is held. */
  readonly isHolding: (path: string) => boolean
}

/** Forwards requests to `target` (`host:port`). The end of the scope closes every connection. */
export const startHoldingProxy = (target: string, address: string): Effect.Effect<HoldingProxy, never, Scope.Scope> =>
  Effect.suspend(() => {
    const held = new Map<string, Array<() => void>>()
    const [host, port] = target.split(":")

    const forward = (request: IncomingMessage, response: ServerResponse) => {
      const { headers, method = "", url = "" } = request
      const [, waiting] = [...held].find(([path]) => method === "GET" && url.startsWith(`/v2/${path}/blobs/`)) ?? []
      if (waiting !== undefined) {
        waiting.push(() => forward(request, response))
        return
      }
      const onward = send({ host, port, method, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      onward.on("error", () => response.destroy())
      request.on("error", () => onward.destroy())
      request.pipe(onward)
    }

    return Effect.map(
      Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer(forward)
          server.listen(0, address, () => resume(Effect.succeed(server)))
        }),
        (server) =>
          Effect.callback<void>((resume) => {
            server.close(() => resume(Effect.void))
            server.closeAllConnections()
          })
      ),
      (server) => {
        const at = server.address()
        return {
          host: `${address}:${typeof at === "object" && at !== null ? at.port : 0}`,
          hold: (path) => void held.set(path, []),
          release: (path) => {
            const waiting = held.get(path) ?? []
            held.delete(path)
            for (const resume of waiting) resume()
          },
          isHolding: (path) => (held.get(path) ?? []).length > 0
        }
      }
    )
  })
