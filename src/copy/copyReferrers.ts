/**
 * Copies the referrers of an image: OCI referrers, listed by the referrers API or by the fallback tag, and cosign's tags, which
 * are named after a digest. The OCI distribution specification and cosign's documentation describe these layouts.
 */
import { Effect, Option } from "effect"
import { digestOf } from "../oci/Digest.ts"
import { cosignTagsOf, fallbackTagOf, referrersIn } from "../oci/Referrers.ts"
import { OCI_INDEX } from "../oci/Manifest.ts"
import { drainOnLimit } from "../registry/limits/drainOnLimit.ts"
import type { Referrer } from "../oci/Referrers.ts"
import { onSide, type RegistryError } from "../registry/RegistryError.ts"
import type { OnBytes } from "./BlobPlacement.ts"
import { type CopyTools, type Ends, gather, limited, placeBlobs, writeChildren } from "./ImageContent.ts"

/** The longest chain of referrers that is copied: a signature of an SBOM of the image is 2 away. A longer chain may be a loop. */
const DEPTH = 2

type Copying = Effect.Effect<void, RegistryError>

/** Copies the referrers of the given digests that the destination lacks. */
export const copyReferrers = (
  tools: CopyTools,
  ends: Ends,
  subjects: ReadonlyArray<string>,
  onBytes: OnBytes
): Copying =>
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

const copyCosignTags = (tools: CopyTools, ends: Ends, subject: string, onBytes: OnBytes): Copying =>
  drainOnLimit(
    cosignTagsOf(subject),
    Effect.fnUntraced(function* (tag) {
      const { client } = tools
      const desired = Option.getOrUndefined(yield* onSide("source")(client.head(ends.source, tag)))
      if (desired === undefined) return
      const actual = Option.getOrUndefined(yield* onSide("destination")(client.head(ends.destination, tag)))
      if (actual?.digest !== desired.digest) yield* write(tools, ends, desired.digest, tag, onBytes)
    }),
    { concurrency: 3, limited }
  ).pipe(Effect.asVoid)

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
  yield* placeBlobs(tools, ends, content, onBytes)
  yield* writeChildren(tools, ends, content, onBytes)
  const written = yield* onSide("destination")(client.putManifest(ends.destination, reference, content.root))
  onBytes(content.root.size, true)
  return Option.some(written)
})

/** Adds the remedy to the error of a referrer that cannot be copied. Such a referrer fails the copy of its image. */
const explained = (error: RegistryError): RegistryError =>
  error.reason._tag === "UnsupportedManifest"
    ? error.withDetail(`${error.detail}; to copy the image without this referrer, set spec.referrers to false`)
    : error
