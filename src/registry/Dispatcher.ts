/** Pools of connections for undici: straight to a host, or through the proxy that leads there. */
import type { LookupFunction } from "node:net"
import type { SecureContext } from "node:tls"
import { type NodeHttpClient } from "@effect/platform-node"
import { Effect, Redacted, type Scope } from "effect"
import type { Proxy } from "./Proxy.ts"

export interface DispatcherOptions {
  /** Whether certificates are checked. */
  readonly tlsVerify: boolean
  /** Who is trusted; the system's authorities if left out. */
  readonly secureContext: SecureContext | undefined
  /** In the place of the system's, where no proxy does that. */
  readonly lookup: LookupFunction
  readonly proxies: ReadonlyArray<Proxy>
  readonly proxyFor: (url: URL) => Proxy | undefined
  readonly connections: number
  readonly connectMillis: number
}

type Dispatcher = NodeHttpClient.Dispatcher["Service"]

/** An agent has one TLS setting, so there is a dispatcher for each. It ends with the scope. */
export const make = Effect.fnUntraced(function* (
  options: DispatcherOptions
): Effect.fn.Return<Dispatcher, never, Scope.Scope> {
  const { connections, connectMillis, lookup, proxies, proxyFor, secureContext, tlsVerify } = options
  const undici = yield* Effect.promise(() => import("@effect/platform-node/Undici"))
  const destroyed = <A extends Dispatcher>(make: () => A) =>
    Effect.acquireRelease(Effect.sync(make), (dispatcher) => Effect.promise(() => dispatcher.destroy()))
  const tls = secureContext === undefined ? {} : { secureContext }
  const direct = yield* destroyed(
    () =>
      new undici.Agent({
        connections,
        connect: { timeout: connectMillis, rejectUnauthorized: tlsVerify, lookup, ...tls }
      })
  )
  if (proxies.length === 0) return direct
  const agents = new Map<Proxy, Dispatcher>()
  for (const proxy of proxies) {
    const agent = yield* destroyed(
      () =>
        new undici.ProxyAgent({
          uri: Redacted.value(proxy.url),
          connections,
          connectTimeout: connectMillis,
          requestTls: { rejectUnauthorized: tlsVerify, ...tls },
          // The proxy is the administrator's own; whether an Image's registry is verified says nothing of it.
          proxyTls: tls
        })
    )
    agents.set(proxy, agent)
  }
  return direct.compose((dispatch) => (request, handler) => {
    const proxy = proxyFor(new URL(String(request.origin)))
    const agent = proxy === undefined ? undefined : agents.get(proxy)
    return agent === undefined ? dispatch(request, handler) : agent.dispatch(request, handler)
  })
})
