/** Routes to hosts: direct, or through a proxy. Connections are reused by later requests. */
import * as http from "node:http"
import * as https from "node:https"
import type { LookupFunction } from "node:net"
import type { SecureContext } from "node:tls"
import { Effect, Redacted, type Scope } from "effect"
import { bareHost, portOf } from "./Http.ts"
import { ipVersion } from "./ipVersion.ts"
import type { Proxy } from "./Proxy.ts"
import { type ProxyServer, TunnelAgent } from "./TunnelAgent.ts"

/** The route of a request to its host. */
export interface Route {
  readonly isSecure: boolean
  readonly agent: http.Agent
  readonly hostname: string
  readonly port: string
  /** The target in the request's first line. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

export type RouteTo = (url: URL) => Route

export interface RouteOptions {
  /** Whether certificates are checked. */
  readonly tlsVerify: boolean
  /** The trusted authorities. `undefined` means the system's. */
  readonly secureContext: SecureContext | undefined
  /** The resolver of direct connections. A proxy resolves names itself. */
  readonly lookup: LookupFunction
  readonly proxyFor: (url: URL) => Proxy | undefined
  /** The most connections to one host at once. */
  readonly connections: number
  readonly connectMillis: number
}

/** How long an idle connection is kept. Many hosts close idle connections after 5 seconds. */
const IDLE_MILLIS = 4_000

/** Makes the function that gives the route to a URL. Connections are closed when the scope ends. */
export const makeRoutes = Effect.fnUntraced(function* (
  options: RouteOptions
): Effect.fn.Return<RouteTo, never, Scope.Scope> {
  const { connectMillis, connections, lookup, proxyFor, secureContext, tlsVerify } = options
  const agents = new Set<http.Agent>()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const agent of agents) agent.destroy()
    })
  )
  const kept = <A extends http.Agent>(agent: A): A => {
    agents.add(agent)
    return agent
  }
  const pool = { keepAlive: true, timeout: IDLE_MILLIS, maxSockets: connections, maxFreeSockets: connections }
  const trust = secureContext === undefined ? {} : { secureContext }
  // Without a check no authority is needed, and reading the authorities takes 4 ms.
  const verify = tlsVerify ? { ...trust, rejectUnauthorized: true } : { ca: [], rejectUnauthorized: false }
  const directly = {
    http: kept(new http.Agent({ ...pool, lookup })),
    https: kept(new https.Agent({ ...pool, ...verify, lookup }))
  }

  const direct: RouteTo = (url) => {
    const isSecure = url.protocol === "https:"
    return {
      isSecure,
      agent: isSecure ? directly.https : directly.http,
      hostname: bareHost(url.hostname),
      port: portOf(url),
      path: pathOf(url),
      headers: { host: url.host }
    }
  }

  const viaProxy = (proxy: Proxy): RouteTo => {
    // tlsVerify is about the Image's registry. The proxy is the administrator's and is always verified.
    const server: ProxyServer = { ...serverOf(proxy), ...trust }
    const { headers, hostname, isSecure, port, servername } = server
    const plain = kept(isSecure ? new https.Agent({ ...pool, ...trust, servername }) : new http.Agent(pool))
    const tunnels = kept(new TunnelAgent({ ...pool, ...verify }, server, connectMillis))
    return (url) =>
      url.protocol === "https:"
        ? { ...direct(url), agent: tunnels }
        : {
            isSecure,
            agent: plain,
            hostname,
            port,
            path: url.origin + pathOf(url),
            headers: { host: url.host, ...headers }
          }
  }

  const proxied = new Map<Proxy, RouteTo>()
  return (url) => {
    const proxy = proxyFor(url)
    if (proxy === undefined) return direct(url)
    const routeTo = proxied.get(proxy) ?? viaProxy(proxy)
    proxied.set(proxy, routeTo)
    return routeTo(url)
  }
})

const pathOf = (url: URL): string => url.pathname + url.search

const serverOf = (proxy: Proxy): ProxyServer => {
  const url = new URL(Redacted.value(proxy.url))
  const [username, password] = [url.username, url.password].map(decodeURIComponent)
  const credential = Buffer.from(`${username}:${password}`).toString("base64")
  const hostname = bareHost(url.hostname)
  return {
    isSecure: url.protocol === "https:",
    hostname,
    // By default Node takes the name from the request's Host header, which is the host behind the proxy.
    servername: ipVersion(hostname) === 0 ? hostname : "",
    port: portOf(url),
    headers: proxy.isSecret ? { "proxy-authorization": `Basic ${credential}` } : {}
  }
}
