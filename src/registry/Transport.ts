/** How requests to registries travel: pools of connections, TLS or not, redirects, and what a broken connection means. */
import { NodeHttpClient } from "@effect/platform-node"
import { Effect } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { innermostCause } from "../domain/Cause.ts"
import { registryHost } from "../domain/Reference.ts"
import { BlobReader, type RawAnswer } from "./BlobReader.ts"
import { errorAt, oneLine, operationOf } from "./HttpAnswer.ts"
import type { RegistryError, RepositoryAccess } from "./RegistryClient.ts"

export interface TransportOptions {
  /** Sent as User-Agent. */
  readonly userAgent: string
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
  const { userAgent } = options

  // An agent has one TLS setting, so there are two; nothing else builds clients for registries.
  const clientWith = (tlsVerify: boolean) =>
    NodeHttpClient.makeUndici.pipe(
      Effect.provideServiceEffect(
        NodeHttpClient.Dispatcher,
        NodeHttpClient.makeDispatcherOptions({
          connections: CONNECTIONS,
          connect: { timeout: CONNECT_MILLIS, rejectUnauthorized: tlsVerify }
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

  const unreachable = (access: RepositoryAccess, operation: string) => (cause: unknown) =>
    errorAt(access, "Unreachable", `${operation} failed: ${connectionFailure(innermostCause(cause))}`)

  /** Sends a request to wherever its URL says. */
  const transmit = (
    access: RepositoryAccess,
    request: HttpClientRequest.HttpClientRequest
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, RegistryError> => {
    const { client } = meansOf(access)
    const following =
      request.method === "GET" || request.method === "HEAD"
        ? client.pipe(HttpClient.followRedirects(REDIRECTS))
        : client
    return following.execute(request).pipe(
      // Trace headers would tell every registry about its users' internals.
      Effect.provideService(HttpClient.TracerPropagationEnabled, false),
      Effect.mapError(unreachable(access, operationOf(request)))
    )
  }

  /** The same for a body that is to be read in bulk; redirects are followed by the same rules. */
  const read = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    url: string,
    headers: Readonly<Record<string, string>>
  ): Effect.fn.Return<RawAnswer, RegistryError> {
    const { reader } = meansOf(access)
    let target: URL = new URL(url)
    let sent: Readonly<Record<string, string>> = { "user-agent": userAgent, ...headers }
    for (let redirects = 0; ; redirects++) {
      const current = target
      const answer = yield* Effect.tryPromise({
        try: (signal) => reader.get(current, sent, signal),
        catch: unreachable(access, `GET ${current.pathname}`)
      })
      const location = answer.status >= 300 && answer.status < 400 ? answer.headers["location"] : undefined
      const next = location === undefined ? null : URL.parse(location, target.href)
      if (next === null || redirects >= REDIRECTS || !/^https?:$/u.test(next.protocol)) return answer
      answer.discard()
      if (next.origin !== target.origin) {
        const { authorization: _, ...others } = sent
        sent = others
      }
      target = next
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

  return { transmit, read, sendTo }
})

export type Transport = Effect.Success<ReturnType<typeof make>>

/** What the commonest failures of a connection mean, and what to do. */
const CONNECTION_FAILURES: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/u,
    "the host answers without TLS; set tlsVerify: false if plain HTTP is meant"
  ],
  [
    /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|CERT_HAS_EXPIRED|ALTNAME_INVALID|self-signed|unable to verify/u,
    "the host's certificate is not trusted; trust its CA (NODE_EXTRA_CA_CERTS) or set tlsVerify: false"
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
