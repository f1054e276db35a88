/** Asks both registries about the tags an Image selects: as little as its mode needs. */
import { Effect, Option } from "effect"
import type { Missing } from "../domain/Copy.ts"
import type { RegistrySide } from "../domain/Credential.ts"
import type { PlatformSubset } from "../domain/Image.ts"
import { isInSync, isSame, type Look, type TagLook } from "../domain/Plan.ts"
import { formatPlatform } from "../domain/Platform.ts"
import type { Selection } from "../domain/Selection.ts"
import { isExact, type ListedVersion } from "../domain/TagPattern.ts"
import { countMatching, judgeTagsInSteps, nearestTags } from "../domain/TagSelection.ts"
import { cosignTagsOf, isSchema1, partsOf } from "../registry/MediaType.ts"
import { subsetAt } from "../registry/PlatformSubset.ts"
import {
  type Descriptor,
  RegistryClient,
  type RegistryError,
  type RepositoryAccess
} from "../registry/RegistryClient.ts"

/** Why the registries could not be asked; `reason` is the condition's. */
export interface LookFailure {
  readonly reason: string
  readonly message: string
  readonly retryAfterMillis: number | undefined
}

/** What a look has found of each tag so far: one that a registry puts off goes on there, and asks nothing twice. */
export interface Findings {
  readonly tags: Map<string, ReadonlyArray<TagLook>>
  readonly beside: Map<string, ReadonlyArray<TagLook>>
}

export const noFindings = (): Findings => ({ tags: new Map(), beside: new Map() })

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
  /** Of a pattern's tags; what this look finds is added. */
  readonly findings: Findings
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
export const look = (options: LookOptions): Effect.Effect<Look, LookFailure, RegistryClient> =>
  Effect.gen(function* () {
    const { generation, selection } = options
    const { pattern } = selection
    const found = isExact(pattern)
      ? { ...(yield* lookAtExact(options, pattern)), listed: undefined, nearest: [] }
      : yield* lookAtListed(options, pattern)
    if ("tooFew" in found) return { generation, tags: [], listed: found.listed.length, tooFew: found.tooFew }
    const seen = yield* withBeside(options, found.tags, found.listed)
    const subsets = seen.tags.flatMap((tag) =>
      tag.source === undefined || tag.wanted === undefined
        ? []
        : [{ source: tag.source, platforms: platformsOf(selection), digest: tag.wanted }]
    )
    return {
      generation,
      ...seen,
      ...(found.missing === undefined ? {} : { missing: found.missing }),
      ...(found.listed === undefined ? {} : { listed: found.listed.length }),
      ...(found.tags.length === 0 ? { nearest: found.nearest } : {}),
      ...(subsets.length === 0 ? {} : { subsets })
    }
  })

const platformsOf = (selection: Selection): string => selection.platforms.map(formatPlatform).join(",")

/** What has been found of a tag, or else is found now. */
const once = <E, R>(
  found: Map<string, ReadonlyArray<TagLook>>,
  tag: string,
  find: Effect.Effect<ReadonlyArray<TagLook>, E, R>
): Effect.Effect<ReadonlyArray<TagLook>, E, R> =>
  Effect.suspend(() => {
    const known = found.get(tag)
    if (known !== undefined) return Effect.succeed(known)
    return Effect.tap(find, (looks) => Effect.sync(() => found.set(tag, looks)))
  })

const headAt = Effect.fnUntraced(function* (side: RegistrySide, access: RepositoryAccess, reference: string) {
  const client = yield* RegistryClient
  return Option.getOrUndefined(yield* Effect.mapError(client.head(access, reference), failureAt(side)))
})

const digestAt = (side: RegistrySide, access: RepositoryAccess, reference: string) =>
  Effect.map(headAt(side, access, reference), (found) => found?.digest)

/** What the source has, as far as it was asked: of a pinned digest nothing else is known. */
type Sourced = Pick<Descriptor, "digest"> & Partial<Descriptor>

/**
 * What the source has of a tag that is going to be copied; read at once where the copy will need it all. Where reading
 * is limited and asking is not, reading is left to the copies.
 */
const whatToCopy = Effect.fnUntraced(function* (options: LookOptions, reference: string, readAhead: boolean) {
  const client = yield* RegistryClient
  const reads = readAhead && options.readsManifests && !(yield* client.allowance(options.source)).metered
  if (!reads) return yield* headAt("source", options.source, reference)
  return yield* client.manifest(options.source, reference).pipe(
    Effect.map((manifest): Descriptor | undefined => manifest),
    Effect.catchIf(
      ({ kind }) => kind === "NotFound",
      () => Effect.succeed(undefined)
    ),
    Effect.mapError(failureAt("source")),
    // A limit that was not known of yet may be one of reading only.
    Effect.catchIf(
      ({ reason }) => reason === "RateLimited",
      () => headAt("source", options.source, reference)
    )
  )
})

/** What is found of a tag, and what the destination should have of it: all of it, or some of its platforms. */
const tagLook = Effect.fnUntraced(function* (
  options: LookOptions,
  tag: string,
  { digest: source, mediaType = "" }: Sourced,
  found: string | undefined
): Effect.fn.Return<TagLook, LookFailure, RegistryClient> {
  const { selection, subsets } = options
  const there = { tag, present: found !== undefined, ...(found === undefined ? {} : { found }) }
  if (isSchema1(mediaType)) return { ...there, problem: { reason: "UnsupportedManifest", message: SCHEMA_1 } }
  if (selection.platforms.length === 0) return { ...there, wanted: source }
  const known = subsets.find((subset) => subset.source === source && subset.platforms === platformsOf(selection))
  if (known !== undefined) return { ...there, source, wanted: known.digest }
  return yield* subsetAt(options.source, source, selection.platforms).pipe(
    Effect.map(({ digest }): TagLook => ({ ...there, source, wanted: digest })),
    Effect.catchIf(
      ({ kind }) => kind === "PlatformMissing",
      (error) => Effect.succeed<TagLook>({ ...there, problem: { reason: error.kind, message: error.message } })
    ),
    Effect.mapError((error: RegistryError) => failureAt("source")(error))
  )
})

const lookAtExact = Effect.fnUntraced(function* (
  options: LookOptions,
  pattern: Extract<Selection["pattern"], { readonly _tag: "Tag" | "Digest" }>
) {
  const { destination, selection, source, wasComplete } = options
  const tag = selection.destinationTag ?? ""
  const reference = pattern.digest ?? (pattern._tag === "Tag" ? pattern.tag : "")
  const wantedOf = (readAhead: boolean) =>
    pattern.digest === undefined
      ? whatToCopy(options, reference, readAhead)
      : Effect.succeed<Sourced>({ digest: pattern.digest })
  const findTag = digestAt("destination", destination, tag)
  // What is there nearly always is asked for at both sides at once: neither waits for the other.
  const [wanted, found] =
    wasComplete || selection.mode === "Recurrent" || !options.readsManifests
      ? yield* Effect.all([wantedOf(false), findTag], { concurrency: 2 })
      : yield* Effect.flatMap(findTag, (found) =>
          Effect.map(wantedOf(found === undefined), (wanted) => [wanted, found] as const)
        )
  if (wanted === undefined) {
    return yield* Effect.fail<LookFailure>({
      reason: "SourceNotFound",
      message: `spec.source.version: "${reference}" is not in ${source.repository.registry}/${source.repository.path}; check name and version, or write a pattern`,
      retryAfterMillis: undefined
    })
  }
  const missing: Missing | undefined = found === undefined ? "Tag" : undefined
  return { tags: [yield* tagLook(options, tag, wanted, found)], missing }
})

/** A repository's tags; one that is not there has none: it is made by the first push to it. */
const tagsAtDestination = Effect.fnUntraced(function* ({ destination }: LookOptions) {
  const client = yield* RegistryClient
  return yield* client.tags(destination).pipe(
    Effect.map((tags) => new Set(tags)),
    Effect.catchIf(
      (error) => error.kind === "NotFound",
      () => Effect.succeed(new Set<string>())
    ),
    Effect.mapError(failureAt("destination"))
  )
})

const missingAt = (tags: ReadonlySet<string> | undefined): Missing | undefined =>
  tags?.size === 0 ? "Repository" : undefined

const lookAtListed = Effect.fnUntraced(function* (options: LookOptions, pattern: ListedVersion) {
  const { destination, selection, source } = options
  const client = yield* RegistryClient
  const follows = selection.mode === "Recurrent"
  const [listed, kept] = yield* Effect.all(
    [
      client.tags(source).pipe(Effect.mapError(failureAt("source"))),
      follows ? Effect.succeed(undefined) : tagsAtDestination(options)
    ],
    { concurrency: 2 }
  )
  const judged = yield* judgeTagsInSteps({ ...selection, pattern }, listed)
  const selected = judged.flatMap(({ tag, verdict }) => (verdict.selected ? [tag] : []))
  const { atLeast = 0 } = selection.filter
  const matching = countMatching(judged)
  if (matching < atLeast) return { tooFew: matching, listed, tags: [], nearest: [] }
  // Tags that are followed are asked for one by one anyway; the list tells more only where not even the first is there.
  const first = follows && !options.wasComplete ? selected[0] : undefined
  const foundFirst = first === undefined ? undefined : yield* digestAt("destination", destination, first)
  const there = first === undefined || foundFirst !== undefined ? kept : yield* tagsAtDestination(options)
  let missing = 0
  const tags = yield* Effect.forEach(
    selected,
    Effect.fnUntraced(function* (tag) {
      const isThere = there?.has(tag) ?? true
      if (isThere && !follows) return [selection.referrers ? yield* lookAtKept(options, tag) : { tag, present: true }]
      if (!isThere) missing += 1
      const reference = isThere ? headAt("source", source, tag) : whatToCopy(options, tag, missing <= READ_AHEAD)
      const find = Effect.gen(function* () {
        const [wanted, found] = yield* Effect.all(
          [
            reference,
            isThere && tag !== first ? digestAt("destination", destination, tag) : Effect.succeed(foundFirst)
          ],
          { concurrency: 2 }
        )
        // Deleted at the source since it was listed.
        return wanted === undefined ? [] : [yield* tagLook(options, tag, wanted, found)]
      })
      return yield* once(options.findings.tags, tag, find)
    }),
    { concurrency: TAGS_AT_ONCE }
  )
  return {
    tags: tags.flat(),
    missing: missingAt(there),
    listed,
    nearest: selected.length === 0 ? nearestTags(pattern, judged) : []
  }
})

/** A tag that is never overwritten: what refers to it is what refers to the destination's image. */
const lookAtKept = Effect.fnUntraced(function* ({ destination }: LookOptions, tag: string) {
  const found = yield* digestAt("destination", destination, tag)
  return found === undefined ? { tag, present: true } : { tag, present: true, wanted: found, found }
})

/** What a look finds beside the tags: for an engine that brings it with the image a mark, for others tags to copy. */
const withBeside = Effect.fnUntraced(function* (
  options: LookOptions,
  tags: ReadonlyArray<TagLook>,
  listed: ReadonlyArray<string> | undefined
): Effect.fn.Return<Pick<Look, "tags" | "beside">, LookFailure, RegistryClient> {
  const { bringsReferrers, selection } = options
  const known = listed === undefined ? undefined : new Set(listed)
  if (!selection.referrers) return { tags }
  if (bringsReferrers) {
    const marked = yield* Effect.forEach(
      tags,
      (tag) => once(options.findings.beside, tag.tag, Effect.map(withReferrers(options, tag, known), Array.of)),
      { concurrency: TAGS_AT_ONCE }
    )
    return { tags: marked.flat() }
  }
  const beside = new Map<string, TagLook>()
  const found = yield* Effect.forEach(
    tags,
    Effect.fnUntraced(function* (tag) {
      const own = yield* once(options.findings.beside, tag.tag, lookBeside(options, tag, known))
      for (const look of own) beside.set(look.tag, look)
      return {
        ...tag,
        ...(own.length === 0 ? {} : { after: own.map((look) => look.tag) }),
        ...((yield* hasReferrers(options, tag)) ? { leavesReferrers: true } : {})
      }
    }),
    { concurrency: TAGS_AT_ONCE }
  )
  return { tags: found, ...(beside.size === 0 ? {} : { beside: [...beside.values()] }) }
})

/** Whether an image has OCI referrers; for a notice only, so that what cannot be told is not worth failing. */
const hasReferrers = Effect.fnUntraced(function* ({ source }: LookOptions, { wanted }: TagLook) {
  if (wanted === undefined) return false
  const client = yield* RegistryClient
  const found = yield* Effect.orElseSucceed(client.referrers(source, wanted), () => [])
  return found.length > 0
})

/** Marks a tag that is in sync but for signatures and their like which the destination lacks. */
const withReferrers = Effect.fnUntraced(function* (
  options: LookOptions,
  tag: TagLook,
  listed: ReadonlySet<string> | undefined
): Effect.fn.Return<TagLook, LookFailure, RegistryClient> {
  const { destination, selection, source } = options
  // What is to be copied is copied with everything that refers to it.
  if (tag.wanted === undefined || !isInSync(selection, tag)) return tag
  const client = yield* RegistryClient
  const wanted = yield* Effect.mapError(client.referrers(source, tag.wanted), failureAt("source"))
  const found =
    wanted.length === 0
      ? []
      : yield* Effect.mapError(client.referrers(destination, tag.wanted), failureAt("destination"))
  const there = new Set(found.map(({ digest }) => digest))
  const missing = wanted.filter(({ digest }) => !there.has(digest)).map(({ digest }) => digest)
  const cosign = yield* cosignTags(options, [tag.wanted], listed)
  if (cosign.every(isSame) && missing.length === 0) return tag
  // A list may name what has been deleted since, and an image may have gone that its signatures outlive.
  const heads = yield* Effect.forEach(
    cosign.every(isSame) ? missing : [tag.wanted],
    (digest) => digestAt("source", source, digest),
    { concurrency: TAGS_AT_ONCE }
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
): Effect.fn.Return<ReadonlyArray<TagLook>, LookFailure, RegistryClient> {
  const { selection, source } = options
  if (tag.wanted === undefined) return []
  // The signature of an index does not fit an index without some of its platforms.
  const isWhole = (tag.source ?? tag.wanted) === tag.wanted
  const own = isWhole ? yield* cosignTags(options, [tag.wanted], listed) : []
  if (isInSync(selection, tag) && own.every(isSame)) return own
  const manifest = yield* subsetAt(source, tag.source ?? tag.wanted, selection.platforms).pipe(
    Effect.map(Option.some),
    // The copy says so itself.
    Effect.catchIf(
      ({ kind }) => kind === "NotFound" || kind === "PlatformMissing",
      () => Effect.succeed(Option.none())
    ),
    Effect.mapError(failureAt("source"))
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
  const found = yield* Effect.forEach(
    names,
    Effect.fnUntraced(function* (tag) {
      const wanted = yield* digestAt("source", options.source, tag)
      if (wanted === undefined) return []
      const there = yield* digestAt("destination", options.destination, tag)
      const look: TagLook = { tag, wanted, present: there !== undefined }
      return [there === undefined ? look : { ...look, found: there }]
    }),
    { concurrency: TAGS_AT_ONCE }
  )
  return found.flat()
})

const failureAt =
  (side: RegistrySide) =>
  (error: RegistryError): LookFailure => ({
    reason: error.kind === "NotFound" && side === "source" ? "SourceNotFound" : error.kind,
    message: error.message,
    retryAfterMillis: error.retryAfterMillis
  })
