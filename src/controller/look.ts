/** Asks both registries about the tags an Image selects: as little as its mode needs. */
import { Effect, Option } from "effect"
import type { Missing } from "../domain/Copy.ts"
import type { RegistrySide } from "../domain/Credential.ts"
import type { PlatformSubset } from "../domain/Image.ts"
import { isInSync, isSame, type Look, type TagLook } from "../domain/Plan.ts"
import { formatPlatform } from "../oci/Platform.ts"
import type { Selection } from "../domain/Selection.ts"
import { isExact, type ListedVersion } from "../domain/TagPattern.ts"
import { countMatching, judgeTagsInSteps, nearestTags } from "../domain/TagSelection.ts"
import { cosignTagsOf } from "../oci/Referrers.ts"
import { isSchema1, partsOf } from "../oci/Manifest.ts"
import { subsetAt } from "../copy/PlatformSubset.ts"
import { bothDraining, drainOnLimit, type Limited } from "../registry/limits/drainOnLimit.ts"
import type { Descriptor } from "../oci/Manifest.ts"
import type { Referrer } from "../oci/Referrers.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import { RegistryLimits } from "../registry/limits/RegistryLimits.ts"
import type { RegistryError } from "../registry/RegistryError.ts"

/** Why the registries could not be asked; `reason` is the condition's. */
export interface LookFailure {
  readonly reason: string
  readonly message: string
  /** When to ask again, where a registry named a time, in milliseconds since the epoch. */
  readonly until: number | undefined
}

/** What registries have answered a look so far: one that is put off goes on there, and asks nothing twice. */
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

export interface LookOptions {
  readonly selection: Selection
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
/** Manifests are remembered between look and copy, but not any number of them. */
const READ_AHEAD = 100

/**
 * - an exact version: HEAD at both sides; a digest needs none at the source
 * - OneShot of a pattern: both lists of tags, and the source's digest of what is missing
 * - Recurrent of a pattern: the source's list, and HEAD at both sides; the destination's list where a tag is missing
 */
export const look = (options: LookOptions): Effect.Effect<Look, LookFailure, RegistryClient | RegistryLimits> =>
  Effect.gen(function* () {
    const { answers, generation, selection } = options
    const { pattern } = selection
    const isListedBefore = answers.destination.tags.size > 0
    const found = isExact(pattern)
      ? { ...(yield* lookAtExact(options, pattern)), listed: undefined, nearest: [] }
      : yield* lookAtListed(options, pattern)
    if ("tooFew" in found) return { generation, tags: [], listed: found.listed.length, tooFew: found.tooFew }
    const marked = yield* withBeside(options, found.tags, found.listed)
    const overwrites = selection.mode === "Recurrent"
    const now = isListedBefore && !overwrites ? yield* tagsNowAtDestination(options) : undefined
    const seen = now === undefined ? marked : { ...marked, tags: marked.tags.map(asPresentIn(now)) }
    const missing = now === undefined ? found.missing : missingAt(now)
    const subsets = seen.tags.flatMap((tag) =>
      tag.source === undefined || tag.wanted === undefined
        ? []
        : [{ source: tag.source, platforms: platformsOf(selection), digest: tag.wanted }]
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

const platformsOf = (selection: Selection): string => selection.platforms.map(formatPlatform).join(",")

/** What has been answered, or else is asked now. */
const once = <K, A, E, R>(answers: Map<K, A>, question: K, ask: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const known = answers.get(question)
    if (known !== undefined) return Effect.succeed(known)
    return Effect.tap(ask, (answer) => Effect.sync(() => answers.set(question, answer)))
  })

const isPutOff = ({ until }: LookFailure): boolean => until !== undefined

const limited: Limited<LookFailure> = {
  isRateLimited: isPutOff,
  postponed: ({ until, ...failure }, millis) => ({ ...failure, until: until === undefined ? until : until + millis })
}

const headAt = Effect.fnUntraced(function* ({ answers, ...sides }: LookOptions, side: RegistrySide, reference: string) {
  const client = yield* RegistryClient
  const ask = Effect.mapError(client.head(sides[side], reference), failureAt(side))
  return Option.getOrUndefined(yield* once(answers[side].heads, reference, ask))
})

const digestAt = (options: LookOptions, side: RegistrySide, reference: string) =>
  Effect.map(headAt(options, side, reference), (found) => found?.digest)

const referrersAt = Effect.fnUntraced(function* (
  { answers, ...sides }: LookOptions,
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
const whatToCopy = Effect.fnUntraced(function* (options: LookOptions, reference: string, readAhead: boolean) {
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

/** What is found of a tag, and what the destination should have of it: all of it, or some of its platforms. */
const tagLook = Effect.fnUntraced(function* (
  options: LookOptions,
  tag: string,
  { digest: source, mediaType = "" }: Sourced,
  found: string | undefined
): Effect.fn.Return<TagLook, LookFailure, RegistryClient | RegistryLimits> {
  const { selection, subsets } = options
  const there = { tag, present: found !== undefined, ...(found === undefined ? {} : { found }) }
  if (isSchema1(mediaType)) return { ...there, problem: { reason: "UnsupportedManifest", message: SCHEMA_1 } }
  if (selection.platforms.length === 0) return { ...there, wanted: source }
  const known = subsets.find((subset) => subset.source === source && subset.platforms === platformsOf(selection))
  if (known !== undefined) return { ...there, source, wanted: known.digest }
  return yield* subsetAt(options.source, source, selection.platforms).pipe(
    Effect.map(({ digest }): TagLook => ({ ...there, source, wanted: digest })),
    Effect.catchReason("RegistryError", "PlatformMissing", ({ _tag }, { message }) =>
      Effect.succeed<TagLook>({ ...there, problem: { reason: _tag, message } })
    ),
    Effect.mapError((error: RegistryError) => failureAt("source")(error)),
    Effect.tapError((failure) => (isPutOff(failure) ? forgetUnread(options, source) : Effect.void))
  )
})

/** Where only pulls are counted, what waits for one is asked for again before: that costs none, and tells of new ones. */
const forgetUnread = Effect.fnUntraced(function* ({ answers, source }: LookOptions, digest: string) {
  const { quota } = yield* (yield* RegistryLimits).allowance(source)
  if (quota?.counts !== "Pulls") return
  const { heads } = answers.source
  for (const [reference, head] of heads) {
    if (Option.getOrUndefined(head)?.digest === digest) heads.delete(reference)
  }
})

const lookAtExact = Effect.fnUntraced(function* (
  options: LookOptions,
  pattern: Extract<Selection["pattern"], { readonly _tag: "Tag" | "Digest" }>
) {
  const { selection, source, wasComplete } = options
  const tag = selection.destinationTag ?? ""
  const reference = pattern.digest ?? (pattern._tag === "Tag" ? pattern.tag : "")
  const wantedOf = (readAhead: boolean) =>
    pattern.digest === undefined
      ? whatToCopy(options, reference, readAhead)
      : Effect.succeed<Sourced>({ digest: pattern.digest })
  const findTag = digestAt(options, "destination", tag)
  // What is there nearly always is asked for at both sides at once: neither waits for the other.
  const [wanted, found] =
    wasComplete || selection.mode === "Recurrent" || !options.readsManifests
      ? yield* bothDraining(wantedOf(false), findTag, limited)
      : yield* Effect.flatMap(findTag, (found) =>
          Effect.map(wantedOf(found === undefined), (wanted) => [wanted, found] as const)
        )
  if (wanted === undefined) {
    return yield* Effect.fail<LookFailure>({
      reason: "SourceNotFound",
      message: `spec.source.version: "${reference}" is not in ${source.repository.registry}/${source.repository.path}; check name and version, or write a pattern`,
      until: undefined
    })
  }
  const missing: Missing | undefined = found === undefined ? "Tag" : undefined
  return { tags: [yield* tagLook(options, tag, wanted, found)], missing }
})

const tagsAtSource = Effect.fnUntraced(function* ({ answers, source }: LookOptions) {
  const client = yield* RegistryClient
  return yield* once(
    answers.source.tags,
    source.repository.path,
    Effect.mapError(client.tags(source), failureAt("source"))
  )
})

/** A repository's tags; one that is not there has none: it is made by the first push to it. */
const tagsAtDestination = Effect.fnUntraced(function* ({ answers, destination }: LookOptions) {
  const client = yield* RegistryClient
  const list = client.tags(destination).pipe(
    Effect.catchReason("RegistryError", "NotFound", () => Effect.succeed([])),
    Effect.mapError(failureAt("destination"))
  )
  return new Set(yield* once(answers.destination.tags, destination.repository.path, list))
})

/** The destination's tags, where a look listed them before it was put off: what has come since is not overwritten either. */
const tagsNowAtDestination = (options: LookOptions) =>
  Effect.suspend(() => {
    options.answers.destination.tags.clear()
    return tagsAtDestination(options)
  })

/** What is there by now, of tags that are never overwritten. */
const asPresentIn =
  (tags: ReadonlySet<string>) =>
  (look: TagLook): TagLook =>
    look.present || !tags.has(look.tag) ? look : { tag: look.tag, present: true }

const missingAt = (tags: ReadonlySet<string> | undefined): Missing | undefined =>
  tags?.size === 0 ? "Repository" : undefined

const lookAtListed = Effect.fnUntraced(function* (options: LookOptions, pattern: ListedVersion) {
  const { selection } = options
  const follows = selection.mode === "Recurrent"
  const [listed, kept] = yield* bothDraining(
    tagsAtSource(options),
    follows ? Effect.succeed(undefined) : tagsAtDestination(options),
    limited
  )
  const judged = yield* judgeTagsInSteps({ ...selection, pattern }, listed)
  const selected = judged.flatMap(({ tag, verdict }) => (verdict.selected ? [tag] : []))
  const { atLeast = 0 } = selection.filter
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
      ReadonlyArray<TagLook>,
      LookFailure,
      RegistryClient | RegistryLimits
    > {
      const isThere = there?.has(tag) ?? true
      if (isThere && !follows) return [selection.referrers ? yield* lookAtKept(options, tag) : { tag, present: true }]
      if (!isThere) missing += 1
      const [wanted, found] = yield* bothDraining(
        isThere ? headAt(options, "source", tag) : whatToCopy(options, tag, missing <= READ_AHEAD),
        isThere && tag !== first ? digestAt(options, "destination", tag) : Effect.succeed(foundFirst),
        limited
      )
      // Deleted at the source since it was listed.
      return wanted === undefined ? [] : [yield* tagLook(options, tag, wanted, found)]
    }),
    { concurrency: TAGS_AT_ONCE, limited }
  )
  return {
    tags: tags.flat(),
    missing: missingAt(there),
    listed,
    nearest: selected.length === 0 ? nearestTags(pattern, judged) : []
  }
})

/** A tag that is never overwritten: what refers to it is what refers to the destination's image. */
const lookAtKept = Effect.fnUntraced(function* (options: LookOptions, tag: string) {
  const found = yield* digestAt(options, "destination", tag)
  return found === undefined ? { tag, present: true } : { tag, present: true, wanted: found, found }
})

/** What a look finds beside the tags: for an engine that brings it with the image a mark, for others tags to copy. */
const withBeside = Effect.fnUntraced(function* (
  options: LookOptions,
  tags: ReadonlyArray<TagLook>,
  listed: ReadonlyArray<string> | undefined
): Effect.fn.Return<Pick<Look, "tags" | "beside">, LookFailure, RegistryClient | RegistryLimits> {
  const { bringsReferrers, selection } = options
  const known = listed === undefined ? undefined : new Set(listed)
  if (!selection.referrers) return { tags }
  if (bringsReferrers) {
    const marked = yield* drainOnLimit(tags, (tag) => withReferrers(options, tag, known), {
      concurrency: TAGS_AT_ONCE,
      limited
    })
    return { tags: marked }
  }
  const beside = new Map<string, TagLook>()
  const found = yield* drainOnLimit(
    tags,
    Effect.fnUntraced(function* (tag): Effect.fn.Return<TagLook, LookFailure, RegistryClient | RegistryLimits> {
      const own = yield* lookBeside(options, tag, known)
      for (const look of own) beside.set(look.tag, look)
      return {
        ...tag,
        ...(own.length === 0 ? {} : { after: own.map((look) => look.tag) }),
        ...((yield* hasReferrers(options, tag)) ? { leavesReferrers: true } : {})
      }
    }),
    { concurrency: TAGS_AT_ONCE, limited }
  )
  return { tags: found, ...(beside.size === 0 ? {} : { beside: [...beside.values()] }) }
})

/** Whether an image has OCI referrers; for a notice only, so that what cannot be told is not worth failing. */
const hasReferrers = Effect.fnUntraced(function* (options: LookOptions, { wanted }: TagLook) {
  if (wanted === undefined) return false
  const found = yield* Effect.orElseSucceed(referrersAt(options, "source", wanted), () => [])
  return found.length > 0
})

/** Marks a tag that is in sync but for signatures and their like which the destination lacks. */
const withReferrers = Effect.fnUntraced(function* (
  options: LookOptions,
  tag: TagLook,
  listed: ReadonlySet<string> | undefined
): Effect.fn.Return<TagLook, LookFailure, RegistryClient | RegistryLimits> {
  const { selection } = options
  // What is to be copied is copied with everything that refers to it.
  if (tag.wanted === undefined || !isInSync(selection, tag)) return tag
  const wanted = yield* referrersAt(options, "source", tag.wanted)
  const found = wanted.length === 0 ? [] : yield* referrersAt(options, "destination", tag.wanted)
  const there = new Set(found.map(({ digest }) => digest))
  const missing = wanted.filter(({ digest }) => !there.has(digest)).map(({ digest }) => digest)
  const cosign = yield* cosignTags(options, [tag.wanted], listed)
  if (cosign.every(isSame) && missing.length === 0) return tag
  // A list may name what has been deleted since, and an image may have gone that its signatures outlive.
  const heads = yield* drainOnLimit(
    cosign.every(isSame) ? missing : [tag.wanted],
    (digest) => digestAt(options, "source", digest),
    { concurrency: TAGS_AT_ONCE, limited }
  )
  return heads.some((digest) => digest !== undefined) ? { ...tag, referrersMissing: true } : tag
})

/**
 * Cosign's tags of an image. Those of its platforms are looked for when something is to be copied anyway: only then is
 * it read what platforms it has.
 */
const lookBeside = Effect.fnUntraced(function* (
  options: LookOptions,
  tag: TagLook,
  listed: ReadonlySet<string> | undefined
): Effect.fn.Return<ReadonlyArray<TagLook>, LookFailure, RegistryClient | RegistryLimits> {
  const { selection, source } = options
  if (tag.wanted === undefined) return []
  // The signature of an index does not fit an index without some of its platforms.
  const isWhole = (tag.source ?? tag.wanted) === tag.wanted
  const own = isWhole ? yield* cosignTags(options, [tag.wanted], listed) : []
  if (isInSync(selection, tag) && own.every(isSame)) return own
  const digest = tag.source ?? tag.wanted
  const manifest = yield* subsetAt(source, digest, selection.platforms).pipe(
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
  options: LookOptions,
  digests: ReadonlyArray<string>,
  listed: ReadonlySet<string> | undefined
) {
  const names = digests.flatMap(cosignTagsOf).filter((name) => listed?.has(name) ?? true)
  const found = yield* drainOnLimit(
    names,
    Effect.fnUntraced(function* (tag): Effect.fn.Return<
      ReadonlyArray<TagLook>,
      LookFailure,
      RegistryClient | RegistryLimits
    > {
      const wanted = yield* digestAt(options, "source", tag)
      if (wanted === undefined) return []
      const there = yield* digestAt(options, "destination", tag)
      const look: TagLook = { tag, wanted, present: there !== undefined }
      return [there === undefined ? look : { ...look, found: there }]
    }),
    { concurrency: TAGS_AT_ONCE, limited }
  )
  return found.flat()
})

const failureAt =
  (side: RegistrySide) =>
  (error: RegistryError): LookFailure => ({
    reason: error.reason._tag === "NotFound" && side === "source" ? "SourceNotFound" : error.reason._tag,
    message: error.message,
    until: error.until
  })
