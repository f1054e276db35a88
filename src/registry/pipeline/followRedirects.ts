/** The stage that follows redirects. */
import { Duration, Effect } from "effect"
import { UNVERIFIED_BY } from "../../http/failures.ts"
import type { RegistryError } from "../RegistryError.ts"
import type { HostSchemes } from "./chooseScheme.ts"
import {
  errorOf,
  isRead,
  type RegistryRequest,
  type RegistryResponse,
  shownHost,
  shownOperation,
  type Stage,
  urlOf
} from "./request.ts"

const REDIRECTS = 5

/**
 * Reads follow redirects, with their authorization while the origin stays the same. All answers of a chain share the
 * time limit of one answer.
 */
export const followRedirects =
  (schemes: HostSchemes, timeout: Duration.Duration): Stage =>
  (next) =>
    Effect.fnUntraced(function* (request): Effect.fn.Return<RegistryResponse, RegistryError> {
      const base = urlOf(request)
      let current = request
      let millisLeft = Duration.toMillis(timeout)
      for (let followed = 0; ; followed++) {
        const response = yield* next(current)
        millisLeft = Math.max(1, millisLeft - response.millis)
        const to = isRead(request) && followed < REDIRECTS ? locationOf(response) : undefined
        if (to === undefined) return { ...response, base }
        const from = urlOf(current)
        if (to.host === from.host && to.protocol === "https:" && from.protocol === "http:") schemes.foundSecure(to.host)
        if (request.access.tlsVerify && from.protocol === "https:" && to.protocol === "http:") {
          return yield* errorOf(
            current,
            "InvalidAnswer",
            `${shownOperation(current)} is redirected from HTTPS to plain HTTP at ${shownHost(current, to.host)}, which is not followed; set ${request.access.unverifiedBy ?? UNVERIFIED_BY} if that is intended`
          )
        }
        current = { ...redirected(current, from, to), base, millisLeft }
      }
    })

/** The target of a redirect. */
const locationOf = ({ headers, request, status }: RegistryResponse): URL | undefined => {
  const location = status >= 300 && status < 400 ? headers["location"] : undefined
  const to = location === undefined ? null : URL.parse(location, request.url.href)
  return to !== null && /^https?:$/u.test(to.protocol) ? to : undefined
}

const redirected = (request: RegistryRequest, from: URL, to: URL): RegistryRequest => {
  if (to.origin === from.origin) return { ...request, to }
  const { authorization: _, ...others } = request
  return { ...others, to }
}
