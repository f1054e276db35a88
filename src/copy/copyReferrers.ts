/**
 * Copies the referrers of an image: OCI referrers, listed by the referrers API or by the fallback tag, and cosign's tags, which
 * are named after a digest. The OCI distribution specification and cosign's documentation describe these layouts.
 */
import { Data, Effect, Option } from "effect"
import { type ImageKey, keyOf } from "../domain/ImageKey.ts"
import { digestOf } from "../oci/Digest.ts"
import { cosignTagsOf, fallbackTagOf, referrersIn } from "../oci/Referrers.ts"
import { type Descriptor, OCI_INDEX } from "../oci/Manifest.ts"
import { formatReference, type Reference } from "../oci/Reference.ts"
import { comparable } from "../registry/comparable.ts"
import { drainOnLimit } from "../registry/limits/drainOnLimit.ts"
import type { Referrer } from "../oci/Referrers.ts"
import { onSide, type RegistryError } from "../registry/RegistryError.ts"
import type { OnBytes } from "./BlobPlacement.ts"
import { type CopyTools, type Ends, gather, limited, placeBlobs, writeChildren, writeManifest } from "./ImageContent.ts"

/** The longest chain of referrers that is copied: a signature of an SBOM of the image is 2 away. A longer chain may be a loop. */
const DEPTH = 2

type Copying = Effect.Effect<void, RegistryError>

/** The destination has one of cosign's tags with other content, and the tag has another owner. */
export class CompanionClaimed extends Data.TaggedError("CompanionClaimed")<{
  readonly companion: Reference
  readonly owner: ImageKey
}> {
  override get message(): string {
    return `${formatReference(this.companion)} has other content at the source, and is claimed by the older Image ${keyOf(this.owner)}`
  }
}

/** Both ends, and the owner of the destination's companion tags if those that exist must not change. */
interface OwnedEnds extends Ends {
  readonly companionOwner: ImageKey | undefined
}

/** Copies the referrers of the given digests that the destination lacks. */
export const copyReferrers = (
  tools: CopyTools,
  ends: OwnedEnds,
  subjects: ReadonlyArray<string>,
  onBytes: OnBytes
): Effect.Effect<void, RegistryError | CompanionClaimed> =>
  Effect.forEach(
    subjects,
    (subject) =>
      Effect.andThen(
        copyReferrersOf(tools, ends, subject, onBytes, DEPTH),
        copyCosignTags(tools, ends, subject, onBytes)
      ),
    { discard: true }
  )

const copyReferrersOf = (tools: CopyTools, ends: Ends, subject: string, onBytes: OnBytes, depth: number): Copying =>
  Effect.gen(function* () {
    const { client } = tools
    const referrers = yield* onSide("source")(client.referrers(ends.source, subject))
    if (referrers.length === 0) return
    const existing = new Set(
      (yield* onSide("destination")(client.referrers(ends.destination, subject))).map(({ digest }) => digest)
    )
    const unlisted: Array<Referrer> = []
    for (const referrer of referrers) {
      // The referrers of a referrer come before it, as all referrers come before the tag.
      if (depth > 1) yield* copyReferrersOf(tools, ends, referrer.digest, onBytes, depth - 1)
      if (existing.has(referrer.digest)) continue
      const written = yield* write(tools, ends, referrer.digest, referrer.digest, onBytes)
      if (Option.isSome(written) && Option.isNone(written.value.subject)) unlisted.push(referrer)
    }
    if (unlisted.length > 0) yield* listByTag(tools, ends, subject, unlisted)
  })

/** Adds referrers to the list under the fallback tag. The specification requires this of clients without a referrers API. */
const listByTag = Effect.fnUntraced(function* (
  { client }: CopyTools,
  { destination }: Ends,
  subject: string,
  referrers: ReadonlyArray<Referrer>
) {
  const tag = fallbackTagOf(subject)
  const before = yield* client.manifest(destination, tag).pipe(
    Effect.map(({ bytes }) => Option.getOrElse(referrersIn(bytes), () => [])),
    Effect.catchReason("RegistryError", "NotFound", () => Effect.succeed<ReadonlyArray<Referrer>>([])),
    onSide("destination")
  )
  const added = referrers.filter(({ digest }) => !before.some((known) => known.digest === digest))
  const content = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [...before, ...added] }
  const bytes = Buffer.from(JSON.stringify(content))
  const manifest = { bytes, mediaType: OCI_INDEX, digest: digestOf(bytes), size: bytes.length }
  yield* onSide("destination")(client.putManifest(destination, tag, manifest))
})

/**
 * Copies cosign's tags. A copy creates a tag that has another owner, and never changes such a tag: each source may have its own
 * signature for the same image. The tag is asked for again right before the write, because a source can send the signature slowly.
 */
const copyCosignTags = Effect.fnUntraced(function* (
  tools: CopyTools,
  ends: OwnedEnds,
  subject: string,
  onBytes: OnBytes
): Effect.fn.Return<void, RegistryError | CompanionClaimed> {
  const { client } = tools
  const { companionOwner: owner, destination } = ends
  const headAt = (tag: string, desired: Descriptor) =>
    client.head(destination, tag).pipe(
      Effect.flatMap(
        Option.match({
          onNone: () => Effect.succeedNone,
          onSome: (actual) => Effect.asSome(comparable(client, destination, tag, actual, desired.digest))
        })
      ),
      onSide("destination")
    )
  /** Gives whether the tag stays as another Image has written it. */
  const copy = Effect.fnUntraced(function* (tag: string) {
    const desired = Option.getOrUndefined(yield* onSide("source")(client.head(ends.source, tag)))
    if (desired === undefined) return false
    const isKept = (actual: Option.Option<Descriptor>) =>
      Option.isSome(actual) && actual.value.digest !== desired.digest
    const actual = yield* headAt(tag, desired)
    if (Option.isSome(actual) && !isKept(actual)) return false
    if (owner === undefined) {
      yield* write(tools, ends, desired.digest, tag, onBytes)
      return false
    }
    if (isKept(actual)) return true
    const written = yield* write(tools, ends, desired.digest, desired.digest, onBytes)
    if (Option.isNone(written)) return false
    const before = yield* headAt(tag, desired)
    if (Option.isNone(before)) {
      const manifest = yield* onSide("source")(client.manifest(ends.source, desired.digest))
      yield* onSide("destination")(client.putManifest(destination, tag, manifest))
    }
    return isKept(before)
  })
  const tags = cosignTagsOf(subject)
  const kept = yield* drainOnLimit(tags, copy, { concurrency: 3, limited })
  const companion = tags.find((_, index) => kept[index] === true)
  if (owner === undefined || companion === undefined) return
  return yield* new CompanionClaimed({ companion: { repository: destination.repository, tag: companion }, owner })
})

/** Copies one referrer. Gives `None` for a missing referrer, because a list of referrers may name deleted ones. */
const write = Effect.fnUntraced(function* (
  tools: CopyTools,
  ends: Ends,
  digest: string,
  reference: string,
  onBytes: OnBytes
) {
  const { client } = tools
  const manifest = yield* client.manifest(ends.source, digest).pipe(
    Effect.map(Option.some),
    Effect.catchReason("RegistryError", "NotFound", () => Effect.succeed(Option.none())),
    onSide("source")
  )
  if (Option.isNone(manifest)) return Option.none()
  const content = yield* Effect.mapError(gather(tools, ends.source, manifest.value), explained)
  yield* placeBlobs(tools, ends, content, () => onBytes)
  yield* writeChildren(tools, ends, content, onBytes)
  const written = yield* writeManifest(tools, ends, reference, content.root, content)
  onBytes(content.root.size, true)
  return Option.some(written)
})

/** Adds the remedy to the error of a referrer that cannot be copied. Such a referrer fails the copy of its image. */
const explained = (error: RegistryError): RegistryError =>
  error.reason._tag === "UnsupportedManifest"
    ? error.withDetail(
        `${error.detail}; to copy the image without this referrer, set spec.referrers to false (copy: leave out --referrers)`
      )
    : error
