/** The last handler: sends a request, and says in words why a connection failed. */
import { Effect } from "effect"
import type { ConnectionError } from "../../http/ConnectionError.ts"
import { describeFailure } from "../../http/failures.ts"
import { operationOf } from "../../http/Http.ts"
import type { HttpClient } from "../../http/HttpClient.ts"
import type { RegistryError } from "../RegistryError.ts"
import { errorOf, type Handler, httpRequestOf, isAtNamedHost, type RegistryRequest, urlOf } from "./request.ts"

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
    const { publicOnly } = request.access
    if (publicOnly !== undefined && isAtNamedHost(request) && reason.kind !== "link-local") {
      const words = `${operation} leads to ${what}: a private address; ${publicOnly}`
      return errorOf(request, { _tag: "Unreachable", unconnected: true }, words)
    }
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
