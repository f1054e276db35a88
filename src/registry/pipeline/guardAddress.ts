/** The stage that says to which kinds of addresses a connection may lead. */
import type { HttpClient } from "../../http/HttpClient.ts"
import { registryHost } from "../../oci/Reference.ts"
import { type Stage, urlOf } from "./request.ts"

/** A registry may redirect or refer to a private address of its own host, or of a host that the administrator lists. */
export const guardAddress =
  ({ scopeFor }: Pick<HttpClient, "scopeFor">): Stage =>
  (next) =>
  (request) => {
    const url = urlOf(request)
    const host = registryHost(request.access.repository.registry)
    const { hostname } = url.host === host ? url : new URL(`https://${host}`)
    return next({ ...request, addressScope: scopeFor(hostname, url) })
  }
