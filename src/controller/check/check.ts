/**
 * One check: asks both registries about the tags that an Image selects, with as few requests as the Image's mode allows.
 *
 * - An exact version: HEAD at both sides. A digest needs no HEAD at the source.
 * - A OneShot listing: the lists of tags of both sides, and HEAD at the source for each tag that the destination lacks.
 * - A Recurrent listing: the source's list of tags, and HEAD at both sides for each selected tag. If the destination lacks the
 *   first tag, the destination's list replaces the HEADs of missing tags.
 *
 * An answer about one tag is a fact about that tag. A check fails only if a failure concerns a repository or a registry.
 */
import { Effect, Schema } from "effect"
import type { Missing } from "../../domain/Copy.ts"
import type { PlatformSubset } from "../../domain/Image.ts"
import type { Mirror, MirroredTags } from "../../domain/Mirror.ts"
import type { Observed, ObservedTag } from "../../domain/plan/facts.ts"
import { patternInstead } from "../../domain/Mismatch.ts"
import { isDigestTag, misfitOf, nearestTags, type TagFilter } from "../../domain/TagFilter.ts"
import { holding, OWNER_BYTES } from "../../http/BodyBudget.ts"
import { type Descriptor, IS_SCHEMA_1, isSchema1 } from "../../oci/Manifest.ts"
import { formatPlatform } from "../../oci/Platform.ts"
import { formatRepository } from "../../oci/Reference.ts"
import { bothDraining } from "../../registry/limits/drainOnLimit.ts"
import type { RegistryError } from "../../registry/RegistryError.ts"
import { judgeTagsInSteps } from "./judgeTagsInSteps.ts"
import { oneLongList } from "./oneLongList.ts"
import { failedTag, isOfOneTag, limited, observeEach } from "./observeEach.ts"
import { type ReferrersOptions, withReferrers } from "./referrers.ts"
import type { Side } from "./Side.ts"

export interface CheckOptions extends ReferrersOptions {
  readonly generation: number
  /** The known digests of images that are copied without some of their platforms. */
  readonly subsets: ReadonlyArray<PlatformSubset>
  /** The digest of the newest recorded copy to a tag. `undefined` if the status has no such copy. */
  readonly written: (tag: string) => string | undefined
  /** Whether the destination had every selected tag at the last check. Then the destination need not be listed. */
  readonly wasComplete: boolean
}

/** The source lacks the one version that an Image names. */
export class VersionNotFound extends Schema.TaggedError<VersionNotFound>()("VersionNotFound", {
  version: Schema.String,
  /** `registry/path`. */
  repository: Schema.String
}) {
  override get message(): string {
    return `spec.source.version: "${this.version}" is not in ${this.repository}; correct spec.source.name or spec.source.version, or ${patternInstead(this.version)}`
  }
}

/**
 * The memory that a long list of tags reserves: as much as there is for one namespace. The bytes of the longest list, and the texts
 * of its tags that have been read, take as much.
 */
const LISTING_BYTES = OWNER_BYTES

/** The most tags named after a digest that a check keeps. */
const DIGEST_TAGS = 20_000

/** How many manifests a check reads for the copies that follow. The copies find them in the manifest cache. */
const READ_AHEAD = 100

/** The selected tags before their referrers are asked for. */
type Selected = Omit<Observed, "generation" | "subsets"> & Pick<Judged, "digestTags">

/** Checks an Image. A check changes nothing. */
export const check = Effect.fnUntraced(function* (
  options: CheckOptions
): Effect.fn.Return<Observed, RegistryError | VersionNotFound> {
  const { generation, mirror } = options
  const { digestTags, ...selected } = yield* observeSelected({ ...options, withheld: new Set() })
  const referred = yield* withReferrers(options, selected.tags, digestTags)
  const subsets = referred.tags.flatMap((tag) =>
    tag.sourceDigest === undefined || tag.desired === undefined
      ? []
      : [{ source: tag.sourceDigest, platforms: platformsOf(mirror), digest: tag.desired }]
  )
  return {
    generation,
    ...selected,
    ...referred,
    ...(subsets.length === 0 ? {} : { subsets })
  }
})

const observeSelected = (options: Checking): Effect.Effect<Selected, RegistryError | VersionNotFound> => {
  const { mode, tags } = options.mirror
  if (tags._tag === "Exact") return checkExact(options, tags)
  return mode === "Recurrent" ? checkRecurrent(options, tags.filter) : checkOneShot(options, tags.filter)
}

const checkExact = Effect.fnUntraced(function* (
  options: Checking,
  { destinationTag: tag, version }: Extract<MirroredTags, { readonly _tag: "Exact" }>
): Effect.fn.Return<Selected, RegistryError | VersionNotFound> {
  const { mirror, source, supports, wasComplete } = options
  const reference = version._tag === "Tag" ? (version.digest ?? version.tag) : version.digest
  const atSource = (readAhead: boolean): Effect.Effect<SourceDescriptor | undefined, RegistryError> =>
    version.digest === undefined
      ? descriptorToCopy(options, reference, readAhead)
      : Effect.succeed({ digest: version.digest })
  const both = Effect.gen(function* () {
    // The destination probably has the tag, so that nothing will be read for a copy: both sides are asked at once.
    if (wasComplete || mirror.mode === "Recurrent" || !supports.manifests) {
      return yield* bothDraining(atSource(false), actualAt(options, tag), limited)
    }
    const actual = yield* actualAt(options, tag)
    return [yield* atSource(actual === undefined), actual] as const
  })
  const observed = yield* both.pipe(
    Effect.flatMap(([desired, actual]): Effect.Effect<ObservedTag, RegistryError | VersionNotFound> => {
      if (desired !== undefined) return observe(options, tag, desired, actual)
      return Effect.fail(new VersionNotFound({ version: reference, repository: formatRepository(source.repository) }))
    }),
    Effect.catchTag("RegistryError", (error) =>
      isOfOneTag(error) ? Effect.succeed(failedTag(unobserved(tag), error)) : Effect.fail(error)
    )
  )
  const missing: Missing | undefined = observed.exists || observed.problem !== undefined ? undefined : "Tag"
  return { tags: [observed], ...(missing === undefined ? {} : { missing }) }
})

/** A OneShot tag that exists is never overwritten. Its digest is asked for only if referrers are copied. */
const checkOneShot = Effect.fnUntraced(function* (
  options: Checking,
  filter: TagFilter
): Effect.fn.Return<Selected, RegistryError> {
  const { destination, mirror } = options
  // One list after the other, because a list may be long.
  const { select, ...listing } = yield* judge(options, filter)
  const { existing, ...missing } = yield* existingAt(destination, select)
  const toRead = readAhead(select, existing)
  const tags = yield* observeEach(select, unobserved, (tag) => {
    if (!existing.has(tag)) return observeListed(options, tag, toRead.has(tag), Effect.succeed(undefined))
    return mirror.referrers ? observeExisting(options, tag) : Effect.succeed({ tag, exists: true })
  })
  return { tags, ...listing, ...missing }
})

const checkRecurrent = Effect.fnUntraced(function* (
  options: Checking,
  filter: TagFilter
): Effect.fn.Return<Selected, RegistryError> {
  const { select, ...listing } = yield* judge(options, filter)
  const isListed = yield* isFirstMissing(options, select)
  const { existing, ...missing } = isListed ? yield* existingAt(options.destination, select) : {}
  const toRead = existing === undefined ? new Set<string>() : readAhead(select, existing)
  const tags = yield* observeEach(select, unobserved, (tag) => {
    const mayExist = existing === undefined || existing.has(tag)
    return observeListed(options, tag, toRead.has(tag), mayExist ? actualAt(options, tag) : Effect.succeed(undefined))
  })
  return { tags, ...listing, ...missing }
})

/** A tag without any answer. */
const unobserved = (tag: string): ObservedTag => ({ tag, exists: false })

/** The part of a listing that a check keeps. */
interface Judged extends Pick<Observed, "misfit" | "nearest"> {
  readonly select: ReadonlyArray<string>
  /** The number of listed tags. */
  readonly listed: number
  /** The listed tags that are named after a digest, if the mirror copies referrers. */
  readonly digestTags?: ReadonlySet<string>
}

/** The tags that a filter selects from the source's list. Too few or too many tags select none. */
const judge = Effect.fnUntraced(function* (
  { mirror, source }: CheckOptions,
  filter: TagFilter
): Effect.fn.Return<Judged, RegistryError> {
  const listing = yield* source.tags
  return yield* oneLongList(listing.length)(judgeListing(mirror, filter, listing))
}, holding(LISTING_BYTES))

const judgeListing = Effect.fnUntraced(function* (
  mirror: Mirror,
  filter: TagFilter,
  listing: ReadonlyArray<string>
): Effect.fn.Return<Judged> {
  const judged = yield* judgeTagsInSteps(filter, listing)
  const misfit = misfitOf(filter, judged)
  const select = misfit === undefined ? judged.flatMap(({ tag, verdict }) => (verdict.selected ? [tag] : [])) : []
  const hasNone = misfit === undefined && select.length === 0
  return {
    select,
    listed: listing.length,
    ...(mirror.referrers ? digestTagsIn(listing) : {}),
    ...(misfit === undefined ? {} : { misfit }),
    ...(hasNone ? { nearest: nearestTags(filter.pattern, judged) } : {})
  }
})

/** The tags of a list that are named after a digest. None if they are too many to be kept: each tag is asked for then. */
const digestTagsIn = (listing: ReadonlyArray<string>): Pick<Judged, "digestTags"> => {
  const tags = listing.filter(isDigestTag)
  return tags.length > DIGEST_TAGS ? {} : { digestTags: new Set(tags) }
}

/** Whether the destination lacks the first tag. A destination that had every tag at the last check is not asked. */
const isFirstMissing = ({ destination, wasComplete }: CheckOptions, [first]: ReadonlyArray<string>) =>
  first === undefined || wasComplete
    ? Effect.succeed(false)
    : destination.head(first).pipe(
        Effect.map((descriptor) => descriptor === undefined),
        Effect.catchIf(isOfOneTag, () => Effect.succeed(false))
      )

/** What the destination's list of tags says about the selected tags. */
interface Existing extends Pick<Observed, "missing"> {
  /** The selected tags that the destination has. */
  readonly existing: ReadonlySet<string>
}

/** Lists the destination's tags. A missing repository has no tags: the first push creates it. */
const existingAt = ({ tags }: Side, select: ReadonlyArray<string>): Effect.Effect<Existing, RegistryError> =>
  tags.pipe(
    Effect.catchReason("RegistryError", "NotFound", () => Effect.succeed([])),
    Effect.map((listed): Existing => {
      const all = new Set(listed)
      const existing = new Set(select.filter((tag) => all.has(tag)))
      return { existing, ...(all.size === 0 ? { missing: "Repository" } : {}) }
    }),
    holding(LISTING_BYTES)
  )

/** The missing tags whose manifests the check reads, because the copies will need them. */
const readAhead = (tags: ReadonlyArray<string>, existing: ReadonlySet<string>): ReadonlySet<string> =>
  new Set(tags.filter((tag) => !existing.has(tag)).slice(0, READ_AHEAD))

/** A check under way. */
interface Checking extends CheckOptions {
  /** The tags whose digest the destination withholds. */
  readonly withheld: Set<string>
}

/**
 * What the destination has under a tag: nothing, a manifest, or a manifest whose digest a rule withholds, as Harbor does from an
 * image with vulnerabilities (https://github.com/goharbor/harbor/issues/15283). Such a tag may be written all the same.
 */
type Actual = Descriptor | "Withheld" | undefined

/**
 * The most tags of one check whose digest is withheld and that may be written. The history of copies says that a tag was written,
 * and keeps some copies only. More tags would be written again and again.
 */
const WITHHELD = 10

const actualAt = ({ destination, withheld }: Checking, tag: string): Effect.Effect<Actual, RegistryError> =>
  destination.head(tag).pipe(
    Effect.catchReason("RegistryError", "BlockedByRegistry", (_, error): Effect.Effect<Actual, RegistryError> => {
      if (!isOfOneTag(error) || withheld.size >= WITHHELD) return Effect.fail(error)
      withheld.add(tag)
      return Effect.succeed("Withheld")
    })
  )

/** The source's descriptor. Of a pinned digest only the digest is known. */
type SourceDescriptor = Pick<Descriptor, "digest"> & Partial<Descriptor>

/**
 * The source's descriptor of a tag that may be copied. With `readAhead` the manifest is read, unless the source's quota counts
 * GETs and no HEADs: then the copy reads the manifest.
 */
const descriptorToCopy = Effect.fnUntraced(function* (
  { source, supports }: CheckOptions,
  reference: string,
  readAhead: boolean
): Effect.fn.Return<Descriptor | undefined, RegistryError> {
  if (!readAhead || !supports.manifests || (yield* source.isMetered)) return yield* source.head(reference)
  return yield* source.read(reference).pipe(
    // The limit may count GETs of manifests only.
    Effect.catchReason("RegistryError", "RateLimited", () => source.head(reference))
  )
})

/** A tag of a listing; none if the source has deleted the tag since. */
const observeListed = Effect.fnUntraced(function* (
  options: CheckOptions,
  tag: string,
  readAhead: boolean,
  atDestination: Effect.Effect<Actual, RegistryError>
): Effect.fn.Return<ObservedTag | undefined, RegistryError> {
  const [desired, actual] = yield* bothDraining(descriptorToCopy(options, tag, readAhead), atDestination, limited)
  return desired === undefined ? undefined : yield* observe(options, tag, desired, actual)
})

/** A tag that is never overwritten. Its desired digest is the actual one, so that its own referrers are copied. */
const observeExisting = ({ destination }: CheckOptions, tag: string): Effect.Effect<ObservedTag, RegistryError> =>
  Effect.map(destination.head(tag), (actual) =>
    actual === undefined ? { tag, exists: true } : { tag, exists: true, desired: actual.digest, actual: actual.digest }
  )

/** The actual and the desired digest of a tag. The desired digest is that of the whole image or of some platforms. */
const observe = Effect.fnUntraced(function* (
  { destination, mirror, source, subsets, written }: CheckOptions,
  tag: string,
  { digest, mediaType = "" }: SourceDescriptor,
  found: Actual
): Effect.fn.Return<ObservedTag, RegistryError> {
  const actual = found === "Withheld" ? written(tag) : (yield* destination.comparable(tag, found, digest))?.digest
  const known = { tag, exists: found !== undefined, ...(actual === undefined ? {} : { actual }) }
  if (isSchema1(mediaType)) return { ...known, problem: { reason: "UnsupportedManifest", message: IS_SCHEMA_1 } }
  if (mirror.platforms.length === 0) return { ...known, desired: digest }
  const platforms = platformsOf(mirror)
  const remembered = subsets.find((subset) => subset.source === digest && subset.platforms === platforms)
  if (remembered !== undefined) return { ...known, sourceDigest: digest, desired: remembered.digest }
  return yield* source.subset(digest, mirror.platforms).pipe(
    Effect.map((subset): ObservedTag => ({ ...known, sourceDigest: digest, desired: subset.digest })),
    Effect.catchReason("RegistryError", "PlatformMissing", (_, error) => Effect.succeed(failedTag(known, error)))
  )
})

const platformsOf = (mirror: Mirror): string => mirror.platforms.map(formatPlatform).join(",")
