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
import { RegistryClient } from "../registry/RegistryClient.ts"
import { onSide, type RegistryError } from "../registry/RegistryError.ts"
import { bringBlobs, gather, limited, type Route, writeChildren } from "./ImageContent.ts"
import type { KnownBlobs, OnBytes } from "./KnownBlobs.ts"

/** A signature of an SBOM is of use; what is further from the image is somebody's loop. */
const DEPTH = 2

type Copying = Effect.Effect<void, RegistryError, RegistryClient | KnownBlobs>

/** Brings everything that refers to one of the digests and is not at the destination yet. */
export const copyReferrers = (route: Route, subjects: ReadonlyArray<string>, onBytes: OnBytes): Copying =>
  Effect.forEach(
    subjects,
    (subject) =>
      Effect.andThen(copyReferrersOf(route, subject, onBytes, DEPTH), copyCosignTags(route, subject, onBytes)),
    { discard: true }
  )

const copyReferrersOf = (route: Route, subject: string, onBytes: OnBytes, depth: number): Copying =>
  Effect.gen(function* () {
    const client = yield* RegistryClient
    const referrers = yield* onSide("source")(client.referrers(route.source, subject))
    if (referrers.length === 0) return
    const present = new Set(
      (yield* onSide("destination")(client.referrers(route.destination, subject))).map(({ digest }) => digest)
    )
    const unlisted: Array<Referrer> = []
    for (const referrer of referrers) {
      // First what refers to it, as its own subject's tag comes after it.
      if (depth > 1) yield* copyReferrersOf(route, referrer.digest, onBytes, depth - 1)
      if (present.has(referrer.digest)) continue
      const written = yield* write(route, referrer.digest, referrer.digest, onBytes)
      if (Option.isSome(written) && Option.isNone(written.value.subject)) unlisted.push(referrer)
    }
    if (unlisted.length > 0) yield* listByTag(route, subject, unlisted)
  })

/** Where the destination keeps no list of referrers, the specification has clients keep one under a tag. */
const listByTag = Effect.fnUntraced(function* (
  { destination }: Route,
  subject: string,
  referrers: ReadonlyArray<Referrer>
) {
  const client = yield* RegistryClient
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

const copyCosignTags = (route: Route, subject: string, onBytes: OnBytes): Copying =>
  drainOnLimit(
    cosignTagsOf(subject),
    Effect.fnUntraced(function* (tag) {
      const client = yield* RegistryClient
      const wanted = Option.getOrUndefined(yield* onSide("source")(client.head(route.source, tag)))
      if (wanted === undefined) return
      const found = Option.getOrUndefined(yield* onSide("destination")(client.head(route.destination, tag)))
      if (found?.digest !== wanted.digest) yield* write(route, wanted.digest, tag, onBytes)
    }),
    { concurrency: 3, limited }
  ).pipe(Effect.asVoid)

/** `None` if it has gone meanwhile: lists of referrers, those under tags above all, outlive what they name. */
const write = Effect.fnUntraced(function* (route: Route, digest: string, reference: string, onBytes: OnBytes) {
  const client = yield* RegistryClient
  const found = yield* client.manifest(route.source, digest).pipe(
    Effect.map(Option.some),
    Effect.catchReason("RegistryError", "NotFound", () => Effect.succeed(Option.none())),
    onSide("source")
  )
  if (Option.isNone(found)) return Option.none()
  const content = yield* Effect.mapError(gather(route.source, found.value), explained)
  yield* bringBlobs(route, content, onBytes)
  yield* writeChildren(route, content, onBytes)
  const written = yield* onSide("destination")(client.putManifest(route.destination, reference, content.root))
  onBytes(content.root.size, true)
  return Option.some(written)
})

/** Without it the copy would be one that its signatures do not vouch for: who wants that has to say so. */
const explained = (error: RegistryError): RegistryError =>
  error.reason._tag === "UnsupportedManifest"
    ? error.withDetail(`${error.detail}; it refers to an image, which referrers: false copies without it`)
    : error
