/** The innermost stages: how long an answer may take, to which addresses a request may lead, and its connection. */
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
 * Timeouts do not count the time in the queue of the rate limiter: this stage stands within it. A streamed body may take
 * as long as it needs; the HTTP client fails one that stands still.
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
          const words = `${operation} had no complete answer within ${Duration.format(duration)}`
          return Effect.fail(errorOf(request, "Unreachable", words))
        }
      })
    })

/** A registry may lead on to private addresses only if it has one, or if they are allowed. */
export const guardAddress =
  ({ scopeFor }: Pick<HttpClient, "scopeFor">): Stage =>
  (next) =>
  (request) => {
    const url = urlOf(request)
    const host = registryHost(request.access.repository.registry)
    const { hostname } = url.host === host ? url : new URL(`https://${host}`)
    return next({ ...request, addressScope: scopeFor(hostname, url) })
  }

/** Sends a request. A failed connection becomes an error for users. */
export const exchange =
  ({ send }: Pick<HttpClient, "send">): Handler =>
  (request) => {
    const { access, addressScope: scope = "public" } = request
    return Effect.mapBoth(send(httpRequestOf(request), { tlsVerify: access.tlsVerify, scope }), {
      onFailure: (error) => unreachable(request, error),
      onSuccess: (response) => ({ ...response, base: response.request.url, millis: 0 })
    })
  }

/** A failed connection as an error for users. */
export const unreachable = (request: RegistryRequest, error: ConnectionError): RegistryError => {
  const operation = operationOf({ method: request.method, url: urlOf(request) })
  const { isAnswered, isConnected, reason } = error
  if (reason._tag === "AddressRefused") {
    const what = reason.host === reason.address ? reason.host : `${reason.host}, which is at ${reason.address}`
    const why =
      reason.kind === "link-local"
        ? "an address that is no registry's; it is never connected to"
        : "a private address, to which a registry of a public one must not lead; if it may, name the host in REGISTRY_PRIVATE_HOSTS"
    return errorOf(request, "InvalidAnswer", `${operation} leads to ${what}: ${why}`)
  }
  const words = `${operation} ${describeFailure(error)}`
  if (!isConnected) return errorOf(request, { _tag: "Unreachable", unconnected: true }, words)
  // A registry may fail to read one manifest or blob, and serve all others.
  return errorOf(request, "Unreachable", words, isAnswered ? "Reference" : "Registry")
}
