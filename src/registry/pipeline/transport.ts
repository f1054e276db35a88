/** How requests to registries travel: TLS or not, redirects, and what a broken connection means. */
import { Effect } from "effect"
import { registryHost } from "../../oci/Reference.ts"
import type { ConnectionError } from "../../http/ConnectionError.ts"
import { describeFailure } from "../../http/failures.ts"
import { type HttpRequest, type HttpResponse, operationOf } from "../../http/Http.ts"
import type { HttpClient } from "../../http/HttpClient.ts"
import type { RateLimiter } from "../limits/RateLimiter.ts"
import { errorAt } from "./refusal.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"

/** An answer, and the scheme and host that it came from. */
export interface Answer {
  readonly response: HttpResponse
  readonly origin: string
}

const REDIRECTS = 5

export interface Transport {
  /** Sends a request to where its URL says. Reads follow redirects, with their credentials while the origin is the same. */
  readonly transmit: (
    access: RepositoryAccess,
    request: HttpRequest,
    registry?: string
  ) => Effect.Effect<HttpResponse, RegistryError>
  /** Sends what goes to the access's own host: by HTTPS, or by HTTP where that is allowed and needed. */
  readonly sendTo: (
    access: RepositoryAccess,
    send: (origin: string) => Effect.Effect<HttpResponse, RegistryError>
  ) => Effect.Effect<Answer, RegistryError>
  /** Whether an access's host is spoken to without TLS, as that is allowed. */
  readonly isPlain: (access: RepositoryAccess) => boolean
}

export const makeTransport = (http: HttpClient, limiter: RateLimiter): Transport => {
  /** Hosts that turned out to speak no TLS, of those for which that was allowed. */
  const plain = new Set<string>()
  /** Hosts that have spoken TLS, or led from plain HTTP to it: when one falters, nothing is sent to it in the clear. */
  const secure = new Set<string>()

  /** Sends a request to wherever its URL says; `registry` is the host that an Image named. */
  const sendOnce = (
    access: RepositoryAccess,
    request: HttpRequest,
    registry: string
  ): Effect.Effect<HttpResponse, RegistryError> => {
    const connecting = { tlsVerify: access.tlsVerify, scope: http.scopeFor(hostnameOf(registry), request.url) }
    const sending = Effect.mapError(http.send(request, connecting), notSent(access, request))
    return limiter.spendAt(access, request.method, request.url, sending)
  }

  /** Where a redirect leads; `undefined` if an answer is none, or one too many. */
  const redirectOf = (
    access: RepositoryAccess,
    { headers, request: { url: from }, status }: HttpResponse,
    followed: number
  ): Effect.Effect<URL | undefined, RegistryError> => {
    const location = status >= 300 && status < 400 ? headers["location"] : undefined
    const to = location === undefined ? null : URL.parse(location, from.href)
    if (to?.protocol === "https:" && from.protocol === "http:" && to.host === from.host) {
      plain.delete(from.host)
      secure.add(from.host)
    }
    if (to === null || followed >= REDIRECTS || !/^https?:$/u.test(to.protocol)) return Effect.succeed(undefined)
    if (!access.tlsVerify || from.protocol !== "https:" || to.protocol !== "http:") return Effect.succeed(to)
    return Effect.fail(
      errorAt(
        access,
        "InvalidAnswer",
        `GET ${from.pathname} is redirected from HTTPS to plain HTTP at ${to.host}, which is not followed; set tlsVerify: false if that is meant`
      )
    )
  }

  const transmit = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    request: HttpRequest,
    registry: string = access.repository.registry
  ): Effect.fn.Return<HttpResponse, RegistryError> {
    let current = request
    for (let followed = 0; ; followed++) {
      const response = yield* sendOnce(access, current, registry)
      if (request.method !== "GET" && request.method !== "HEAD") return response
      const to = yield* redirectOf(access, response, followed)
      if (to === undefined) return response
      current = redirected(current, to)
    }
  })

  return {
    transmit,

    sendTo: (access, send) =>
      Effect.suspend(() => {
        const host = registryHost(access.repository.registry)
        const origin = `${!access.tlsVerify && plain.has(host) ? "http" : "https"}://${host}`
        const first = Effect.map(send(origin), (response) => {
          if (!plain.has(host)) secure.add(host)
          return { response, origin }
        })
        if (access.tlsVerify || secure.has(host)) return first
        if (plain.has(host)) {
          // It may speak TLS by now, or always have, but for the moment that it was asked: next time TLS is tried again.
          return Effect.tapError(first, ({ reason }) =>
            Effect.sync(() => {
              if (reason._tag === "Unreachable") plain.delete(host)
            })
          )
        }
        return Effect.catchIf(
          first,
          ({ reason }) => reason._tag === "Unreachable" && reason.unconnected === true,
          () => {
            const insecure = `http://${host}`
            return Effect.map(send(insecure), (response) => {
              // Unless it led on to where it does speak TLS.
              if (!secure.has(host)) plain.add(host)
              return { response, origin: insecure }
            })
          }
        )
      }),

    isPlain: (access) => !access.tlsVerify && plain.has(registryHost(access.repository.registry))
  }
}

/** What it means that a request had no answer, or not all of it. */
export const notSent =
  (access: RepositoryAccess, request: HttpRequest) =>
  (error: ConnectionError): RegistryError => {
    const operation = operationOf(request)
    const { reason } = error
    if (reason._tag === "AddressRefused") return notConnected(access, operation, reason)
    const words = `${operation} ${describeFailure(error)}`
    return error.isConnected
      ? errorAt(access, "Unreachable", words, error.isAnswered ? { concerns: "Reference" } : {})
      : errorAt(access, { _tag: "Unreachable", unconnected: true }, words)
  }

/** A host of an address that is not for registries, or not for this one to lead to. */
const notConnected = (
  access: RepositoryAccess,
  operation: string,
  { address, host, kind }: { readonly address: string; readonly host: string; readonly kind: string }
) => {
  const what = host === address ? host : `${host}, which is at ${address}`
  return kind === "link-local"
    ? errorAt(
        access,
        "InvalidAnswer",
        `${operation} leads to ${what}: an address that is no registry's; it is never connected to`
      )
    : errorAt(
        access,
        "InvalidAnswer",
        `${operation} leads to ${what}: a private address, to which a registry of a public one must not lead; if it may, name the host in REGISTRY_PRIVATE_HOSTS`
      )
}

/** Of the host that a registry's name stands for, without its port. */
const hostnameOf = (registry: string): string => new URL(`https://${registryHost(registry)}`).hostname

/** The same request to where it was redirected. */
const redirected = (request: HttpRequest, to: URL): HttpRequest => {
  if (to.origin === request.url.origin) return { ...request, url: to }
  const { authorization: _, ...headers } = request.headers
  return { ...request, url: to, headers }
}
