/**
 * One small HTTP client with proxies, trust and an address guard. The client follows no redirect, adds no credentials
 * and retries nothing. Its only time limits are for making a connection and for a body that stands still.
 */
import { Duration, Effect, type Scope } from "effect"
import { type Addresses, type AddressScope, makeAddresses } from "./addresses.ts"
import { makeRoutes, type RouteTo } from "./agents.ts"
import { type BodyBudget, FREE_BYTES, makeBodyBudget } from "./BodyBudget.ts"
import { BulkReader } from "./bulk.ts"
import { contextTrusting } from "./certificates.ts"
import { ConnectionError } from "./ConnectionError.ts"
import { exchange, type Incoming, isEmpty } from "./exchange.ts"
import { type BodyStream, type HttpRequest, type HttpResponse, withHeaders } from "./Http.ts"
import { watched } from "./idle.ts"
import { hostRule } from "./HostRule.ts"
import { type Proxies, type Proxy, proxyRule } from "./Proxy.ts"

export interface HttpClientOptions {
  /** Sent as User-Agent. */
  readonly userAgent: string
  /** PEM certificates of authorities that are trusted in addition to the system's. */
  readonly certificates?: ReadonlyArray<string>
  /** The proxies for HTTPS and HTTP, and the hosts without a proxy. Default none. */
  readonly proxies?: Proxies
  /**
   * Private hosts to which other hosts may redirect or refer, such as `tokens.corp,.storage.corp,10.1.0.0/16`. Default
   * none.
   */
  readonly privateHosts?: string
  /** Whether an Image may name a host with a loopback address. Default true. The operator in a cluster sets false. */
  readonly loopback?: boolean
  /** The time limit for making a connection. Default 10 seconds. */
  readonly connectTimeout?: Duration.Input
  /** How long a streamed body may bring no byte. Default 60 seconds. */
  readonly idleTimeout?: Duration.Input
  /** Whether streams are read directly from their sockets where possible. Default true. */
  readonly bulkReader?: boolean
  /** Resolves host names to addresses. Default the system's resolver. */
  readonly resolve?: Parameters<typeof makeAddresses>[0]["resolve"]
}

/** The rules for a request's connection. */
export interface Connecting {
  /** false accepts any certificate. */
  readonly tlsVerify: boolean
  readonly scope: AddressScope
  /** Who reads the answer, such as a namespace. Owners share the memory for bodies fairly. Default "". */
  readonly owner?: string
}

export interface HttpClient {
  /** Sends a request, and reads as much of the answer as `reads` of the request allows. */
  readonly send: (request: HttpRequest, connecting: Connecting) => Effect.Effect<HttpResponse, ConnectionError>
  /** The address scope of a request to a URL. See {@link Addresses}. */
  readonly scopeFor: Addresses["scopeFor"]
}

/** Connections with the same TLS setting and the same resolver. */
interface Pool {
  readonly routeTo: RouteTo
  readonly reader: BulkReader
}

const CONNECTIONS = 16
/** The most bytes that are read of an error's body, or of any body if the request sets no `reads`. */
const SMALL_BYTES = FREE_BYTES
const GATEWAY_FAILURES = new Set([502, 504])
/** The most origins that are remembered for bodies without a length. */
const ORIGINS = 1_000

/** Makes a client. Connections are pooled for the life of the scope. */
export const makeHttpClient = Effect.fnUntraced(function* (
  options: HttpClientOptions
): Effect.fn.Return<HttpClient, never, Scope.Scope> {
  const { bulkReader = true, certificates = [], proxies = {}, resolve } = options
  const idleTimeout = Duration.fromInputUnsafe(options.idleTimeout ?? "60 seconds")
  const connectMillis = Duration.toMillis(Duration.fromInputUnsafe(options.connectTimeout ?? "10 seconds"))
  const secureContext = certificates.length === 0 ? undefined : contextTrusting(certificates)
  const proxyFor = proxyRule(proxies)
  const budget = yield* makeBodyBudget
  const addresses = makeAddresses({
    isPrivateAllowed: hostRule(options.privateHosts ?? ""),
    ...(options.loopback === undefined ? {} : { loopback: options.loopback }),
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
      named: makePool({ tlsVerify, scope: "named" }),
      any: makePool({ tlsVerify, scope: "any" })
    })
  const pools = { verifying: yield* poolsOf(true), trusting: yield* poolsOf(false) }

  /** Origins that answered with a body of unknown length, which the bulk reader cannot read. */
  const lengthless = new Set<string>()

  /** The bulk reader's answer, or the general reader's if the bulk reader cannot read the body. */
  const readInBulk = (
    { reader }: Pool,
    request: HttpRequest,
    generally: Effect.Effect<Incoming, ConnectionError>
  ): Effect.Effect<Incoming, ConnectionError> =>
    Effect.flatMap(reader.get(request.url, request.headers), (answer) => {
      const { bytes, status } = answer
      if (bytes !== undefined) return Effect.succeed({ ...answer, bytes })
      answer.discard()
      // Only the head of these answers is used.
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
          Effect.flatMap(fromBehind(request, proxy, incoming), () =>
            read(request, incoming, idleTimeout, budget.reserving, connecting.owner)
          )
        )
        return proxy === undefined ? answered : Effect.mapError(answered, (error) => error.viaProxy(proxy))
      })
  }
})

/** For plain HTTP, an error of the proxy cannot be told apart from an error of the host behind the proxy. */
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

/** Reads as much of an answer as `reads` of its request allows. */
const read = (
  request: HttpRequest,
  incoming: Incoming,
  idleTimeout: Duration.Duration,
  reserving: BodyBudget["reserving"],
  owner = ""
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
  const most = Math.min(limit, Number(headers["content-length"]) || limit)
  const body = readBody(incoming, limit, headers["content-length"], reserving(owner, most))
  // An error or a redirect is useful even if its body cannot be read.
  const kept = isSuccess ? body : Effect.orElseSucceed(body, () => CUT)
  return Effect.map(kept, (read) => ({ ...head, ...read }))
}

const NONE = new Uint8Array()
const CUT: Body = { bytes: NONE, isCut: true }

type Body = Pick<HttpResponse, "bytes" | "isCut">

/**
 * Reads a body up to a limit. If the body has more bytes, the connection is closed. `reserving` waits for the memory of a body
 * that is not small.
 */
const readBody = (
  { bytes, discard }: BodyStream,
  limit: number,
  length: string | undefined,
  reserving: ReturnType<BodyBudget["reserving"]>
): Effect.Effect<Body, ConnectionError> => {
  if (Number(length ?? 0) > limit) {
    discard()
    return Effect.succeed(CUT)
  }
  const iterator = bytes[Symbol.asyncIterator]()
  const chunks: Array<Uint8Array> = []
  /** The buffer of a large body of known length, so that its bytes are in memory once. */
  let whole: Buffer | undefined
  let size = 0
  /** Reads on while the body is not longer than that. Gives whether the body has ended. */
  const readOn = (most: number): Effect.Effect<boolean, ConnectionError> =>
    Effect.tryPromise({
      try: async () => {
        while (size <= most) {
          const next = await iterator.next()
          if (next.done === true) return true
          // The next chunk may use the same buffer.
          if (whole === undefined) chunks.push(Uint8Array.from(next.value))
          else whole.set(next.value, size)
          size += next.value.length
        }
        return false
      },
      catch: (cause) => ConnectionError.from(cause, { isConnected: true, isAnswered: true })
    })
  const readRest = Effect.suspend(() => {
    if (Number(length) > size) {
      whole = Buffer.allocUnsafeSlow(Number(length))
      whole.set(Buffer.concat(chunks.splice(0)))
    }
    return readOn(limit)
  })
  return readOn(Math.min(limit, FREE_BYTES)).pipe(
    Effect.flatMap((hasEnded) => (hasEnded || size > limit ? Effect.succeed(hasEnded) : reserving(readRest))),
    Effect.map((hasEnded): Body => {
      if (hasEnded) return { bytes: whole ?? Buffer.concat(chunks), isCut: false }
      discard()
      return CUT
    }),
    Effect.onInterrupt(() => Effect.sync(discard))
  )
}

async function* nothing(): AsyncGenerator<never> {}
