/**
 * One small HTTP client with proxies, trust and an address guard. It follows no redirect, sends no credentials of its
 * own, tries nothing again and knows no limit of time but for connections and for bodies that stand still.
 */
import { Duration, Effect, type Scope } from "effect"
import { type Addresses, type AddressScope, makeAddresses } from "./addresses.ts"
import { makeRoutes, type RouteTo } from "./agents.ts"
import { BulkReader } from "./bulk.ts"
import { contextTrusting } from "./certificates.ts"
import { ConnectionError } from "./ConnectionError.ts"
import { exchange, type Incoming, isEmpty } from "./exchange.ts"
import { type BodyStream, type HttpRequest, type HttpResponse, withHeaders } from "./Http.ts"
import { watched } from "./idle.ts"
import { hostRule, type Proxies, type Proxy, proxyRule } from "./Proxy.ts"

export interface HttpClientOptions {
  /** Sent as User-Agent. */
  readonly userAgent: string
  /** Certificates of authorities, PEM, that are trusted beside the system's. */
  readonly certificates?: ReadonlyArray<string>
  /** The proxies that lead to hosts; default none. */
  readonly proxies?: Proxies
  /** Hosts that others may lead to though their addresses are private: `tokens.corp,.storage.corp,10.1.0.0/16`. */
  readonly privateHosts?: string
  /** How long a connection may take to be made. Default 10 seconds. */
  readonly connectTimeout?: Duration.Input
  /** How long the bytes of a body that is streamed may stand still. Default 60 seconds. */
  readonly idleTimeout?: Duration.Input
  /** Whether streams are read straight off their sockets where that can be done. Default true. */
  readonly bulkReader?: boolean
  /** Resolves names to addresses. Default the system's resolver. */
  readonly resolve?: Parameters<typeof makeAddresses>[0]["resolve"]
}

/** How a request may connect. */
export interface Connecting {
  /** false accepts any certificate. */
  readonly tlsVerify: boolean
  readonly scope: AddressScope
}

export interface HttpClient {
  /** Sends a request, and reads as much of the answer as it says. */
  readonly send: (request: HttpRequest, connecting: Connecting) => Effect.Effect<HttpResponse, ConnectionError>
  /** How far a request may lead that goes to a URL because of a host that an Image named. */
  readonly scopeFor: Addresses["scopeFor"]
}

/** Connections of one kind: a pool has one TLS setting and one resolver. */
interface Pool {
  readonly routeTo: RouteTo
  readonly reader: BulkReader
}

const CONNECTIONS = 16
/** The most that is read of the body of an error, or of an answer whose request says nothing of its body. */
const SMALL_BYTES = 64 * 1024
const GATEWAY_FAILURES = new Set([502, 504])
/** Origins that are remembered for bodies without a length. */
const ORIGINS = 1_000

/** Connections are pooled for the life of the scope. */
export const makeHttpClient = Effect.fnUntraced(function* (
  options: HttpClientOptions
): Effect.fn.Return<HttpClient, never, Scope.Scope> {
  const { bulkReader = true, certificates = [], proxies = {}, resolve } = options
  const idleTimeout = Duration.fromInputUnsafe(options.idleTimeout ?? "60 seconds")
  const connectMillis = Duration.toMillis(Duration.fromInputUnsafe(options.connectTimeout ?? "10 seconds"))
  const secureContext = certificates.length === 0 ? undefined : contextTrusting(certificates)
  const proxyFor = proxyRule(proxies)
  const addresses = makeAddresses({
    isPrivateAllowed: hostRule(options.privateHosts ?? ""),
    ...(resolve === undefined ? {} : { resolve })
  })

  const makePool = ({ scope, tlsVerify }: Connecting): Effect.Effect<Pool, never, Scope.Scope> => {
    const lookup = addresses.lookupWithin(scope)
    const routes = makeRoutes({ tlsVerify, secureContext, lookup, proxyFor, connections: CONNECTIONS, connectMillis })
    const reader = Effect.acquireRelease(
      Effect.sync(
        () =>
          new BulkReader({
            rejectUnauthorized: tlsVerify,
            ...(secureContext === undefined ? {} : { secureContext }),
            lookup,
            connectMillis,
            idleConnections: CONNECTIONS
          })
      ),
      (reader) => Effect.sync(() => reader.close())
    )
    return Effect.all({ routeTo: routes, reader })
  }
  const poolsOf = (tlsVerify: boolean) =>
    Effect.all({
      public: makePool({ tlsVerify, scope: "public" }),
      private: makePool({ tlsVerify, scope: "private" }),
      "link-local": makePool({ tlsVerify, scope: "link-local" })
    })
  const pools = { verifying: yield* poolsOf(true), trusting: yield* poolsOf(false) }

  /** Origins that answered with a body of no known length: there the bulk reader would ask in vain. */
  const lengthless = new Set<string>()

  /** The bulk reader's answer, or the general one's where that reader cannot read it. */
  const readInBulk = (
    { reader }: Pool,
    request: HttpRequest,
    generally: Effect.Effect<Incoming, ConnectionError>
  ): Effect.Effect<Incoming, ConnectionError> =>
    Effect.flatMap(reader.get(request.url, request.headers), (answer) => {
      const { bytes, status } = answer
      if (bytes !== undefined) return Effect.succeed({ ...answer, bytes })
      answer.discard()
      // Of these answers only the head is used.
      if (status === 401 || (status >= 300 && status < 400)) return Effect.succeed({ ...answer, bytes: nothing() })
      if (lengthless.size < ORIGINS) lengthless.add(request.url.origin)
      return generally
    })

  const receive = (
    request: HttpRequest,
    connecting: Connecting,
    proxy: Proxy | undefined
  ): Effect.Effect<Incoming, ConnectionError> =>
    Effect.suspend(() => {
      const pool = pools[connecting.tlsVerify ? "verifying" : "trusting"][connecting.scope]
      const generally = Effect.suspend(() =>
        exchange(pool.routeTo(request.url), request, { connectMillis, idleTimeout })
      )
      const isForBulk = request.reads === "stream" && request.method === "GET" && request.body === undefined
      return bulkReader && isForBulk && proxy === undefined && !lengthless.has(request.url.origin)
        ? readInBulk(pool, request, generally)
        : generally
    })

  return {
    scopeFor: addresses.scopeFor,

    send: (request, connecting) =>
      Effect.suspend(() => {
        const refused = addresses.refusalOf(request.url, connecting.scope)
        if (refused !== undefined) return Effect.fail(refused)
        const proxy = proxyFor(request.url)
        const full = withHeaders(request, { "user-agent": options.userAgent })
        const answered = Effect.flatMap(receive(full, connecting, proxy), (incoming) =>
          Effect.flatMap(fromBehind(request, proxy, incoming), () => read(request, incoming, idleTimeout))
        )
        return proxy === undefined ? answered : Effect.mapError(answered, (error) => error.through(proxy))
      })
  }
})

/** By plain HTTP a proxy's own failures look like those of the host behind it. */
const fromBehind = (
  { url }: HttpRequest,
  proxy: Proxy | undefined,
  { discard, status }: Incoming
): Effect.Effect<void, ConnectionError> => {
  if (proxy === undefined || url.protocol !== "http:") return Effect.void
  const isRefusal = status === 407
  if (!isRefusal && !GATEWAY_FAILURES.has(status)) return Effect.void
  discard()
  const reason = { _tag: isRefusal ? "ProxyRefused" : "GatewayFailed", status } as const
  return Effect.fail(ConnectionError.of(reason, `answered ${status}`))
}

/** As much of an answer as its request reads. */
const read = (
  request: HttpRequest,
  incoming: Incoming,
  idleTimeout: Duration.Duration
): Effect.Effect<HttpResponse, ConnectionError> => {
  const { reads = SMALL_BYTES } = request
  const { headers, status } = incoming
  const isSuccess = status >= 200 && status < 300
  const head = { request, status, headers }
  if (reads === "stream" && isSuccess) {
    return Effect.map(watched(incoming, idleTimeout), (stream) => ({ ...head, bytes: NONE, isCut: false, stream }))
  }
  if (isEmpty(request, status, headers)) return Effect.succeed({ ...head, bytes: NONE, isCut: false })
  const limit = isSuccess && reads !== "stream" ? reads : SMALL_BYTES
  const body = readBody(incoming, limit, headers["content-length"])
  // Of an error, or of a redirect, the head is what counts.
  const kept = isSuccess ? body : Effect.orElseSucceed(body, () => CUT)
  return Effect.map(kept, (read) => ({ ...head, ...read }))
}

const NONE = new Uint8Array()
const CUT: Body = { bytes: NONE, isCut: true }

type Body = Pick<HttpResponse, "bytes" | "isCut">

/** A body's first bytes, which are all of them if there are no more than a limit; the rest goes with its connection. */
const readBody = (
  { bytes, discard }: BodyStream,
  limit: number,
  length: string | undefined
): Effect.Effect<Body, ConnectionError> => {
  if (Number(length ?? 0) > limit) {
    discard()
    return Effect.succeed(CUT)
  }
  return Effect.tryPromise({
    try: async (): Promise<Body> => {
      const chunks: Array<Uint8Array> = []
      let size = 0
      for await (const chunk of bytes) {
        size += chunk.length
        if (size > limit) return CUT
        // The next chunk may come in the same buffer.
        chunks.push(Uint8Array.from(chunk))
      }
      return { bytes: Buffer.concat(chunks), isCut: false }
    },
    catch: (cause) => ConnectionError.from(cause, { isConnected: true, isAnswered: true })
  }).pipe(Effect.onInterrupt(() => Effect.sync(discard)))
}

async function* nothing(): AsyncGenerator<never> {}
