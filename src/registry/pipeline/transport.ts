/** How requests to registries travel: pools of connections, TLS or not, redirects, and what a broken connection means. */
import { Effect, Option } from "effect"
import { registryHost } from "../../oci/Reference.ts"
import * as Addresses from "../../http/addresses.ts"
import { AddressRefused } from "../../http/addresses.ts"
import type { RawAnswer } from "../../http/bulk.ts"
import type { Budget } from "../limits/RateLimiter.ts"
import { describeFailure, ProxyRefused } from "../../http/failures.ts"
import * as Connections from "../../http/connections.ts"
import { drain, errorAt, operationOf } from "./refusal.ts"
import { type HttpAnswer, type HttpHead, type HttpRequest, withoutHeader } from "../../http/Http.ts"
import { hostRule, type Proxies, proxyRule } from "../../http/Proxy.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"

export interface TransportOptions {
  /** Sent as User-Agent. */
  readonly userAgent: string
  /** What every request to a registry is asked of first. */
  readonly budget: Budget
  /** Certificates of authorities, PEM, that are trusted beside the system's. */
  readonly certificates?: ReadonlyArray<string>
  /** The proxies that lead to registries; default none. */
  readonly proxies?: Proxies
  /** Hosts that registries may lead to though their addresses are private: `tokens.corp,.storage.corp,10.1.0.0/16`. */
  readonly privateHosts?: string
}

/** What came back, and the scheme and host that it came from. */
export interface Answer<A> {
  readonly response: A
  readonly origin: string
}

const REDIRECTS = 5
/** What gateways answer of a host that they do not reach. */
const GATEWAY_FAILURES = new Set([502, 504])
const PROXY_WANTS_CREDENTIALS = 407

/** Connections are pooled for the life of the scope. */
export const make = Effect.fnUntraced(function* (options: TransportOptions) {
  const { budget, certificates = [], proxies = {}, userAgent } = options
  const proxyFor = proxyRule(proxies)
  const addresses = Addresses.make({ isPrivateAllowed: hostRule(options.privateHosts ?? "") })
  const connections = yield* Connections.make({ addresses, certificates, proxyFor, userAgent })

  /** Hosts that turned out to speak no TLS, of those for which that was allowed. */
  const plain = new Set<string>()
  /** Hosts that have spoken TLS, or led from plain HTTP to it: when one falters, nothing is sent to it in the clear. */
  const secure = new Set<string>()

  const unreachable = (access: RepositoryAccess, operation: string, url: URL | undefined) => (cause: unknown) =>
    Option.match(AddressRefused.in(cause), {
      onNone: () =>
        errorAt(
          access,
          "Unreachable",
          `${operation} failed: ${describeFailure(cause, url === undefined ? undefined : proxyFor(url))}`
        ),
      onSome: (refused) => notConnected(access, operation, refused)
    })

  /** By what means an access may get to a URL; `registry` is the host that was named, whoever the access is now for. */
  const meansOf = (access: RepositoryAccess, url: URL, registry: string, operation: string) => {
    const reach = addresses.reachOf(hostnameOf(registry), url)
    const refused = addresses.refusalOf(url, reach)
    return refused === undefined
      ? Effect.succeed(connections(access.tlsVerify, reach))
      : Effect.fail(notConnected(access, operation, refused))
  }

  /** By plain HTTP a proxy's own failures look like those of the host behind it. */
  const fromBehind = (
    access: RepositoryAccess,
    url: URL,
    response: HttpAnswer
  ): Effect.Effect<HttpAnswer, RegistryError> => {
    const isGateways = response.status === PROXY_WANTS_CREDENTIALS || GATEWAY_FAILURES.has(response.status)
    const proxy = url.protocol === "http:" && isGateways ? proxyFor(url) : undefined
    if (proxy === undefined) return Effect.succeed(response)
    if (response.status === PROXY_WANTS_CREDENTIALS) {
      const refusal = unreachable(access, operationOf(response.request), url)(new ProxyRefused(response.status))
      return Effect.andThen(drain(response), Effect.fail(refusal))
    }
    const words = `${operationOf(response.request)} failed: through the proxy ${proxy.host} (${proxy.variable}): it, or the host behind it, answered ${response.status}; ask who runs it, or name the registry in NO_PROXY`
    return Effect.andThen(drain(response), Effect.fail(errorAt(access, "Unreachable", words)))
  }

  /** Sends a request to wherever its URL says. */
  const sendOnce = (
    access: RepositoryAccess,
    request: HttpRequest,
    registry: string
  ): Effect.Effect<HttpAnswer, RegistryError> =>
    Effect.suspend(() => {
      const url = URL.parse(request.url)
      if (url === null) return Effect.fail(errorAt(access, "InvalidAnswer", `${request.url} is no address`))
      const sending = Effect.flatMap(meansOf(access, url, registry, operationOf(request)), ({ send }) =>
        send(url, request).pipe(
          Effect.mapError(unreachable(access, operationOf(request), url)),
          Effect.flatMap((response) => fromBehind(access, url, response))
        )
      )
      return budget.spendAt(access, request.method, url, sending)
    })

  /** Where a redirect leads; `undefined` if an answer is none, or one too many. */
  const redirectOf = (
    access: RepositoryAccess,
    from: URL,
    answer: HttpHead & Pick<HttpAnswer, "discard">,
    followed: number
  ): Effect.Effect<URL | undefined, RegistryError> => {
    const location = answer.status >= 300 && answer.status < 400 ? answer.headers["location"] : undefined
    const to = location === undefined ? null : URL.parse(location, from.href)
    if (to?.protocol === "https:" && from.protocol === "http:" && to.host === from.host) {
      plain.delete(from.host)
      secure.add(from.host)
    }
    if (to === null || followed >= REDIRECTS || !/^https?:$/u.test(to.protocol)) return Effect.succeed(undefined)
    if (!access.tlsVerify || from.protocol !== "https:" || to.protocol !== "http:") return Effect.succeed(to)
    answer.discard()
    return Effect.fail(
      errorAt(
        access,
        "InvalidAnswer",
        `GET ${from.pathname} is redirected from HTTPS to plain HTTP at ${to.host}, which is not followed; set tlsVerify: false if that is meant`
      )
    )
  }

  /** Reads follow redirects, with their credentials as long as the origin stays the same. */
  const transmit = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    request: HttpRequest,
    registry: string = access.repository.registry
  ): Effect.fn.Return<HttpAnswer, RegistryError> {
    let current = request
    for (let followed = 0; ; followed++) {
      const response = yield* sendOnce(access, current, registry)
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
    const { registry } = access.repository
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
              Effect.flatMap(meansOf(access, current, registry, `GET ${current.pathname}`), ({ reader }) =>
                Effect.mapError(reader.get(current, sent), unreachable(access, `GET ${current.pathname}`, undefined))
              )
            )
          : yield* sendOnce(access, { method: "GET", url: current.href, headers: sent }, registry)
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
      if (access.tlsVerify || secure.has(host)) return first
      if (plain.has(host)) {
        // It may speak TLS by now, or always have, but for the moment that it was asked: next time TLS is tried again.
        return Effect.tapError(first, ({ reason }) =>
          Effect.sync(() => {
            if (reason._tag === "Unreachable") plain.delete(host)
          })
        )
      }
      return Effect.catch(first, () => {
        const insecure = `http://${host}`
        return Effect.map(send(insecure), (response) => {
          // Unless it led on to where it does speak TLS.
          if (!secure.has(host)) plain.add(host)
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

/** A host of an address that is not for registries, or not for this one to lead to. */
const notConnected = (access: RepositoryAccess, operation: string, { address, host, kind }: AddressRefused) => {
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
const redirected = (request: HttpRequest, from: URL, to: URL): HttpRequest => {
  const next = { ...request, url: to.href }
  return to.origin === from.origin ? next : withoutHeader(next, "authorization")
}
