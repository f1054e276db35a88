/**
 * Copies what refers to an image: OCI referrers, by the API for them or by the tag that stands in for it, and cosign's
 * tags named after a digest (both layouts are published by their projects).
 */
import { Effect, Option } from "effect"
import { digestOf } from "../oci/Digest.ts"
import { cosignTagsOf, fallbackTagOf, referrersIn } from "../oci/Referrers.ts"
import { OCI_INDEX } from "../oci/Manifest.ts"
import { drainOnLimit } from "../registry/limits/drainOnLimit.ts"
import type { Referrer } from "../oci/Referrers.ts"
import { onSide, type RegistryError } from "../registry/RegistryError.ts"
import type { OnBytes } from "./BlobPlacement.ts"
import { type CopyTools, gather, limited, placeBlobs, type Route, writeChildren } from "./ImageContent.ts"

/** A signature of an SBOM is of use; referrers further from the image may be a loop. */
const DEPTH = 2

type Copying = Effect.Effect<void, RegistryError>

/** Brings everything that refers to one of the digests and is not at the destination yet. */
export const copyReferrers = (
  tools: CopyTools,
  route: Route,
  subjects: ReadonlyArray<string>,
  onBytes: OnBytes
): Copying =>
  Effect.forEach(
    subjects,
    (subject) =>
      Effect.andThen(
        copyReferrersOf(tools, route, subject, onBytes, DEPTH),
        copyCosignTags(tools, route, subject, onBytes)
      ),
    { discard: true }
  )

const copyReferrersOf = (tools: CopyTools, route: Route, subject: string, onBytes: OnBytes, depth: number): Copying =>
  Effect.gen(function* () {
    const { client } = tools
    const referrers = yield* onSide("source")(client.referrers(route.source, subject))
    if (referrers.length === 0) return
    const present = new Set(
      (yield* onSide("destination")(client.referrers(route.destination, subject))).map(({ digest }) => digest)
    )
    const unlisted: Array<Referrer> = []
    for (const referrer of referrers) {
      // First what refers to it, as its own subject's tag comes after it.
      if (depth > 1) yield* copyReferrersOf(tools, route, referrer.digest, onBytes, depth - 1)
      if (present.has(referrer.digest)) continue
      const written = yield* write(tools, route, referrer.digest, referrer.digest, onBytes)
      if (Option.isSome(written) && Option.isNone(written.value.subject)) unlisted.push(referrer)
    }
    if (unlisted.length > 0) yield* listByTag(tools, route, subject, unlisted)
  })

/** Where the destination keeps no list of referrers, the specification has clients keep one under a tag. */
const listByTag = Effect.fnUntraced(function* (
  { client }: CopyTools,
  { destination }: Route,
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

const copyCosignTags = (tools: CopyTools, route: Route, subject: string, onBytes: OnBytes): Copying =>
  drainOnLimit(
    cosignTagsOf(subject),
    Effect.fnUntraced(function* (tag) {
      const { client } = tools
      const desired = Option.getOrUndefined(yield* onSide("source")(client.head(route.source, tag)))
      if (desired === undefined) return
      const found = Option.getOrUndefined(yield* onSide("destination")(client.head(route.destination, tag)))
      if (found?.digest !== desired.digest) yield* write(tools, route, desired.digest, tag, onBytes)
    }),
    { concurrency: 3, limited }
  ).pipe(Effect.asVoid)

/** `None` if it has gone meanwhile: lists of referrers, those under tags above all, outlive what they name. */
const write = Effect.fnUntraced(function* (
  tools: CopyTools,
  route: Route,
  digest: string,
  reference: string,
  onBytes: OnBytes
) {
  const { client } = tools
  const found = yield* client.manifest(route.source, digest).pipe(
    Effect.map(Option.some),
    Effect.catchReason("RegistryError", "NotFound", () => Effect.succeed(Option.none())),
    onSide("source")
  )
  if (Option.isNone(found)) return Option.none()
  const content = yield* Effect.mapError(gather(tools, route.source, found.value), explained)
  yield* placeBlobs(tools, route, content, onBytes)
  yield* writeChildren(tools, route, content, onBytes)
  const written = yield* onSide("destination")(client.putManifest(route.destination, reference, content.root))
  onBytes(content.root.size, true)
  return Option.some(written)
})

/** A referrer that cannot be copied fails the copy: an image without its signatures has to be asked for. */
const explained = (error: RegistryError): RegistryError =>
  error.reason._tag === "UnsupportedManifest"
    ? error.withDetail(`${error.detail}; it refers to an image, which referrers: false copies without it`)
    : error
