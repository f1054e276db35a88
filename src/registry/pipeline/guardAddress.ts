/** The stage that says to which kinds of addresses a connection may lead. */
import type { HttpClient } from "../../http/HttpClient.ts"
import { registryHost } from "../../oci/Reference.ts"
import { namedHostOf, type Stage, urlOf } from "./request.ts"

/**
 * A registry may redirect or refer to a private address of its own host, or of a host that the administrator lists. Its own
 * address may be private unless the policy says otherwise.
 */
export const guardAddress =
  ({ scopeFor }: Pick<HttpClient, "scopeFor">): Stage =>
  (next) =>
  (request) => {
    const url = urlOf(request)
    const { publicOnly, repository } = request.access
    const host = registryHost(repository.registry)
    const hostname = url.host === host ? url.hostname : namedHostOf(request.access)
    return next({ ...request, addressScope: scopeFor(hostname, url, publicOnly === undefined) })
  }
