/** The last handler: sends a request, and says in words why a connection failed. */
import { Effect, LogLevel } from "effect"
import type { ConnectionError, ConnectionErrorReason } from "../../http/ConnectionError.ts"
import { describeFailure } from "../../http/failures.ts"
import type { HttpClient } from "../../http/HttpClient.ts"
import { RequestedFor } from "../limits/RegistryLimits.ts"
import type { RegistryError } from "../RegistryError.ts"
import {
  elsewhere,
  errorOf,
  type Handler,
  httpRequestOf,
  isAtNamedHost,
  type RegistryRequest,
  shownHost,
  shownOperation
} from "./request.ts"

/** Sends a request over HTTP. */
export const exchange =
  ({ send }: Pick<HttpClient, "send">): Handler =>
  (request) => {
    const { access, addressScope: scope = "public" } = request
    const sent = Effect.flatMap(RequestedFor, (owner) =>
      send(httpRequestOf(request), { tlsVerify: access.tlsVerify, scope, owner })
    )
    return Effect.mapBoth(sent, {
      onFailure: (error) => unreachable(request, error),
      onSuccess: (response) => ({ ...response, base: response.request.url, millis: 0 })
    }).pipe(Effect.tap(({ status }) => logged(request, status)))
  }

/** Logs an answer for a user who looks for the cause of a failure. */
const logged = (request: RegistryRequest, status: number): Effect.Effect<void> =>
  Effect.flatMap(LogLevel.isEnabled("Debug"), (isEnabled) =>
    isEnabled
      ? Effect.logDebug("request answered").pipe(
          Effect.annotateLogs({
            registry: request.access.repository.registry,
            resource: shownOperation(request) + elsewhere(request),
            reason: String(status)
          })
        )
      : Effect.void
  )

/** Explains a failed connection to users. */
export const unreachable = (request: RegistryRequest, error: ConnectionError): RegistryError => {
  const operation = shownOperation(request)
  const { isAnswered, isConnected, reason } = error
  if (reason._tag === "AddressRefused") {
    const { address, host, kind } = reason
    const named = shownHost(request, host)
    const words = `${operation} leads to ${host === address ? named : `${named}, which has the address ${address}`}`
    const { publicOnly } = request.access
    if (publicOnly !== undefined && isAtNamedHost(request) && kind !== "link-local") {
      return errorOf(request, { _tag: "Unreachable", unconnected: true }, `${words}: a ${kind} address; ${publicOnly}`)
    }
    return errorOf(request, "InvalidAnswer", `${words}: ${whyRefused(request, reason)}`)
  }
  const words = `${operation}${elsewhere(request)} ${describeFailure(error, request.access.unverifiedBy)}`
  if (!isConnected) return errorOf(request, { _tag: "Unreachable", unconnected: true }, words)
  // A registry may fail to read one manifest or blob and serve all others.
  return errorOf(request, "Unreachable", words, isAnswered ? "Reference" : "Registry")
}

/** Why an address was refused, and the remedy. */
const whyRefused = (
  { addressScope }: RegistryRequest,
  { host, kind }: Extract<ConnectionErrorReason, { readonly _tag: "AddressRefused" }>
): string => {
  const isNamed = addressScope === "named"
  switch (kind) {
    case "link-local":
      return "a link-local or metadata address, to which no connection is allowed; no registry has such an address"
    case "loopback":
      return isNamed
        ? "a loopback address, to which the operator in a cluster never connects, nor does a command by a name that had another address before; name the registry's Service or another address"
        : "a loopback address, to which no other host may refer"
    case "private":
    case "public":
      return isNamed
        ? `a private address, and the name had a public address before; if that is intended, add ${host} to REGISTRY_PRIVATE_HOSTS`
        : `a private address, to which a registry of another host must not refer; if that is intended, add ${host} to REGISTRY_PRIVATE_HOSTS`
  }
}
