/** Asks both registries about the tags an Image selects: as little as its mode needs. */
import { Effect, Option } from "effect"
import type { Missing } from "../domain/Copy.ts"
import type { RegistrySide } from "../domain/Credential.ts"
import { reasonOf } from "../copy/reasonOf.ts"
import type { PlatformSubset } from "../domain/Image.ts"
import { type CheckFailure, isDesired, isInSync, type Observed, type ObservedTag } from "../domain/plan/facts.ts"
import { formatPlatform } from "../oci/Platform.ts"
import type { Mirror } from "../domain/Mirror.ts"
import { countMatching, nearestTags, type TagFilter } from "../domain/TagFilter.ts"
import { cosignTagsOf } from "../oci/Referrers.ts"
import { isSchema1, partsOf } from "../oci/Manifest.ts"
import { subsetAt } from "../copy/PlatformSubset.ts"
import { bothDraining, drainOnLimit, type Limited } from "../registry/limits/drainOnLimit.ts"
import type { Descriptor } from "../oci/Manifest.ts"
import type { Referrer } from "../oci/Referrers.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import { RegistryLimits } from "../registry/limits/RegistryLimits.ts"
import type { RegistryError } from "../registry/RegistryError.ts"
import { judgeTagsInSteps } from "./judgeTagsInSteps.ts"

/** What registries have answered a check so far: one that is rate limited resumes there, and asks nothing twice. */
export type Answers = Readonly<Record<RegistrySide, AnswersOfOne>>

interface AnswersOfOne {
  /** By repository's path. */
  readonly tags: Map<string, ReadonlyArray<string>>
  /** By reference. */
  readonly heads: Map<string, Option.Option<Descriptor>>
  /** By digest. */
  readonly referrers: Map<string, ReadonlyArray<Referrer>>
}

const none = (): AnswersOfOne => ({ tags: new Map(), heads: new Map(), referrers: new Map() })

export const noAnswers = (): Answers => ({ source: none(), destination: none() })

/** Without what the destination has answered. */
export const ofSource = ({ source }: Answers): Answers => ({ ...noAnswers(), source })

export interface CheckOptions {
  readonly mirror: Mirror
  readonly generation: number
  readonly source: RepositoryAccess
  readonly destination: RepositoryAccess
  /** What images became without some platforms, as far as that is remembered. */
  readonly subsets: ReadonlyArray<PlatformSubset>
  /** Whether every selected tag was at the destination the last time: then it need not be listed. */
  readonly wasComplete: boolean
  /** Whether copies are made by this process, which reads a missing tag's manifest anyway. */
  readonly readsManifests: boolean
  /** Whether the engine brings OCI referrers, so that missing ones are worth finding. */
  readonly bringsReferrers: boolean
  /** What has been answered before; what is answered now is added. */
  readonly answers: Answers
}

const TAGS_AT_ONCE = 4
const SCHEMA_1 =
  "is an image of Docker's schema 1, which cannot be copied byte for byte and which registries no longer take; push it again by a newer client"
/** Manifests are remembered between check and copy, but not any number of them. */
const READ_AHEAD = 100

/**
 * - an exact version: HEAD at both sides; a digest needs none at the source
 * - OneShot of a pattern: both lists of tags, and the source's digest of what is missing
 * - Recurrent of a pattern: the source's list, and HEAD at both sides; the destination's list where a tag is missing
 */
export const check = (options: CheckOptions): Effect.Effect<Observed, CheckFailure, RegistryClient | RegistryLimits> =>
  Effect.gen(function* () {
    const { answers, generation, mirror } = options
    const isListedBefore = answers.destination.tags.size > 0
    const found =
      mirror.tags._tag === "Exact"
        ? { ...(yield* checkExact(options, mirror.tags)), listed: undefined, nearest: [] }
        : yield* checkListed(options, mirror.tags.filter)
    if ("tooFew" in found) return { generation, tags: [], listed: found.listed.length, tooFew: found.tooFew }
    const marked = yield* withCompanions(options, found.tags, found.listed)
    const overwrites = mirror.mode === "Recurrent"
    const now = isListedBefore && !overwrites ? yield* tagsNowAtDestination(options) : undefined
    const seen = now === undefined ? marked : { ...marked, tags: marked.tags.map(asPresentIn(now)) }
    const missing = now === undefined ? found.missing : missingAt(now)
    const subsets = seen.tags.flatMap((tag) =>
      tag.sourceDigest === undefined || tag.desired === undefined
        ? []
        : [{ source: tag.sourceDigest, platforms: platformsOf(mirror), digest: tag.desired }]
    )
    return {
      generation,
      ...seen,
      ...(missing === undefined ? {} : { missing }),
      ...(found.listed === undefined ? {} : { listed: found.listed.length }),
      ...(found.tags.length === 0 ? { nearest: found.nearest } : {}),
      ...(subsets.length === 0 ? {} : { subsets })
    }
  })

const platformsOf = (mirror: Mirror): string => mirror.platforms.map(formatPlatform).join(",")

/** What has been answered, or else is asked now. */
const once = <K, A, E, R>(answers: Map<K, A>, question: K, ask: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const known = answers.get(question)
    if (known !== undefined) return Effect.succeed(known)
    return Effect.tap(ask, (answer) => Effect.sync(() => answers.set(question, answer)))
  })

const isPutOff = ({ until }: CheckFailure): boolean => until !== undefined

const limited: Limited<CheckFailure> = {
  isRateLimited: isPutOff,
  postponed: (failure, millis) =>
    failure.until === undefined ? failure : { ...failure, until: failure.until + millis }
}

const headAt = Effect.fnUntraced(function* (
  { answers, ...sides }: CheckOptions,
  side: RegistrySide,
  reference: string
) {
  const client = yield* RegistryClient
  const ask = Effect.mapError(client.head(sides[side], reference), failureAt(side))
  return Option.getOrUndefined(yield* once(answers[side].heads, reference, ask))
})

const digestAt = (options: CheckOptions, side: RegistrySide, reference: string) =>
  Effect.map(headAt(options, side, reference), (found) => found?.digest)

const referrersAt = Effect.fnUntraced(function* (
  { answers, ...sides }: CheckOptions,
  side: RegistrySide,
  digest: string
) {
  const client = yield* RegistryClient
  const ask = Effect.mapError(client.referrers(sides[side], digest), failureAt(side))
  return yield* once(answers[side].referrers, digest, ask)
})

/** What the source has, as far as it was asked: of a pinned digest nothing else is known. */
type Sourced = Pick<Descriptor, "digest"> & Partial<Descriptor>

/**
 * What the source has of a tag that is going to be copied; read at once where the copy will need it all. Where reading
 * is limited and asking is not, reading is left to the copies.
 */
const whatToCopy = Effect.fnUntraced(function* (options: CheckOptions, reference: string, readAhead: boolean) {
  const client = yield* RegistryClient
  const limits = yield* RegistryLimits
  const reads = readAhead && options.readsManifests && !(yield* limits.allowance(options.source)).metered
  if (!reads) return yield* headAt(options, "source", reference)
  const read = client.manifest(options.source, reference).pipe(
    Effect.map(({ digest, mediaType, size }) => Option.some<Descriptor>({ digest, mediaType, size })),
    Effect.catchReason("RegistryError", "NotFound", () => Effect.succeed(Option.none<Descriptor>())),
    Effect.mapError(failureAt("source"))
  )
  return yield* once(options.answers.source.heads, reference, read).pipe(
    Effect.map(Option.getOrUndefined),
    // A limit that was not known of yet may be one of reading only.
    Effect.catchIf(
      ({ reason }) => reason === "RateLimited",
      () => headAt(options, "source", reference)
    )
  )
})

/** What both sides have of a tag, and what the destination should have: the whole image, or some of its platforms. */
const observeTag = Effect.fnUntraced(function* (
  options: CheckOptions,
  tag: string,
  { digest: sourceDigest, mediaType = "" }: Sourced,
  actual: string | undefined
): Effect.fn.Return<ObservedTag, CheckFailure, RegistryClient | RegistryLimits> {
  const { mirror, subsets } = options
  const there = { tag, exists: actual !== undefined, ...(actual === undefined ? {} : { actual }) }
  if (isSchema1(mediaType)) return { ...there, problem: { reason: "UnsupportedManifest", message: SCHEMA_1 } }
  if (mirror.platforms.length === 0) return { ...there, desired: sourceDigest }
  const known = subsets.find((subset) => subset.source === sourceDigest && subset.platforms === platformsOf(mirror))
  if (known !== undefined) return { ...there, sourceDigest, desired: known.digest }
  return yield* subsetAt(options.source, sourceDigest, mirror.platforms).pipe(
    Effect.map(({ digest }): ObservedTag => ({ ...there, sourceDigest, desired: digest })),
    Effect.catchReason("RegistryError", "PlatformMissing", ({ _tag }, { message }) =>
      Effect.succeed<ObservedTag>({ ...there, problem: { reason: _tag, message } })
    ),
    Effect.mapError((error: RegistryError) => failureAt("source")(error)),
    Effect.tapError((failure) => (isPutOff(failure) ? forgetUnread(options, sourceDigest) : Effect.void))
  )
})

/** Where only pulls are counted, what waits for one is asked for again before: that costs none, and tells of new ones. */
const forgetUnread = Effect.fnUntraced(function* ({ answers, source }: CheckOptions, digest: string) {
  const { quota } = yield* (yield* RegistryLimits).allowance(source)
  if (quota?.counts !== "Pulls") return
  const { heads } = answers.source
  for (const [reference, head] of heads) {
    if (Option.getOrUndefined(head)?.digest === digest) heads.delete(reference)
  }
})

const checkExact = Effect.fnUntraced(function* (
  options: CheckOptions,
  { destinationTag: tag, version }: Extract<Mirror["tags"], { readonly _tag: "Exact" }>
) {
  const { mirror, source, wasComplete } = options
  const reference = version._tag === "Tag" ? (version.digest ?? version.tag) : version.digest
  const desiredOf = (readAhead: boolean) =>
    version.digest === undefined
      ? whatToCopy(options, reference, readAhead)
      : Effect.succeed<Sourced>({ digest: version.digest })
  const findTag = digestAt(options, "destination", tag)
  // What is there nearly always is asked for at both sides at once: neither waits for the other.
  const [desired, found] =
    wasComplete || mirror.mode === "Recurrent" || !options.readsManifests
      ? yield* bothDraining(desiredOf(false), findTag, limited)
      : yield* Effect.flatMap(findTag, (found) =>
          Effect.map(desiredOf(found === undefined), (desired) => [desired, found] as const)
        )
  if (desired === undefined) {
    return yield* Effect.fail<CheckFailure>({
      stalled: false,
      reason: "SourceNotFound",
      message: `spec.source.version: "${reference}" is not in ${source.repository.registry}/${source.repository.path}; check name and version, or write a pattern`
    })
  }
  const missing: Missing | undefined = found === undefined ? "Tag" : undefined
  return { tags: [yield* observeTag(options, tag, desired, found)], missing }
})

const tagsAtSource = Effect.fnUntraced(function* ({ answers, source }: CheckOptions) {
  const client = yield* RegistryClient
  return yield* once(
    answers.source.tags,
    source.repository.path,
    Effect.mapError(client.tags(source), failureAt("source"))
  )
})

/** A repository's tags; one that is not there has none: it is made by the first push to it. */
const tagsAtDestination = Effect.fnUntraced(function* ({ answers, destination }: CheckOptions) {
  const client = yield* RegistryClient
  const list = client.tags(destination).pipe(
    Effect.catchReason("RegistryError", "NotFound", () => Effect.succeed([])),
    Effect.mapError(failureAt("destination"))
  )
  return new Set(yield* once(answers.destination.tags, destination.repository.path, list))
})

/** The destination's tags, where a check listed them before it was rate limited: what has come since is not overwritten either. */
const tagsNowAtDestination = (options: CheckOptions) =>
  Effect.suspend(() => {
    options.answers.destination.tags.clear()
    return tagsAtDestination(options)
  })

/** What is there by now, of tags that are never overwritten. */
const asPresentIn =
  (tags: ReadonlySet<string>) =>
  (observed: ObservedTag): ObservedTag =>
    observed.exists || !tags.has(observed.tag) ? observed : { tag: observed.tag, exists: true }

const missingAt = (tags: ReadonlySet<string> | undefined): Missing | undefined =>
  tags?.size === 0 ? "Repository" : undefined

const checkListed = Effect.fnUntraced(function* (options: CheckOptions, filter: TagFilter) {
  const { mirror } = options
  const follows = mirror.mode === "Recurrent"
  const [listed, kept] = yield* bothDraining(
    tagsAtSource(options),
    follows ? Effect.succeed(undefined) : tagsAtDestination(options),
    limited
  )
  const judged = yield* judgeTagsInSteps(filter, listed)
  const selected = judged.flatMap(({ tag, verdict }) => (verdict.selected ? [tag] : []))
  const { atLeast = 0 } = filter
  const matching = countMatching(judged)
  if (matching < atLeast) return { tooFew: matching, listed, tags: [], nearest: [] }
  // Tags that are followed are asked for one by one anyway; the list tells more only where not even the first is there.
  const first = follows && !options.wasComplete ? selected[0] : undefined
  const foundFirst = first === undefined ? undefined : yield* digestAt(options, "destination", first)
  const there = first === undefined || foundFirst !== undefined ? kept : yield* tagsAtDestination(options)
  let missing = 0
  const tags = yield* drainOnLimit(
    selected,
    Effect.fnUntraced(function* (tag): Effect.fn.Return<
      ReadonlyArray<ObservedTag>,
      CheckFailure,
      RegistryClient | RegistryLimits
    > {
      const isThere = there?.has(tag) ?? true
      if (isThere && !follows) return [mirror.referrers ? yield* observeKept(options, tag) : { tag, exists: true }]
      if (!isThere) missing += 1
      const [desired, found] = yield* bothDraining(
        isThere ? headAt(options, "source", tag) : whatToCopy(options, tag, missing <= READ_AHEAD),
        isThere && tag !== first ? digestAt(options, "destination", tag) : Effect.succeed(foundFirst),
        limited
      )
      // Deleted at the source since it was listed.
      return desired === undefined ? [] : [yield* observeTag(options, tag, desired, found)]
    }),
    { concurrency: TAGS_AT_ONCE, limited }
  )
  return {
    tags: tags.flat(),
    missing: missingAt(there),
    listed,
    nearest: selected.length === 0 ? nearestTags(filter.pattern, judged) : []
  }
})

/** A tag that is never overwritten: what refers to it is what refers to the destination's image. */
const observeKept = Effect.fnUntraced(function* (options: CheckOptions, tag: string) {
  const found = yield* digestAt(options, "destination", tag)
  return found === undefined ? { tag, exists: true } : { tag, exists: true, desired: found, actual: found }
})

/** What refers to the tags: for an engine that copies it with the image a mark, for others companion tags to copy. */
const withCompanions = Effect.fnUntraced(function* (
  options: CheckOptions,
  tags: ReadonlyArray<ObservedTag>,
  listed: ReadonlyArray<string> | undefined
): Effect.fn.Return<Pick<Observed, "tags" | "companions">, CheckFailure, RegistryClient | RegistryLimits> {
  const { bringsReferrers, mirror } = options
  const known = listed === undefined ? undefined : new Set(listed)
  if (!mirror.referrers) return { tags }
  if (bringsReferrers) {
    const marked = yield* drainOnLimit(tags, (tag) => withReferrers(options, tag, known), {
      concurrency: TAGS_AT_ONCE,
      limited
    })
    return { tags: marked }
  }
  const companions = new Map<string, ObservedTag>()
  const found = yield* drainOnLimit(
    tags,
    Effect.fnUntraced(function* (tag): Effect.fn.Return<ObservedTag, CheckFailure, RegistryClient | RegistryLimits> {
      const own = yield* companionsOf(options, tag, known)
      for (const companion of own) companions.set(companion.tag, companion)
      return {
        ...tag,
        ...(own.length === 0 ? {} : { dependsOn: own.map((companion) => companion.tag) }),
        ...((yield* hasReferrers(options, tag)) ? { referrersUnsupported: true } : {})
      }
    }),
    { concurrency: TAGS_AT_ONCE, limited }
  )
  return { tags: found, ...(companions.size === 0 ? {} : { companions: [...companions.values()] }) }
})

/** Whether an image has OCI referrers; for a notice only, so that what cannot be told is not worth failing. */
const hasReferrers = Effect.fnUntraced(function* (options: CheckOptions, { desired }: ObservedTag) {
  if (desired === undefined) return false
  const found = yield* Effect.orElseSucceed(referrersAt(options, "source", desired), () => [])
  return found.length > 0
})

/** Marks a tag that is in sync but for signatures and their like which the destination lacks. */
const withReferrers = Effect.fnUntraced(function* (
  options: CheckOptions,
  tag: ObservedTag,
  listed: ReadonlySet<string> | undefined
): Effect.fn.Return<ObservedTag, CheckFailure, RegistryClient | RegistryLimits> {
  const { mirror } = options
  // What is to be copied is copied with everything that refers to it.
  if (tag.desired === undefined || !isInSync(mirror, tag)) return tag
  const desired = yield* referrersAt(options, "source", tag.desired)
  const found = desired.length === 0 ? [] : yield* referrersAt(options, "destination", tag.desired)
  const there = new Set(found.map(({ digest }) => digest))
  const missing = desired.filter(({ digest }) => !there.has(digest)).map(({ digest }) => digest)
  const cosign = yield* cosignTags(options, [tag.desired], listed)
  if (cosign.every(isDesired) && missing.length === 0) return tag
  // A list may name what has been deleted since, and an image may have gone that its signatures outlive.
  const heads = yield* drainOnLimit(
    cosign.every(isDesired) ? missing : [tag.desired],
    (digest) => digestAt(options, "source", digest),
    { concurrency: TAGS_AT_ONCE, limited }
  )
  return heads.some((digest) => digest !== undefined) ? { ...tag, referrersMissing: true } : tag
})

/**
 * Cosign's tags of an image. Those of its platforms are looked for when something is to be copied anyway: only then is
 * it read what platforms it has.
 */
const companionsOf = Effect.fnUntraced(function* (
  options: CheckOptions,
  tag: ObservedTag,
  listed: ReadonlySet<string> | undefined
): Effect.fn.Return<ReadonlyArray<ObservedTag>, CheckFailure, RegistryClient | RegistryLimits> {
  const { mirror, source } = options
  if (tag.desired === undefined) return []
  // The signature of an index does not fit an index without some of its platforms.
  const isWhole = (tag.sourceDigest ?? tag.desired) === tag.desired
  const own = isWhole ? yield* cosignTags(options, [tag.desired], listed) : []
  if (isInSync(mirror, tag) && own.every(isDesired)) return own
  const digest = tag.sourceDigest ?? tag.desired
  const manifest = yield* subsetAt(source, digest, mirror.platforms).pipe(
    Effect.map(Option.some),
    // The copy says so itself.
    Effect.catchIf(
      ({ reason }) => reason._tag === "NotFound" || reason._tag === "PlatformMissing",
      () => Effect.succeed(Option.none())
    ),
    Effect.mapError(failureAt("source")),
    Effect.tapError((failure) => (isPutOff(failure) ? forgetUnread(options, digest) : Effect.void))
  )
  const parts = Option.getOrUndefined(Option.flatMap(manifest, partsOf))
  const children = parts?._tag === "Index" ? parts.children.map(({ digest }) => digest) : []
  return [...own, ...(yield* cosignTags(options, children, listed))]
})

/** Cosign's tags of some manifests, as far as the source has them: tags like any other, named after a digest. */
const cosignTags = Effect.fnUntraced(function* (
  options: CheckOptions,
  digests: ReadonlyArray<string>,
  listed: ReadonlySet<string> | undefined
) {
  const names = digests.flatMap(cosignTagsOf).filter((name) => listed?.has(name) ?? true)
  const found = yield* drainOnLimit(
    names,
    Effect.fnUntraced(function* (tag): Effect.fn.Return<
      ReadonlyArray<ObservedTag>,
      CheckFailure,
      RegistryClient | RegistryLimits
    > {
      const desired = yield* digestAt(options, "source", tag)
      if (desired === undefined) return []
      const there = yield* digestAt(options, "destination", tag)
      const companion: ObservedTag = { tag, desired, exists: there !== undefined }
      return [there === undefined ? companion : { ...companion, actual: there }]
    }),
    { concurrency: TAGS_AT_ONCE, limited }
  )
  return found.flat()
})

const failureAt =
  (side: RegistrySide) =>
  (error: RegistryError): CheckFailure => ({
    reason: reasonOf(error, side),
    message: error.message,
    ...(error.until === undefined ? {} : { until: error.until }),
    stalled: false
  })
