/** How requests to registries travel: pools of connections, TLS or not, redirects, and what a broken connection means. */
import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Option, Stream } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse, UrlParams } from "effect/http"
import { innermostCause } from "../domain/Cause.ts"
import { registryHost } from "../domain/Reference.ts"
import { BlobReader, type RawAnswer } from "./BlobReader.ts"
import type { Budget } from "./Budget.ts"
import { contextTrusting } from "./Certificates.ts"
import * as Dispatcher from "./Dispatcher.ts"
import { drain, errorAt, oneLine, operationOf } from "./HttpAnswer.ts"
import { type Proxies, type Proxy, proxyRule } from "./Proxy.ts"
import type { RegistryError, RepositoryAccess } from "./RegistryClient.ts"

export interface TransportOptions {
  /** Sent as User-Agent. */
  readonly userAgent: string
  /** What every request to a registry is asked of first. */
  readonly budget: Budget
  /** Certificates of authorities, PEM, that are trusted beside the system's. */
  readonly certificates?: ReadonlyArray<string>
  /** The proxies that lead to registries; default none. */
  readonly proxies?: Proxies
}

/** What came back, and the scheme and host that it came from. */
export interface Answer<A> {
  readonly response: A
  readonly origin: string
}

const CONNECTIONS = 16
const CONNECT_MILLIS = 10_000
const REDIRECTS = 5

/** Connections are pooled for the life of the scope. */
export const make = Effect.fnUntraced(function* (options: TransportOptions) {
  const { budget, certificates = [], proxies = {}, userAgent } = options
  const secureContext = certificates.length === 0 ? undefined : contextTrusting(certificates)
  const proxyFor = proxyRule(proxies)

  // An agent has one TLS setting, so there are two; nothing else builds clients for registries.
  const clientWith = (tlsVerify: boolean) =>
    NodeHttpClient.makeUndici.pipe(
      Effect.provideServiceEffect(
        NodeHttpClient.Dispatcher,
        Dispatcher.make({
          tlsVerify,
          secureContext,
          proxies: [proxies.https, proxies.http].filter((proxy) => proxy !== undefined),
          proxyFor,
          connections: CONNECTIONS,
          connectMillis: CONNECT_MILLIS
        })
      ),
      Effect.map(HttpClient.mapRequest(HttpClientRequest.setHeader("user-agent", userAgent)))
    )
  const readerWith = (tlsVerify: boolean) =>
    Effect.acquireRelease(
      Effect.sync(
        () =>
          new BlobReader({
            rejectUnauthorized: tlsVerify,
            ...(secureContext === undefined ? {} : { secureContext }),
            connectMillis: CONNECT_MILLIS,
            idleConnections: CONNECTIONS
          })
      ),
      (reader) => Effect.sync(() => reader.close())
    )
  const verifying = { client: yield* clientWith(true), reader: yield* readerWith(true) }
  const trusting = { client: yield* clientWith(false), reader: yield* readerWith(false) }
  const meansOf = (access: RepositoryAccess) => (access.tlsVerify ? verifying : trusting)

  /** Hosts that turned out to speak no TLS, of those for which that was allowed. */
  const plain = new Set<string>()
  /** Hosts that have spoken TLS: when one falters, nothing is sent to it in the clear. */
  const secure = new Set<string>()

  const unreachable = (access: RepositoryAccess, operation: string, url: URL | undefined) => (cause: unknown) => {
    const proxy = url === undefined ? undefined : proxyFor(url)
    const words = innermostCause(cause)
    return errorAt(
      access,
      "Unreachable",
      `${operation} failed: ${proxy === undefined ? connectionFailure(words) : proxyFailure(proxy, words)}`
    )
  }

  /** Sends a request to wherever its URL says. */
  const sendOnce = (
    access: RepositoryAccess,
    request: HttpClientRequest.HttpClientRequest
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, RegistryError> =>
    Effect.suspend(() => {
      const url = URL.parse(request.url) ?? undefined
      return budget.spendAt(
        access,
        request.method,
        url,
        meansOf(access)
          .client.execute(request)
          .pipe(
            // Trace headers would tell every registry about its users' internals.
            Effect.provideService(HttpClient.TracerPropagationEnabled, false),
            Effect.mapError(unreachable(access, operationOf(request), url))
          )
      )
    })

  /** Where a redirect leads; `undefined` if an answer is none, or one too many. */
  const redirectOf = (
    access: RepositoryAccess,
    from: URL,
    answer: { readonly status: number; readonly headers: Readonly<Record<string, string | undefined>> },
    followed: number
  ): Effect.Effect<URL | undefined, RegistryError> => {
    const location = answer.status >= 300 && answer.status < 400 ? answer.headers["location"] : undefined
    const to = location === undefined ? null : URL.parse(location, from.href)
    if (to === null || followed >= REDIRECTS || !/^https?:$/u.test(to.protocol)) return Effect.succeed(undefined)
    return access.tlsVerify && from.protocol === "https:" && to.protocol === "http:"
      ? Effect.fail(
          errorAt(
            access,
            "InvalidAnswer",
            `GET ${from.pathname} is redirected from HTTPS to plain HTTP at ${to.host}, which is not followed; set tlsVerify: false if that is meant`
          )
        )
      : Effect.succeed(to)
  }

  /** Reads follow redirects, with their credentials as long as the origin stays the same. */
  const transmit = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    request: HttpClientRequest.HttpClientRequest
  ): Effect.fn.Return<HttpClientResponse.HttpClientResponse, RegistryError> {
    let current = request
    for (let followed = 0; ; followed++) {
      const response = yield* sendOnce(access, current)
      const from = URL.parse(current.url)
      if (from === null || (request.method !== "GET" && request.method !== "HEAD")) return response
      const to = yield* redirectOf(access, from, response, followed)
      if (to === undefined) return response
      yield* drain(response)
      current = redirected(current, from, to)
    }
  })

  /** The same for a body that is to be read in bulk. */
  const read = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    url: string,
    headers: Readonly<Record<string, string>>
  ): Effect.fn.Return<RawAnswer, RegistryError> {
    const { reader } = meansOf(access)
    let target: URL = new URL(url)
    let sent: Readonly<Record<string, string>> = { "user-agent": userAgent, ...headers }
    for (let followed = 0; ; followed++) {
      const current = target
      const answer =
        proxyFor(current) === undefined
          ? yield* budget.spendAt(
              access,
              "GET",
              current,
              Effect.tryPromise({
                try: (signal) => reader.get(current, sent, signal),
                catch: unreachable(access, `GET ${current.pathname}`, undefined)
              })
            )
          : rawAnswer(yield* sendOnce(access, HttpClientRequest.get(current.href, { headers: sent })))
      const to = yield* redirectOf(access, current, answer, followed)
      if (to === undefined) return answer
      answer.discard()
      if (to.origin !== target.origin) {
        const { authorization: _, ...others } = sent
        sent = others
      }
      target = to
    }
  })

  /** Sends what goes to the access's own host: by HTTPS, or by HTTP where that is allowed and needed. */
  const sendTo = <A>(
    access: RepositoryAccess,
    send: (origin: string) => Effect.Effect<A, RegistryError>
  ): Effect.Effect<Answer<A>, RegistryError> =>
    Effect.suspend(() => {
      const host = registryHost(access.repository.registry)
      const origin = `${!access.tlsVerify && plain.has(host) ? "http" : "https"}://${host}`
      const first = Effect.map(send(origin), (response) => {
        if (!plain.has(host)) secure.add(host)
        return { response, origin }
      })
      if (access.tlsVerify || plain.has(host) || secure.has(host)) return first
      return Effect.catch(first, () => {
        const insecure = `http://${host}`
        return Effect.map(send(insecure), (response) => {
          plain.add(host)
          return { response, origin: insecure }
        })
      })
    })

  return {
    transmit,
    read,
    sendTo,
    /** Whether an access's host is spoken to without TLS, as that is allowed. */
    isPlain: (access: RepositoryAccess): boolean =>
      !access.tlsVerify && plain.has(registryHost(access.repository.registry))
  }
})

export type Transport = Effect.Success<ReturnType<typeof make>>

/** The same request to where it was redirected, its query as it was sent. */
const redirected = (
  request: HttpClientRequest.HttpClientRequest,
  from: URL,
  to: URL
): HttpClientRequest.HttpClientRequest => {
  const { href } = to
  const next = HttpClientRequest.makeWith(
    request.method,
    href,
    UrlParams.empty,
    Option.none(),
    request.headers,
    request.body
  )
  return to.origin === from.origin ? next : HttpClientRequest.removeHeader(next, "authorization")
}

/** Through a proxy bytes come by the general client. */
const rawAnswer = (response: HttpClientResponse.HttpClientResponse): RawAnswer => {
  const body = Stream.toAsyncIterable(response.stream)
  return {
    status: response.status,
    headers: response.headers,
    body,
    discard: () => {
      // To leave a body after its first chunk is to end its connection.
      void (async () => {
        for await (const _ of body) break
      })().catch(() => undefined)
    }
  }
}

/** What a proxy's failures mean: whatever cannot be reached is the proxy, for the rest of the way is its own. */
const proxyFailure = ({ host, variable }: Proxy, cause: string): string => {
  const status = /Proxy response \(([0-9]{3})\)|\((407)\)/u.exec(cause)
  const code = status?.[1] ?? status?.[2]
  const what =
    code === "407"
      ? "wants a user and password, or refuses those it was given (407); write them into the variable as http://USER:PASSWORD@HOST:PORT"
      : code === undefined
        ? connectionFailure(cause)
        : `refuses to connect to it (${code}); ask who runs it, or name the registry in NO_PROXY`
  return `through the proxy ${host} (${variable}): ${code === undefined ? what : `it ${what}`}`
}

/** What the commonest failures of a connection mean, and what to do. */
const CONNECTION_FAILURES: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/u,
    "the host answers without TLS; set tlsVerify: false if plain HTTP is meant"
  ],
  [
    /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|CERT_HAS_EXPIRED|ALTNAME_INVALID|self-signed|unable to verify/u,
    "the host's certificate is not trusted; trust its CA (REGISTRY_CA_FILE) or set tlsVerify: false"
  ],
  [/ECONNREFUSED/u, "nothing listens there; check the host and the port"],
  [/ENOTFOUND|EAI_AGAIN/u, "there is no host of that name; check the registry's name"]
]

const connectionFailure = (cause: string): string => {
  for (const [pattern, meaning] of CONNECTION_FAILURES) {
    const code = pattern.exec(cause)?.[0]
    if (code !== undefined) return `${meaning} (${code})`
  }
  return oneLine(cause)
}
