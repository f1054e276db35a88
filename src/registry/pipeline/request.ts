/**
 * A request to a registry is a value. A handler answers requests, and each policy is a stage around another handler.
 */
import { type Effect, Redacted } from "effect"
import type { AddressScope } from "../../http/addresses.ts"
import { type HttpBody, type HttpRequest, type HttpResponse, operationOf } from "../../http/Http.ts"
import { registryHost, type Repository } from "../../oci/Reference.ts"
import { excerpt } from "../../text/line.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import { type Concerns, RegistryError, usuallyConcerns } from "../RegistryError.ts"
import { withoutBrought, withoutSecrets } from "../RepositoryAccess.ts"
import type { Need } from "./scope.ts"

/** The kind of a request, for limits, metrics and spans. */
export type Route = "tags" | "manifest" | "referrers" | "blob" | "upload" | "token" | "ping"

export interface RegistryRequest {
  readonly access: RepositoryAccess
  readonly route: Route
  readonly method: HttpRequest["method"]
  /** A path at the registry's own host ({@link pathOf}), or a URL that the registry has named. */
  readonly to: string | URL
  /** What the request's token must allow. Without `need` the request gets no token. */
  readonly need?: Need
  readonly headers?: HttpRequest["headers"]
  readonly body?: HttpBody
  /** How much of the answer's body is read, as in {@link HttpRequest.reads}. */
  readonly reads?: number | "stream"
  /** The Authorization header. The stage `authorize` sets it. */
  readonly authorization?: Redacted.Redacted
  /** The address scope of the connection. The stage `guardAddress` sets it. */
  readonly addressScope?: AddressScope
  /** The URL before a redirect. The stage `followRedirects` sets it. */
  readonly base?: URL
  /** The time that redirects have left for the answer, in milliseconds. The stage `followRedirects` sets it. */
  readonly millisLeft?: number
}

export interface RegistryResponse extends HttpResponse {
  /** The URL before any redirect. Relative URLs in the answer are resolved against it. */
  readonly base: URL
  /** How long the registry took to answer, without the time in the rate limiter's queue. */
  readonly millis: number
}

export type Handler = (request: RegistryRequest) => Effect.Effect<RegistryResponse, RegistryError>

/** A policy, which makes a handler from the next handler. */
export type Stage = (next: Handler) => Handler

/** A request passes the stages in order, and its answer passes them in reverse. */
export const through = (stages: ReadonlyArray<Stage>, last: Handler): Handler =>
  stages.reduceRight((next, stage) => stage(next), last)

/** The path of a request for a repository, by the distribution specification. */
export const pathOf = (repository: Repository, rest: string): string => `/v2/${repository.path}/${rest}`

/** The URL of a request. A path gets `https:`, which the stage `chooseScheme` may replace. */
export const urlOf = ({ access, to }: RegistryRequest): URL =>
  to instanceof URL ? to : new URL(`https://${registryHost(access.repository.registry)}${to}`)

/** The name of the host that an Image names. */
export const namedHostOf = ({ repository }: RepositoryAccess): string =>
  new URL(`https://${registryHost(repository.registry)}`).hostname

/** Whether a request is to the host that an Image names, at whatever port. */
export const isAtNamedHost = (request: RegistryRequest): boolean =>
  urlOf(request).hostname === namedHostOf(request.access)

export const httpRequestOf = (request: RegistryRequest): HttpRequest => {
  const { authorization, body, headers, method, reads } = request
  return {
    method,
    url: urlOf(request),
    headers: {
      // Without this field a server may compress its answer (RFC 9110, section 12.5.3).
      "accept-encoding": "identity",
      ...headers,
      ...(authorization === undefined ? {} : { authorization: Redacted.value(authorization) })
    },
    ...(body === undefined ? {} : { body }),
    ...(reads === undefined ? {} : { reads })
  }
}

/** Whether a request can be sent again. A streamed body is used up after the first time. */
export const isReplayable = ({ body }: RegistryRequest): boolean => body === undefined || body instanceof Uint8Array

/** Whether a request only reads, so that sending it twice is harmless. */
export const isRead = ({ method }: RegistryRequest): boolean => method === "GET" || method === "HEAD"

type Parameters = globalThis.Parameters<typeof RegistryError.of>

/** A text of a registry about a request, without the secrets that the request sent or could have sent. */
export const withoutSecretsOf = ({ access, authorization }: RegistryRequest, text: string): string =>
  withoutSecrets(withoutBrought(text, authorization === undefined ? undefined : Redacted.value(authorization)), access)

/**
 * Method and path of a request, fit to show. After a redirect it is the path before the redirect, because the path of a store may
 * be a key to the blob, as a signature is. The registry may have chosen the path of an upload.
 */
export const shownOperation = (request: RegistryRequest): string =>
  excerpt(withoutSecretsOf(request, operationOf({ method: request.method, url: request.base ?? urlOf(request) })))

/** ` at HOST` for a host that the Image does not name, to which the registry has referred. */
export const elsewhere = (request: RegistryRequest): string =>
  isAtNamedHost(request) ? "" : ` at ${shownHost(request, urlOf(request).host)}`

/** The most characters of a host that are shown, which a registry may have chosen. Names in DNS have at most 253. */
const HOST = 253

/** A host to which a registry has referred, fit to show. */
export const shownHost = (request: RegistryRequest, host: string): string =>
  excerpt(withoutSecretsOf(request, host), HOST)

/** Makes the error of a request. */
export const errorOf = (
  request: RegistryRequest,
  reason: Parameters[0],
  detail: string,
  concerns?: Concerns
): RegistryError => {
  const usual = usuallyConcerns(reason)
  return RegistryError.of(reason, request.access.repository, detail, {
    operation: shownOperation(request),
    concerns: concerns ?? (usual === "Reference" ? concernsOf(request.route) : usual)
  })
}

const concernsOf = (route: Route): Concerns => {
  switch (route) {
    case "tags":
    case "token":
    case "ping":
      return "Repository"
    case "manifest":
    case "referrers":
    case "blob":
    case "upload":
      return "Reference"
  }
}
