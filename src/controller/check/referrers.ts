/** Checks the referrers of tags: signatures, attestations and SBOMs, as OCI referrers and as cosign's tags. */
import { Effect, Option } from "effect"
import type { EngineSupport } from "../../copy/CopyEngine.ts"
import type { Mirror } from "../../domain/Mirror.ts"
import { isDesired, isInSync, type Observed, type ObservedTag } from "../../domain/plan/facts.ts"
import { partsOf } from "../../oci/Manifest.ts"
import { cosignTagsOf } from "../../oci/Referrers.ts"
import { drainOnLimit } from "../../registry/limits/drainOnLimit.ts"
import type { RegistryError } from "../../registry/RegistryError.ts"
import { drained, observeEach } from "./observeEach.ts"
import type { Side } from "./Side.ts"

export interface ReferrersOptions {
  readonly mirror: Mirror
  readonly source: Side
  readonly destination: Side
  readonly supports: EngineSupport
}

/** The source's tags that are named after a digest, if the check knows all of them. Another tag need not be asked for. */
type Listed = ReadonlySet<string> | undefined

/**
 * Adds referrers to tags. For an engine that copies referrers with the image, a tag with missing referrers gets
 * `referrersMissing`. For other engines a tag gets companion tags to copy. A tag whose referrers cannot be read gets a problem.
 */
export const withReferrers = Effect.fnUntraced(function* (
  options: ReferrersOptions,
  tags: ReadonlyArray<ObservedTag>,
  listed?: Listed
): Effect.fn.Return<Pick<Observed, "tags" | "companions">, RegistryError> {
  if (!options.mirror.referrers) return { tags }
  const companions = new Map<string, ObservedTag>()
  const withCompanions = Effect.fnUntraced(function* (tag: ObservedTag): Effect.fn.Return<ObservedTag, RegistryError> {
    const own = yield* companionsOf(options, tag, listed)
    for (const companion of own) companions.set(companion.tag, companion)
    return {
      ...tag,
      ...(own.length === 0 ? {} : { dependsOn: own.map((companion) => companion.tag) }),
      ...((yield* hasReferrers(options, tag)) ? { referrersUnsupported: true } : {})
    }
  })
  const referred = yield* observeEach(
    tags,
    (tag) => tag,
    options.supports.referrers ? (tag) => marked(options, tag, listed) : withCompanions
  )
  return { tags: referred, ...(companions.size === 0 ? {} : { companions: [...companions.values()] }) }
})

/** Whether an image has OCI referrers. A failure counts as none, because the answer is for a notice only. */
const hasReferrers = ({ source }: ReferrersOptions, { desired }: ObservedTag): Effect.Effect<boolean> =>
  desired === undefined
    ? Effect.succeed(false)
    : source.referrers(desired).pipe(
        Effect.map((referrers) => referrers.length > 0),
        Effect.orElseSucceed(() => false)
      )

/** Sets `referrersMissing` of a tag that is in sync while the destination lacks some of its referrers. */
const marked = Effect.fnUntraced(function* (
  options: ReferrersOptions,
  tag: ObservedTag,
  listed: Listed
): Effect.fn.Return<ObservedTag, RegistryError> {
  const { destination, mirror, source } = options
  // A copy of the tag copies all referrers too.
  if (tag.desired === undefined || !isInSync(mirror, tag)) return tag
  const desired = yield* source.referrers(tag.desired)
  const actual = desired.length === 0 ? [] : yield* destination.referrers(tag.desired)
  const existing = new Set(actual.map(({ digest }) => digest))
  const missing = desired.filter(({ digest }) => !existing.has(digest)).map(({ digest }) => digest)
  const cosign = yield* cosignTags(options, [tag.desired], listed)
  if (cosign.every(isDesired) && missing.length === 0) return tag
  // A list may name deleted referrers, and signatures may outlive their image.
  const heads = yield* drainOnLimit(cosign.every(isDesired) ? missing : [tag.desired], source.head, drained)
  return heads.some((head) => head !== undefined) ? { ...tag, referrersMissing: true } : tag
})

/**
 * Cosign's tags of an image. The tags of its platforms are asked for only when the image or its own tags are to be copied,
 * because the image has to be read to learn its platforms.
 */
const companionsOf = Effect.fnUntraced(function* (
  options: ReferrersOptions,
  tag: ObservedTag,
  listed: Listed
): Effect.fn.Return<ReadonlyArray<ObservedTag>, RegistryError> {
  const { mirror, source } = options
  if (tag.desired === undefined) return []
  const digest = tag.sourceDigest ?? tag.desired
  // The signature of a whole index does not verify an index without some of its platforms.
  const own = digest === tag.desired ? yield* cosignTags(options, [tag.desired], listed) : []
  if (isInSync(mirror, tag) && own.every(isDesired)) return own
  const manifest = yield* source.subset(digest, mirror.platforms).pipe(
    Effect.asSome,
    // The copy reports these failures.
    Effect.catchIf(
      ({ reason }) => reason._tag === "NotFound" || reason._tag === "PlatformMissing",
      () => Effect.succeedNone
    )
  )
  const parts = Option.getOrUndefined(Option.flatMap(manifest, partsOf))
  const children = parts?._tag === "Index" ? parts.children.map(({ digest }) => digest) : []
  return [...own, ...(yield* cosignTags(options, children, listed))]
})

/** Cosign's tags that the source has for some manifests. Each tag is named after a manifest's digest. */
const cosignTags = Effect.fnUntraced(function* (
  { destination, source }: ReferrersOptions,
  digests: ReadonlyArray<string>,
  listed: Listed
): Effect.fn.Return<ReadonlyArray<ObservedTag>, RegistryError> {
  const names = digests.flatMap(cosignTagsOf).filter((name) => listed?.has(name) ?? true)
  const companions = yield* drainOnLimit(
    names,
    Effect.fnUntraced(function* (tag): Effect.fn.Return<ReadonlyArray<ObservedTag>, RegistryError> {
      const desired = yield* source.head(tag)
      if (desired === undefined) return []
      const actual = yield* destination.comparable(tag, yield* destination.head(tag), desired.digest)
      const companion = { tag, desired: desired.digest, exists: actual !== undefined }
      return [actual === undefined ? companion : { ...companion, actual: actual.digest }]
    }),
    drained
  )
  return companions.flat()
})
