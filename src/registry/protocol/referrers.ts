/** Lists the referrers of a manifest by the referrers API, or by the fallback tag in a registry without the API. */
import { Effect, Option } from "effect"
import { OCI_INDEX } from "../../oci/Manifest.ts"
import { fallbackTagOf, type Referrer, referrersIn } from "../../oci/Referrers.ts"
import { mostValuesIn } from "../../text/json.ts"
import { mediaTypeOf, refused, wholeBody } from "../pipeline/refusal.ts"
import { errorOf, type Handler, pathOf, type RegistryRequest } from "../pipeline/request.ts"
import { spanOf } from "../pipeline/traced.ts"
import type { RegistryClient, RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"
import { MANIFEST_BYTES, type Manifests, orNone } from "./manifests.ts"
import { nextOf } from "./nextPage.ts"

/** The bounds of all pages of one subject together. An image has a few referrers for each of its builds and scans. */
const MOST = { referrers: 1_000, bytes: MANIFEST_BYTES, values: 100_000, pages: 100 }

interface Page {
  readonly referrers: ReadonlyArray<Referrer>
  readonly bytes: number
  readonly next: string | undefined
}

export const makeReferrers = (
  send: Handler,
  { head, manifest }: Pick<Manifests, "head" | "manifest">
): RegistryClient["Service"]["referrers"] => {
  const requestOf = (access: RepositoryAccess, path: string, reads = MOST.bytes): RegistryRequest => ({
    access,
    route: "referrers",
    need: "pull",
    method: "GET",
    to: path,
    headers: { accept: OCI_INDEX },
    reads
  })

  const tooMany = (access: RepositoryAccess, digest: string): RegistryError =>
    errorOf(
      requestOf(access, pathOf(access.repository, `referrers/${digest}`)),
      "InvalidAnswer",
      `${digest} has more than the ${MOST.referrers} referrers or ${MOST.bytes / 1024 ** 2} MiB of their list that are read of one image; delete referrers there, or set spec.referrers to false (copy: leave out --referrers)`
    )

  /** Reads a page of the referrers API. `undefined` if the registry lacks the API. */
  const pageAt = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    digest: string,
    path: string,
    left: number
  ): Effect.fn.Return<Page | undefined, RegistryError> {
    const request = requestOf(access, path, left)
    const response = yield* send(request)
    if (response.status !== 200 || mediaTypeOf(response) !== OCI_INDEX) {
      // A registry without the API may answer this path with any other status.
      const isRefusal = response.status === 429 || response.status === 401 || response.status >= 500
      return isRefusal ? yield* refused(request, response) : undefined
    }
    const bytes = yield* Effect.mapError(wholeBody(request, response), () => tooMany(access, digest))
    if (mostValuesIn(bytes) > MOST.values) return yield* tooMany(access, digest)
    const found = referrersIn(bytes)
    if (Option.isNone(found)) {
      return yield* errorOf(request, "InvalidAnswer", `GET ${path} did not answer with a list of referrers`)
    }
    return { referrers: found.value, bytes: bytes.length, next: yield* nextOf(request, response) }
  })

  /** HEAD first: it costs no pull, and a manifest with a known digest is not read again. */
  const byTag = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    digest: string
  ): Effect.fn.Return<ReadonlyArray<Referrer>, RegistryError> {
    const named = yield* head(access, fallbackTagOf(digest))
    const list = Option.isSome(named) ? yield* orNone(manifest(access, named.value.digest)) : Option.none()
    return Option.getOrElse(
      Option.flatMap(list, ({ bytes }) => referrersIn(bytes)),
      () => []
    )
  })

  return Effect.fnUntraced(function* (access, digest) {
    const found: Array<Referrer> = []
    let left = MOST.bytes
    let path: string | undefined = pathOf(access.repository, `referrers/${digest}`)
    for (let pages = 0; path !== undefined; pages++) {
      const page: Page | undefined = pages < MOST.pages ? yield* pageAt(access, digest, path, left) : undefined
      if (page === undefined && pages > 0) {
        const words = `the list of referrers of ${digest} does not end`
        return yield* errorOf(requestOf(access, path), "InvalidAnswer", words)
      }
      const own = page?.referrers ?? (yield* byTag(access, digest))
      if (found.length + own.length > MOST.referrers) return yield* tooMany(access, digest)
      found.push(...own)
      left -= page?.bytes ?? 0
      path = page?.next
    }
    return found
  }, spanOf("referrers"))
}
