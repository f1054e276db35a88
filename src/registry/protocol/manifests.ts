/** Manifests over HTTP: what a reference names, its bytes, and what refers to it; each checked against its digest. */
import { Effect, Option } from "effect"
import { DIGEST_PATTERN } from "../../oci/Reference.ts"
import { digestOf } from "../../oci/Digest.ts"
import { bytesOf, errorAt, mediaTypeOf } from "../pipeline/refusal.ts"
import type { HttpRequest } from "../../http/Http.ts"
import { fallbackTagOf, referrersIn } from "../../oci/Referrers.ts"
import { isSchema1, MANIFEST_TYPES, OCI_INDEX } from "../../oci/Manifest.ts"
import { followed } from "./nextPage.ts"
import type { Descriptor, Manifest } from "../../oci/Manifest.ts"
import type { Referrer } from "../../oci/Referrers.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"
import { RememberedManifests } from "./ManifestCache.ts"
import { pathOf, type Requests } from "../pipeline/requests.ts"

const MANIFEST_BYTES = 4 * 1024 * 1024
const REFERRER_PAGES = 100

export const make = (
  { bounded, refused, repeated, request }: Requests,
  tags: (access: RepositoryAccess) => Effect.Effect<ReadonlyArray<string>, RegistryError>
) => {
  const remembered = new RememberedManifests()

  const manifestRequest =
    (method: "GET" | "HEAD", access: RepositoryAccess, reference: string) =>
    (origin: string): HttpRequest => ({
      method,
      url: new URL(origin + pathOf(access.repository, `manifests/${reference}`)),
      headers: { accept: MANIFEST_TYPES.join(", ") },
      reads: MANIFEST_BYTES
    })

  const readManifest = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    reference: string
  ): Effect.fn.Return<Manifest, RegistryError> {
    const { response } = yield* request(access, "pull", manifestRequest("GET", access, reference))
    if (response.status !== 200) return yield* refused(access, "GET", response)
    const bytes = yield* bytesOf(access, response)
    const digest = digestOf(bytes)
    const mediaType = mediaTypeOf(response)
    const expected = DIGEST_PATTERN.test(reference) ? reference : response.headers["docker-content-digest"]
    if (expected !== undefined && DIGEST_PATTERN.test(expected) && expected !== digest) {
      // Told apart from damage: whoever wants to copy it says what can be done.
      if (isSchema1(mediaType)) return { bytes, digest: expected, mediaType, size: bytes.length }
      return yield* errorAt(
        access,
        "DigestMismatch",
        `manifest ${reference} has bytes of ${digest} instead of ${expected}; the registry or what stands before it has damaged it`
      )
    }
    return remembered.remember(access, { bytes, digest, mediaType, size: bytes.length })
  })

  const manifest = (access: RepositoryAccess, reference: string) =>
    Effect.suspend(() => {
      const known = remembered.recall(access, reference)
      return known === undefined
        ? repeated(bounded(access, `reading manifest ${reference}`, readManifest(access, reference)))
        : Effect.succeed(known)
    })

  /** Nothing found is `None`. */
  const orNone = <A>(effect: Effect.Effect<A, RegistryError>): Effect.Effect<Option.Option<A>, RegistryError> =>
    effect.pipe(
      Effect.map(Option.some),
      Effect.catchReason("RegistryError", "NotFound", () => Effect.succeed(Option.none<A>()))
    )

  /** JFrog's registries answer 403 for a manifest that is missing; then the list of tags tells which it is. */
  const forbidden = (access: RepositoryAccess, reference: string) =>
    orNone(readManifest(access, reference)).pipe(
      Effect.map(Option.map(descriptorOf)),
      Effect.catchIf(
        ({ reason }) => reason._tag === "AuthenticationFailed" && !DIGEST_PATTERN.test(reference),
        (error) =>
          orNone(tags(access)).pipe(
            Effect.flatMap((listed) =>
              Option.isSome(listed) && listed.value.includes(reference)
                ? Effect.fail(error)
                : Effect.succeed(Option.none<Descriptor>())
            ),
            Effect.mapError(() => error)
          )
      )
    )

  const head = (access: RepositoryAccess, reference: string): Effect.Effect<Option.Option<Descriptor>, RegistryError> =>
    repeated(
      bounded(
        access,
        `asking for ${reference}`,
        Effect.gen(function* () {
          const { response } = yield* request(access, "pull", manifestRequest("HEAD", access, reference))
          if (response.status === 404) return Option.none()
          const digest = response.headers["docker-content-digest"]
          if (response.status === 403) return yield* forbidden(access, reference)
          // Some registries refuse HEAD or leave the digest out; the bytes themselves always tell.
          if (response.status === 405 || (response.status === 200 && !DIGEST_PATTERN.test(digest ?? ""))) {
            return Option.map(yield* orNone(readManifest(access, reference)), descriptorOf)
          }
          if (response.status !== 200 || digest === undefined) return yield* refused(access, "GET", response)
          return Option.some({
            digest,
            mediaType: mediaTypeOf(response),
            size: Number(response.headers["content-length"] ?? 0)
          })
        })
      )
    )

  /** A page of the referrers API; `undefined` where there is no such API. */
  const referrersPage = (access: RepositoryAccess, path: string) =>
    repeated(
      bounded(
        access,
        "listing referrers",
        Effect.gen(function* () {
          const { origin, response } = yield* request(access, "pull", (base) => ({
            method: "GET",
            url: new URL(base + path),
            headers: { accept: OCI_INDEX },
            reads: MANIFEST_BYTES
          }))
          const isIndex = response.status === 200 && mediaTypeOf(response) === OCI_INDEX
          if (!isIndex) {
            // Whatever a registry without the API says of its address, it is no list of referrers.
            if (response.status === 429 || response.status === 401 || response.status >= 500) {
              return yield* refused(access, "GET", response)
            }
            return undefined
          }
          const bytes = yield* bytesOf(access, response)
          const found = referrersIn(bytes)
          if (Option.isNone(found)) {
            return yield* errorAt(access, "InvalidAnswer", `GET ${path} answered with no list of referrers`)
          }
          const next = yield* followed(access, "referrers", { origin, path, link: response.headers["link"] })
          return { referrers: found.value, next }
        })
      )
    )

  return {
    head,
    manifest,

    /** By the referrers API, or by the tag that stands in for it where there is none. */
    referrers: Effect.fnUntraced(function* (
      access: RepositoryAccess,
      digest: string
    ): Effect.fn.Return<ReadonlyArray<Referrer>, RegistryError> {
      const found: Array<Referrer> = []
      let path: string | undefined = pathOf(access.repository, `referrers/${digest}`)
      for (let pages = 0; path !== undefined; pages++) {
        const page: { readonly referrers: ReadonlyArray<Referrer>; readonly next: string | undefined } | undefined =
          pages < REFERRER_PAGES ? yield* referrersPage(access, path) : undefined
        if (page === undefined && pages > 0) {
          return yield* errorAt(access, "InvalidAnswer", `the list of referrers of ${digest} does not end`)
        }
        if (page === undefined) {
          // A HEAD costs no one's allowance, and what is remembered by its digest is not read again.
          const named = yield* head(access, fallbackTagOf(digest))
          const fallback = Option.isSome(named) ? yield* orNone(manifest(access, named.value.digest)) : Option.none()
          return Option.getOrElse(
            Option.flatMap(fallback, ({ bytes }) => referrersIn(bytes)),
            () => []
          )
        }
        found.push(...page.referrers)
        path = page.next
      }
      return found
    }),

    putManifest: (access: RepositoryAccess, reference: string, content: Manifest) =>
      bounded(
        access,
        `writing manifest ${reference}`,
        Effect.gen(function* () {
          const { response } = yield* request(access, "pull,push", (origin) => ({
            method: "PUT",
            url: new URL(origin + pathOf(access.repository, `manifests/${reference}`)),
            headers: { "content-type": content.mediaType },
            body: content.bytes
          }))
          if (response.status !== 201) return yield* refused(access, "PUSH", response)
          const stored = response.headers["docker-content-digest"]
          if (stored !== undefined && stored !== content.digest) {
            return yield* errorAt(
              access,
              "DigestMismatch",
              `the registry stored manifest ${content.digest} as ${stored}; it changes what is pushed to it`
            )
          }
          remembered.remember(access, content)
          return { subject: Option.fromNullishOr(response.headers["oci-subject"]) }
        })
      )
  }
}

const descriptorOf = ({ digest, mediaType, size }: Manifest): Descriptor => ({ digest, mediaType, size })
