/** Connections to hosts and proxies that accept a connection and never answer. */
import { createServer, type Server, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result, type Scope } from "effect"
import { get } from "../../src/http/Http.ts"
import { makeHttpClient } from "../../src/http/HttpClient.ts"
import { parseProxy } from "../../src/http/Proxy.ts"
import { hostOf } from "../../src/registry/memory/LoopbackServer.ts"
import { makeAuthority } from "../support/certificates.ts"
import { startProxy } from "../support/ConnectProxy.ts"

const AUTHORITY = makeAuthority()
const SERVER = AUTHORITY.issue(["127.0.0.1"])

const live = (name: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) => it.live(name, test, 10_000)

const silence = Effect.gen(function* () {
  const open = new Set<Socket>()
  const waiting = new Set<() => void>()
  const changed = () => waiting.forEach((check) => check())
  const server = yield* Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer((socket) => {
        open.add(socket)
        changed()
        socket.on("close", () => {
          open.delete(socket)
          changed()
        })
        socket.on("error", () => socket.destroy())
        socket.resume()
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of open) socket.destroy()
      })
  )
  /** Waits until so many connections are open. */
  const becomes = (count: number) =>
    Effect.callback<void>((resume) => {
      const check = () => {
        if (open.size !== count) return
        waiting.delete(check)
        resume(Effect.void)
      }
      waiting.add(check)
      check()
      return Effect.sync(() => waiting.delete(check))
    })
  return { host: hostOf(server), becomes }
})

const asked = Effect.fnUntraced(function* (address: string, proxy: string | undefined, connectMillis: number) {
  const parsed = proxy === undefined ? undefined : Result.getOrThrow(parseProxy("HTTPS_PROXY", proxy))
  const http = yield* makeHttpClient({
    userAgent: "test",
    certificates: [AUTHORITY.certificate],
    proxies: parsed === undefined ? {} : { https: parsed, http: parsed },
    connectTimeout: connectMillis
  })
  return yield* http.send(get(new URL(address), {}), { tlsVerify: true, scope: "named" })
})

describe("a route that leads nowhere", () => {
  const registry = "https://registry.test/"
  const routes: ReadonlyArray<
    readonly [
      what: string,
      to: (host: string) => Effect.Effect<readonly [address: string, proxy?: string], never, Scope.Scope>
    ]
  > = [
    ["to a host that speaks no TLS", (host) => Effect.succeed([`https://${host}/`])],
    ["to a proxy", (host) => Effect.succeed([registry, `http://${host}`])],
    ["to a proxy that speaks no TLS", (host) => Effect.succeed([registry, `https://${host}`])],
    ["to a proxy that speaks no TLS, by HTTP", (host) => Effect.succeed(["http://registry.test/", `https://${host}`])],
    [
      "through a tunnel",
      (host) => Effect.map(startProxy({ place: () => host }), (proxy) => [registry, `http://${proxy.host}`])
    ],
    [
      "through a tunnel within TLS",
      (host) =>
        Effect.map(startProxy({ place: () => host, tls: SERVER }), (proxy) => [registry, `https://${proxy.host}`])
    ]
  ]

  for (const [what, to] of routes) {
    live(`a connection that is never answered times out: ${what}`, () =>
      Effect.gen(function* () {
        const { becomes, host } = yield* silence
        const [address, proxy] = yield* to(host)
        const error = yield* Effect.flip(Effect.timeout(asked(address, proxy, 100), "3 seconds"))
        assert(error._tag === "ConnectionError")
        assert.deepStrictEqual([error.reason, error.isConnected], [{ _tag: "Timeout" }, false])
        yield* becomes(0)
      })
    )

    live(`a connection that is never answered is closed when its request is interrupted: ${what}`, () =>
      Effect.gen(function* () {
        const { becomes, host } = yield* silence
        const [address, proxy] = yield* to(host)
        const asking = yield* Effect.forkChild(Effect.scoped(asked(address, proxy, 60_000)))
        yield* becomes(1)
        yield* Fiber.interrupt(asking)
        yield* becomes(0)
      })
    )
  }
})
