/**
 * One check: what is asked of both registries about the tags that an Image selects, as little as its mode needs.
 *
 * - An exact version: HEAD at both sides. A digest needs none at the source.
 * - A OneShot listing: both lists of tags, and at the source what the missing ones name.
 * - A Recurrent listing: the source's list, and HEAD at both sides for each selected tag. Where the first is missing at the
 *   destination, its list spares it the others.
 *
 * An answer about one tag is a fact about that tag. A check fails only with what concerns a repository or a registry.
 */
import { Effect, Schema } from "effect"
import type { Missing } from "../../domain/Copy.ts"
import type { PlatformSubset } from "../../domain/Image.ts"
import type { Mirror, MirroredTags } from "../../domain/Mirror.ts"
import type { Observed, ObservedTag } from "../../domain/plan/facts.ts"
import { countMatching, nearestTags, type TagFilter } from "../../domain/TagFilter.ts"
import { type Descriptor, isSchema1 } from "../../oci/Manifest.ts"
import { formatPlatform } from "../../oci/Platform.ts"
import { formatRepository } from "../../oci/Reference.ts"
import { bothDraining } from "../../registry/limits/drainOnLimit.ts"
import type { RegistryError } from "../../registry/RegistryError.ts"
import { judgeTagsInSteps } from "./judgeTagsInSteps.ts"
import { failedTag, isOfOneTag, limited, observeEach } from "./observeEach.ts"
import { type ReferrersOptions, withReferrers } from "./referrers.ts"
import type { Side } from "./Side.ts"

export interface CheckOptions extends ReferrersOptions {
  readonly generation: number
  /** What images became without some platforms, as far as that is remembered. */
  readonly subsets: ReadonlyArray<PlatformSubset>
  /** Whether every selected tag was at the destination the last time: the destination need not be listed. */
  readonly wasComplete: boolean
}

/** The one version that an Image names is not at its source. */
export class VersionNotFound extends Schema.TaggedError<VersionNotFound>()("VersionNotFound", {
  version: Schema.String,
  /** `registry/path`. */
  repository: Schema.String
}) {
  override get message(): string {
    return `spec.source.version: "${this.version}" is not in ${this.repository}; check name and version, or write a pattern`
  }
}

/** Manifests are remembered between check and copy, but not any number of them. */
const READ_AHEAD = 100
const SCHEMA_1 =
  "is an image of Docker's schema 1, which cannot be copied byte for byte and which registries no longer take; push it again by a newer client"

/** What was found of the selected tags, before their referrers are asked for. */
type Found = Omit<Observed, "generation" | "subsets" | "listed"> & {
  /** The source's list, where it was asked for. */
  readonly listing?: ReadonlyArray<string>
}

/** Checks an Image. Asks registries and changes nothing. */
export const check = Effect.fnUntraced(function* (
  options: CheckOptions
): Effect.fn.Return<Observed, RegistryError | VersionNotFound> {
  const { generation, mirror } = options
  const { listing, ...found } = yield* selected(options)
  const referred = yield* withReferrers(options, found.tags, listing)
  const subsets = referred.tags.flatMap((tag) =>
    tag.sourceDigest === undefined || tag.desired === undefined
      ? []
      : [{ source: tag.sourceDigest, platforms: platformsOf(mirror), digest: tag.desired }]
  )
  return {
    generation,
    ...found,
    ...referred,
    ...(listing === undefined ? {} : { listed: listing.length }),
    ...(subsets.length === 0 ? {} : { subsets })
  }
})

const selected = (options: CheckOptions): Effect.Effect<Found, RegistryError | VersionNotFound> => {
  const { mode, tags } = options.mirror
  if (tags._tag === "Exact") return checkExact(options, tags)
  return mode === "Recurrent" ? checkRecurrent(options, tags.filter) : checkOneShot(options, tags.filter)
}

const checkExact = Effect.fnUntraced(function* (
  options: CheckOptions,
  { destinationTag: tag, version }: Extract<MirroredTags, { readonly _tag: "Exact" }>
): Effect.fn.Return<Found, RegistryError | VersionNotFound> {
  const { destination, mirror, source, supports, wasComplete } = options
  const reference = version._tag === "Tag" ? (version.digest ?? version.tag) : version.digest
  const atSource = (readAhead: boolean): Effect.Effect<Sourced | undefined, RegistryError> =>
    version.digest === undefined
      ? descriptorToCopy(options, reference, readAhead)
      : Effect.succeed({ digest: version.digest })
  const both = Effect.gen(function* () {
    // A tag that is probably there is asked for at both sides at once: neither waits for the other.
    if (wasComplete || mirror.mode === "Recurrent" || !supports.manifests) {
      return yield* bothDraining(atSource(false), destination.head(tag), limited)
    }
    const actual = yield* destination.head(tag)
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

/** A tag that the destination has is never overwritten: what it names does not matter, unless referrers are copied. */
const checkOneShot = Effect.fnUntraced(function* (
  options: CheckOptions,
  filter: TagFilter
): Effect.fn.Return<Found, RegistryError> {
  const { destination, mirror, source } = options
  const [listing, there] = yield* bothDraining(source.tags, tagsAt(destination), limited)
  const { select, ...none } = yield* judge(filter, listing)
  const toRead = readAhead(select, there)
  const tags = yield* observeEach(select, unobserved, (tag) => {
    if (!there.has(tag)) return observeListed(options, tag, toRead.has(tag), Effect.succeed(undefined))
    return mirror.referrers ? observePresent(options, tag) : Effect.succeed({ tag, exists: true })
  })
  return { tags, listing, ...none, ...missingAt(there) }
})

const checkRecurrent = Effect.fnUntraced(function* (
  options: CheckOptions,
  filter: TagFilter
): Effect.fn.Return<Found, RegistryError> {
  const { destination, source } = options
  const listing = yield* source.tags
  const { select, ...none } = yield* judge(filter, listing)
  const there = (yield* isFirstMissing(options, select)) ? yield* tagsAt(destination) : undefined
  const toRead = there === undefined ? new Set<string>() : readAhead(select, there)
  const tags = yield* observeEach(select, unobserved, (tag) => {
    const isThere = there === undefined || there.has(tag)
    return observeListed(options, tag, toRead.has(tag), isThere ? destination.head(tag) : Effect.succeed(undefined))
  })
  return { tags, listing, ...none, ...missingAt(there) }
})

/** A tag of which nothing is known. */
const unobserved = (tag: string): ObservedTag => ({ tag, exists: false })

/** What a filter takes of a listing: nothing of one that has too few tags for it. */
const judge = Effect.fnUntraced(function* (filter: TagFilter, listing: ReadonlyArray<string>) {
  const judged = yield* judgeTagsInSteps(filter, listing)
  const matching = countMatching(judged)
  if (matching < (filter.atLeast ?? 0)) return { select: [], tooFew: matching }
  const select = judged.flatMap(({ tag, verdict }) => (verdict.selected ? [tag] : []))
  return select.length === 0 ? { select, nearest: nearestTags(filter.pattern, judged) } : { select }
})

/** A destination that had every tag the last time most likely has the first. */
const isFirstMissing = ({ destination, wasComplete }: CheckOptions, [first]: ReadonlyArray<string>) =>
  first === undefined || wasComplete
    ? Effect.succeed(false)
    : destination.head(first).pipe(
        Effect.map((found) => found === undefined),
        Effect.catchIf(isOfOneTag, () => Effect.succeed(false))
      )

/** A repository's tags. One that is not there has none: the first push makes it. */
const tagsAt = ({ tags }: Side): Effect.Effect<ReadonlySet<string>, RegistryError> =>
  tags.pipe(
    Effect.catchReason("RegistryError", "NotFound", () => Effect.succeed([])),
    Effect.map((found) => new Set(found))
  )

const missingAt = (there: ReadonlySet<string> | undefined): Pick<Observed, "missing"> =>
  there?.size === 0 ? { missing: "Repository" } : {}

/** The missing tags whose manifests are read at once, for the copy will need them. */
const readAhead = (tags: ReadonlyArray<string>, there: ReadonlySet<string>): ReadonlySet<string> =>
  new Set(tags.filter((tag) => !there.has(tag)).slice(0, READ_AHEAD))

/** What the source has, as far as it was asked: of a pinned digest nothing else is known. */
type Sourced = Pick<Descriptor, "digest"> & Partial<Descriptor>

/** What the source has of a tag that is going to be copied. Where reading is limited and HEAD is not, copies do the reading. */
const descriptorToCopy = Effect.fnUntraced(function* (
  { source, supports }: CheckOptions,
  reference: string,
  readAhead: boolean
): Effect.fn.Return<Descriptor | undefined, RegistryError> {
  if (!readAhead || !supports.manifests || (yield* source.isMetered)) return yield* source.head(reference)
  return yield* source.read(reference).pipe(
    // A limit that was not known of yet may be one of reading only.
    Effect.catchReason("RegistryError", "RateLimited", () => source.head(reference))
  )
})

/** A tag of a listing; none if it was deleted at the source since. */
const observeListed = Effect.fnUntraced(function* (
  options: CheckOptions,
  tag: string,
  readAhead: boolean,
  atDestination: Effect.Effect<Descriptor | undefined, RegistryError>
): Effect.fn.Return<ObservedTag | undefined, RegistryError> {
  const [desired, actual] = yield* bothDraining(descriptorToCopy(options, tag, readAhead), atDestination, limited)
  return desired === undefined ? undefined : yield* observe(options, tag, desired, actual)
})

/** A tag that is never overwritten: its referrers are those of the destination's image. */
const observePresent = ({ destination }: CheckOptions, tag: string): Effect.Effect<ObservedTag, RegistryError> =>
  Effect.map(destination.head(tag), (found) =>
    found === undefined ? { tag, exists: true } : { tag, exists: true, desired: found.digest, actual: found.digest }
  )

/** What both sides have of a tag, and what the destination should have: the whole image, or some of its platforms. */
const observe = Effect.fnUntraced(function* (
  { mirror, source, subsets }: CheckOptions,
  tag: string,
  { digest, mediaType = "" }: Sourced,
  actual: Descriptor | undefined
): Effect.fn.Return<ObservedTag, RegistryError> {
  const there = { tag, exists: actual !== undefined, ...(actual === undefined ? {} : { actual: actual.digest }) }
  if (isSchema1(mediaType)) return { ...there, problem: { reason: "UnsupportedManifest", message: SCHEMA_1 } }
  if (mirror.platforms.length === 0) return { ...there, desired: digest }
  const platforms = platformsOf(mirror)
  const known = subsets.find((subset) => subset.source === digest && subset.platforms === platforms)
  if (known !== undefined) return { ...there, sourceDigest: digest, desired: known.digest }
  return yield* source.subset(digest, mirror.platforms).pipe(
    Effect.map((subset): ObservedTag => ({ ...there, sourceDigest: digest, desired: subset.digest })),
    Effect.catchReason("RegistryError", "PlatformMissing", (_, error) => Effect.succeed(failedTag(there, error)))
  )
})

const platformsOf = (mirror: Mirror): string => mirror.platforms.map(formatPlatform).join(",")
