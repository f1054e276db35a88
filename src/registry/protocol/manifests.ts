/** Reads and writes manifests over HTTP, and checks their digests. */
import { Effect, Option } from "effect"
import { algorithmOf, digestOf, hasDigest, isDigest, USUAL_ALGORITHM } from "../../oci/Digest.ts"
import { type Descriptor, isSchema1, type Manifest, MANIFEST_TYPES, provenType } from "../../oci/Manifest.ts"
import { mostValuesIn } from "../../text/json.ts"
import { isPage, isRegistry, mediaTypeOf, refused, wholeBody, whyDamaged } from "../pipeline/refusal.ts"
import { errorOf, type Handler, pathOf, type RegistryRequest, shownOperation } from "../pipeline/request.ts"
import { spanOf } from "../pipeline/traced.ts"
import type { RegistryClient, RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"
import { type HeadSupport, isAboutHead, lacksHead } from "./HeadSupport.ts"
import { ManifestCache } from "./ManifestCache.ts"
import type { ListTags } from "./tags.ts"
import { isDone } from "./uploads.ts"

/** The most bytes of a manifest, as in most registries. */
export const MANIFEST_BYTES = 4 * 1024 * 1024
/** The most JSON values of a manifest. A layer has some five. */
const MANIFEST_VALUES = 100_000

/** What a registry said about a manifest that it has stored. */
interface Stored {
  /** The digest whose list of referrers has the manifest now. */
  readonly subject: Option.Option<string>
  /** The tags that the registry has pointed at the manifest by the query of the request. */
  readonly tags: ReadonlyArray<string>
}

export type Manifests = Pick<RegistryClient["Service"], "head" | "manifest" | "putManifest">

export const makeManifests = (send: Handler, listTags: ListTags, heads: HeadSupport): Manifests => {
  const cache = new ManifestCache()

  const readManifest = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    reference: string
  ): Effect.fn.Return<Manifest, RegistryError> {
    const request = manifestRequest("GET", access, reference)
    const response = yield* send(request)
    if (response.status !== 200) return yield* refused(request, response)
    if (isPage(response)) {
      const words = `${shownOperation(request)} answered with a page; ${isRegistry(request)}`
      return yield* errorOf(request, "NotARegistry", words)
    }
    const bytes = yield* wholeBody(request, response)
    if (mostValuesIn(bytes) > MANIFEST_VALUES) {
      const words = `manifest ${reference} has more than ${MANIFEST_VALUES} JSON values, the most that are read of one`
      return yield* errorOf(request, "UnsupportedManifest", words)
    }
    const mediaType = provenType({ bytes, mediaType: mediaTypeOf(response) })
    const expected = [reference, response.headers["docker-content-digest"] ?? ""].find(isDigest)
    const digest = digestOf(bytes, expected === undefined ? USUAL_ALGORITHM : algorithmOf(expected))
    if (expected !== undefined && expected !== digest) {
      // A schema 1 digest covers only a part of the bytes. A copy of this manifest fails with an error that says the
      // remedy.
      if (isSchema1(mediaType)) return { bytes, digest: expected, mediaType, size: bytes.length }
      return yield* errorOf(
        request,
        "DigestMismatch",
        `manifest ${reference} has bytes of ${digest} instead of ${expected}; ${whyDamaged(response, "manifest")}`
      )
    }
    return cache.set(access, { bytes, digest, mediaType, size: bytes.length })
  })

  /**
   * Describes a manifest after reading its bytes. `None` if there is no such manifest. JFrog's registries answer 403 for
   * a missing manifest. The list of tags says whether the manifest is missing.
   */
  const descriptorByReading = (
    access: RepositoryAccess,
    reference: string
  ): Effect.Effect<Option.Option<Descriptor>, RegistryError> =>
    Effect.map(orNone(readManifest(access, reference)), Option.map(descriptorOf)).pipe(
      Effect.catchIf(
        ({ reason }) => reason._tag === "AuthenticationFailed" && !isDigest(reference),
        (error) =>
          Effect.mapError(orNone(listTags(access)), () => error).pipe(
            Effect.flatMap((listed) =>
              Option.isSome(listed) && listed.value.includes(reference) ? Effect.fail(error) : Effect.succeedNone
            )
          )
      )
    )

  /** Asks by HEAD, and gives the status with the descriptor that the answer has. */
  const askByHead = Effect.fnUntraced(function* (access: RepositoryAccess, reference: string) {
    const request = manifestRequest("HEAD", access, reference)
    const response = yield* send(request)
    const { headers, status } = response
    const named = headers["docker-content-digest"]
    if (status !== 200 || named === undefined || !isDigest(named)) return { request, response }
    heads.answered(access)
    // A registry may name a manifest by another algorithm than the request does. Both digests are of the same bytes.
    const isRenamed = isDigest(reference) && algorithmOf(reference) !== algorithmOf(named)
    const digest = isRenamed ? reference : named
    const size = Number(headers["content-length"] ?? 0)
    return { request, response, descriptor: { digest, mediaType: mediaTypeOf(response), size } satisfies Descriptor }
  })

  /**
   * Whether HEAD fails again where GET has given the manifest. A manifest that was pushed between two requests, a refusal that has
   * passed, and a request that failed say nothing about HEAD.
   */
  const isMisledAgain = (access: RepositoryAccess, reference: string): Effect.Effect<boolean> =>
    askByHead(access, reference).pipe(
      Effect.map(({ descriptor, response }) => descriptor === undefined && isAboutHead(response.status)),
      Effect.catch(() => Effect.succeed(false))
    )

  /**
   * Tries HEAD with a tag that was written before, and remembers the result. One HEAD thus saves the GETs that would check each
   * later 404. The tag may have been deleted since, so GET must give its manifest before HEAD is said to mislead.
   */
  const tryHead = Effect.fnUntraced(
    function* (access: RepositoryAccess) {
      const written = heads.takeWritten(access)
      if (written === undefined) return
      const { descriptor, response } = yield* askByHead(access, written)
      if (descriptor !== undefined || !isAboutHead(response.status)) return
      if (Option.isSome(yield* descriptorByReading(access, written))) heads.misled(access)
    },
    (trial) => Effect.ignore(trial)
  )

  const put = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    reference: string,
    content: Manifest,
    query = ""
  ): Effect.fn.Return<Stored, RegistryError> {
    const request: RegistryRequest = {
      access,
      route: "manifest",
      need: "pull,push",
      method: "PUT",
      to: `${pathOf(access.repository, `manifests/${reference}`)}${query}`,
      headers: { "content-type": content.mediaType },
      body: content.bytes
    }
    const response = yield* send(request)
    if (!isDone(response)) return yield* refused(request, response)
    const stored = response.headers["docker-content-digest"]
    if (stored !== undefined && !hasDigest(content.bytes, stored)) {
      return yield* errorOf(
        request,
        "DigestMismatch",
        `the registry stored manifest ${content.digest} as ${stored}; the registry changes pushed manifests, so no copy can have the source's digest`
      )
    }
    cache.set(access, content)
    if (!isDigest(reference)) heads.wrote(access, reference)
    const tags = (response.headers["oci-tag"] ?? "").split(",").map((tag) => tag.trim())
    return { subject: Option.fromNullishOr(response.headers["oci-subject"]), tags }
  })

  /**
   * Stores a manifest under its tag and its digest. A registry computes the usual digest of a manifest that is written by tag,
   * so a manifest of another digest is written by digest. The query names the tag, as the next version of the specification
   * says. A registry that ignores the query, or takes no such digest, gets the tag by a second write.
   */
  const putUnusual = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    tag: string,
    content: Manifest
  ): Effect.fn.Return<Stored, RegistryError> {
    const stored = yield* put(access, content.digest, content, `?tag=${encodeURIComponent(tag)}`).pipe(
      Effect.catchReason("RegistryError", "PushRefused", () => Effect.succeed(undefined))
    )
    return stored?.tags.includes(tag) === true ? stored : yield* put(access, tag, content)
  })

  return {
    head: Effect.fnUntraced(function* (access, reference): Effect.fn.Return<Option.Option<Descriptor>, RegistryError> {
      if (heads.misleads(access)) return yield* descriptorByReading(access, reference)
      const { descriptor, request, response } = yield* askByHead(access, reference)
      if (descriptor !== undefined) return Option.some(descriptor)
      if (response.status === 404) yield* tryHead(access)
      if (response.status === 404 && heads.answers(access)) return Option.none()
      if (!isAboutHead(response.status)) return yield* refused(request, response)
      const read = yield* descriptorByReading(access, reference)
      if (Option.isSome(read) && (lacksHead(response.status) || (yield* isMisledAgain(access, reference)))) {
        heads.misled(access)
      }
      return read
    }, spanOf("head")),

    manifest: Effect.fnUntraced(function* (access, reference) {
      return cache.get(access, reference) ?? (yield* readManifest(access, reference))
    }, spanOf("manifest")),

    putManifest: Effect.fnUntraced(function* (access, reference, content) {
      const isUsual = isDigest(reference) || algorithmOf(content.digest) === USUAL_ALGORITHM
      const { subject } = yield* isUsual ? put(access, reference, content) : putUnusual(access, reference, content)
      return { subject }
    }, spanOf("putManifest"))
  }
}

const manifestRequest = (method: "GET" | "HEAD", access: RepositoryAccess, reference: string): RegistryRequest => ({
  access,
  route: "manifest",
  need: "pull",
  method,
  to: pathOf(access.repository, `manifests/${reference}`),
  headers: { accept: MANIFEST_TYPES.join(", ") },
  reads: MANIFEST_BYTES
})

/** Turns `NotFound` into `None`. */
export const orNone = <A>(effect: Effect.Effect<A, RegistryError>): Effect.Effect<Option.Option<A>, RegistryError> =>
  Effect.catchReason(Effect.asSome(effect), "RegistryError", "NotFound", () => Effect.succeedNone)

const descriptorOf = ({ digest, mediaType, size }: Manifest): Descriptor => ({ digest, mediaType, size })
