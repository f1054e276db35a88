/** The innermost stages: the time limit of an answer, the address guard, and the connection. */
import { Clock, Duration, Effect } from "effect"
import type { ConnectionError } from "../../http/ConnectionError.ts"
import { describeFailure } from "../../http/failures.ts"
import { operationOf } from "../../http/Http.ts"
import type { HttpClient } from "../../http/HttpClient.ts"
import { registryHost } from "../../oci/Reference.ts"
import type { RegistryError } from "../RegistryError.ts"
import {
  errorOf,
  type Handler,
  httpRequestOf,
  isReplayable,
  type RegistryRequest,
  type Stage,
  urlOf
} from "./request.ts"

/**
 * The time limit of an answer. The stage is inside the rate limiter, so time in the rate limiter's queue does not
 * count. A streamed body may take as long as it needs, but the HTTP client fails a body that stands still.
 */
export const timeout =
  (duration: Duration.Duration): Stage =>
  (next) =>
  (request) =>
    Effect.flatMap(Clock.currentTimeMillis, (start) => {
      const timed = Effect.flatMap(next(request), (response) =>
        Effect.map(Clock.currentTimeMillis, (end) => ({ ...response, millis: end - start }))
      )
      if (!isReplayable(request)) return timed
      return Effect.timeoutOrElse(timed, {
        duration: request.millisLeft ?? duration,
        orElse: () => {
          const operation = operationOf({ method: request.method, url: urlOf(request) })
          const words = `${operation} got no complete answer within ${Duration.format(duration)}`
          return Effect.fail(errorOf(request, "Unreachable", words))
        }
      })
    })

/** A registry may redirect or refer to a private address only if its own address is private, or the host is allowed. */
export const guardAddress =
  ({ scopeFor }: Pick<HttpClient, "scopeFor">): Stage =>
  (next) =>
  (request) => {
    const url = urlOf(request)
    const host = registryHost(request.access.repository.registry)
    const { hostname } = url.host === host ? url : new URL(`https://${host}`)
    return next({ ...request, addressScope: scopeFor(hostname, url) })
  }

/** Sends a request over HTTP. */
export const exchange =
  ({ send }: Pick<HttpClient, "send">): Handler =>
  (request) => {
    const { access, addressScope: scope = "public" } = request
    return Effect.mapBoth(send(httpRequestOf(request), { tlsVerify: access.tlsVerify, scope }), {
      onFailure: (error) => unreachable(request, error),
      onSuccess: (response) => ({ ...response, base: response.request.url, millis: 0 })
    })
  }

/** Explains a failed connection to users. */
export const unreachable = (request: RegistryRequest, error: ConnectionError): RegistryError => {
  const operation = operationOf({ method: request.method, url: urlOf(request) })
  const { isAnswered, isConnected, reason } = error
  if (reason._tag === "AddressRefused") {
    const what =
      reason.host === reason.address ? reason.host : `${reason.host}, which has the address ${reason.address}`
    const why =
      reason.kind === "link-local"
        ? "a link-local or metadata address, to which no connection is allowed; no registry has such an address"
        : "a private address, to which a registry with a public address must not refer; if that is intended, name the host in REGISTRY_PRIVATE_HOSTS"
    return errorOf(request, "InvalidAnswer", `${operation} leads to ${what}: ${why}`)
  }
  const words = `${operation} ${describeFailure(error)}`
  if (!isConnected) return errorOf(request, { _tag: "Unreachable", unconnected: true }, words)
  // A registry may fail to read one manifest or blob and serve all others.
  return errorOf(request, "Unreachable", words, isAnswered ? "Reference" : "Registry")
}
