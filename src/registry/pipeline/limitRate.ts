/** The stage in which a request waits for its registry's limit. A request with a short 429 is sent once more. */
import { Effect } from "effect"
import { registryHost } from "../../oci/Reference.ts"
import type { RequestKind } from "../limits/Quota.ts"
import type { RateLimiter } from "../limits/RateLimiter.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"
import { refusalOf } from "./refusal.ts"
import { isReplayable, type RegistryRequest, type RegistryResponse, type Stage, urlOf } from "./request.ts"

export const limitRate =
  (limiter: RateLimiter): Stage =>
  (next) =>
    Effect.fnUntraced(function* (request): Effect.fn.Return<RegistryResponse, RegistryError> {
      const access = countedFor(request)
      if (access === undefined) return yield* next(request)
      const sending = limiter.run(access, kindOf(request), request.method, next(request))
      const response = yield* sending
      if (response.status !== 429) return response
      const refusal = limiter.explain(access, yield* refusalOf(request, response))
      // The registry did not execute a request that it answered with 429. The request is sent once more if the hold is
      // short.
      if (!isReplayable(request) || !limiter.isShortlyHeld(access)) return yield* refusal
      const again = yield* sending
      if (again.status === 429) return yield* limiter.explain(access, yield* refusalOf(request, again))
      // Both count as the registry's time, or each redirect could take the time of an answer to refuse.
      return { ...again, millis: response.millis + again.millis }
    })

/**
 * The access whose limit counts a request. A token server has its own limit. Other hosts, such as storage, have none.
 */
const countedFor = (request: RegistryRequest): RepositoryAccess | undefined => {
  const { access, route } = request
  const url = urlOf(request)
  if (isHostOf(access.repository.registry, url)) return access
  return route === "token" ? { ...access, repository: { registry: url.host, path: "token" } } : undefined
}

/** Whether a URL is at a registry's own host, by any scheme. URL drops the default port of its scheme. */
const isHostOf = (registry: string, url: URL): boolean => {
  const host = registryHost(registry)
  return host === url.host || URL.parse(`${url.protocol}//${host}`)?.host === url.host
}

const kindOf = ({ method, route }: RegistryRequest): RequestKind => {
  if (route !== "manifest") return "Other"
  return method === "GET" ? "Pull" : method === "HEAD" ? "Head" : "Other"
}
