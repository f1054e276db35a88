/** Asks both registries about the tags an Image selects: as little as its mode needs. */
import { Effect, Option } from "effect"
import type { Look, TagLook } from "../domain/Plan.ts"
import type { Selection } from "../domain/Selection.ts"
import { isExact, selectTags } from "../domain/TagPattern.ts"
import type { RegistrySide } from "../registry/Credentials.ts"
import { RegistryClient, type RegistryError, type RepositoryAccess } from "../registry/RegistryClient.ts"

/** Why the registries could not be asked; `reason` is the condition's. */
export interface LookFailure {
  readonly reason: string
  readonly message: string
  readonly retryAfterMillis: number | undefined
}

const HEADS_AT_ONCE = 4

/**
 * - an exact version: HEAD at both sides; a digest needs none at the source
 * - OneShot of a pattern: both lists of tags, and HEAD at the source for what is missing
 * - Recurrent of a pattern: both lists, and HEAD at both sides for what both have
 */
export const look = Effect.fnUntraced(function* (options: {
  readonly selection: Selection
  readonly generation: number
  readonly source: RepositoryAccess
  readonly destination: RepositoryAccess
}): Effect.fn.Return<Look, LookFailure, RegistryClient> {
  const { destination, generation, selection, source } = options
  const client = yield* RegistryClient
  const { pattern } = selection

  const headSource = (reference: string) =>
    client.head(source, reference).pipe(
      Effect.mapError(failureAt("source")),
      Effect.map((found) => Option.getOrUndefined(found)?.digest)
    )
  const headDestination = (tag: string) =>
    client.head(destination, tag).pipe(
      Effect.mapError(failureAt("destination")),
      Effect.map((found) => Option.getOrUndefined(found)?.digest)
    )

  if (isExact(pattern)) {
    const tag = selection.destinationTag ?? ""
    const reference = pattern.digest ?? (pattern._tag === "Tag" ? pattern.tag : "")
    const [wanted, found] = yield* Effect.all(
      [pattern.digest === undefined ? headSource(reference) : Effect.succeed(pattern.digest), headDestination(tag)],
      { concurrency: 2 }
    )
    if (wanted === undefined) {
      return yield* Effect.fail<LookFailure>({
        reason: "SourceNotFound",
        message: `spec.source.version: "${reference}" is not in ${source.repository.registry}/${source.repository.path}; check name and version, or write a pattern`,
        retryAfterMillis: undefined
      })
    }
    return { generation, tags: [tagLook(tag, wanted, found)] }
  }

  const [listed, present] = yield* Effect.all(
    [
      client.tags(source).pipe(Effect.mapError(failureAt("source"))),
      client.tags(destination).pipe(
        // A repository is made by the first push to it.
        Effect.catchIf(
          (error) => error.kind === "NotFound",
          () => Effect.succeed<ReadonlyArray<string>>([])
        ),
        Effect.mapError(failureAt("destination"))
      )
    ],
    { concurrency: 2 }
  )
  const selected = selectTags(pattern, selection.allowCandidateRelease, listed)
  const there = new Set(present)
  const tags = yield* Effect.forEach(
    selected,
    Effect.fnUntraced(function* (tag) {
      if (there.has(tag) && selection.mode === "OneShot") return [{ tag, present: true }]
      const [wanted, found] = yield* Effect.all([
        headSource(tag),
        there.has(tag) ? headDestination(tag) : Effect.succeed(undefined)
      ])
      // Deleted at the source since it was listed.
      return wanted === undefined ? [] : [tagLook(tag, wanted, found)]
    }),
    { concurrency: HEADS_AT_ONCE }
  )
  return {
    generation,
    tags: tags.flat(),
    listed: listed.length,
    ...(selected.length === 0 ? { nearest: nearestTo(pattern.text, listed) } : {})
  }
})

const tagLook = (tag: string, wanted: string, found: string | undefined): TagLook => ({
  tag,
  wanted,
  present: found !== undefined,
  ...(found === undefined ? {} : { found })
})

const failureAt =
  (side: RegistrySide) =>
  (error: RegistryError): LookFailure => ({
    reason: error.kind === "NotFound" && side === "source" ? "SourceNotFound" : error.kind,
    message: error.message,
    retryAfterMillis: error.retryAfterMillis
  })

/** Tags that begin as the pattern does, the longest way: what may have been meant. */
const nearestTo = (text: string, tags: ReadonlyArray<string>): ReadonlyArray<string> => {
  const bare = text.replace(/^[\^~<>=v\s]+/u, "")
  const shared = (tag: string): number => {
    const other = tag.replace(/^v/u, "")
    let length = 0
    while (length < bare.length && bare[length] === other[length]) length += 1
    return length
  }
  return tags
    .map((tag) => ({ tag, shared: shared(tag) }))
    .filter((candidate) => candidate.shared > 0)
    .sort((a, b) => b.shared - a.shared || (a.tag < b.tag ? 1 : -1))
    .map(({ tag }) => tag)
    .slice(0, 5)
}
