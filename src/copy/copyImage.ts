/** Copies one image from registry to registry: blobs, then manifests, an index after its children, the tag last. */
import { Effect, Option, Stream } from "effect"
import type { CopyProgress } from "../domain/Copy.ts"
import { isForeign, MANIFEST_TYPES, type ManifestPart, partsOf } from "../registry/MediaType.ts"
import { type Manifest, RegistryClient, RegistryError, type RepositoryAccess } from "../registry/RegistryClient.ts"

export interface CopyImageOptions {
  readonly source: RepositoryAccess
  /** The manifest to copy, `sha256:…`. */
  readonly digest: string
  readonly destination: RepositoryAccess
  readonly tag: string
  /** Told whenever more bytes have arrived at the destination. */
  readonly onProgress?: (progress: CopyProgress) => void
}

/** A registry's error, and on which side of the copy it happened. */
export interface SidedError {
  readonly side: "source" | "destination"
  readonly error: RegistryError
}

const BLOBS_AT_ONCE = 4
/** An index of indexes of indexes is somebody's mistake or attack. */
const DEPTH = 3

/**
 * Afterwards the destination has the same bytes under the same digests. If it fails or is interrupted the tag is as it
 * was before; blobs and manifests without a tag may stay.
 */
export const copyImage = Effect.fnUntraced(function* (
  options: CopyImageOptions
): Effect.fn.Return<void, SidedError, RegistryClient> {
  const { destination, digest, source, tag } = options
  const client = yield* RegistryClient
  const at =
    (side: SidedError["side"]) =>
    <A>(effect: Effect.Effect<A, RegistryError>): Effect.Effect<A, SidedError> =>
      Effect.mapError(effect, (error) => ({ side, error }))

  const manifests: Array<Manifest> = []
  const gathered = new Set<string>()
  const blobs = new Map<string, ManifestPart>()

  /** Gathers a manifest, its children first. */
  const gather = Effect.fnUntraced(function* (reference: string, depth: number): Effect.fn.Return<void, SidedError> {
    // An index may name a child more than once.
    if (gathered.has(reference)) return
    gathered.add(reference)
    const manifest = yield* at("source")(client.manifest(source, reference))
    const parts = Option.getOrUndefined(partsOf(manifest))
    if (parts === undefined || depth > DEPTH) {
      return yield* at("source")(Effect.fail(unsupported(source, manifest, depth)))
    }
    if (parts._tag === "Index") {
      yield* Effect.forEach(parts.children, (child) => gather(child.digest, depth + 1), { discard: true })
    } else {
      for (const blob of parts.blobs) if (!isForeign(blob)) blobs.set(blob.digest, blob)
    }
    manifests.push(manifest)
  })
  yield* gather(digest, 0)

  const sizes = [...blobs.values(), ...manifests]
  const total = sizes.reduce((sum, { size }) => sum + size, 0)
  let done = 0
  const arrived = (bytes: number) => {
    done += bytes
    options.onProgress?.({ done, total })
  }
  arrived(0)

  yield* Effect.forEach(
    blobs.values(),
    Effect.fnUntraced(function* (blob) {
      if (yield* at("destination")(client.hasBlob(destination, blob))) return arrived(blob.size)
      const bytes = client.blob(source, blob).pipe(
        Stream.mapError((error): SidedError => ({ side: "source", error })),
        Stream.tap((chunk) => Effect.sync(() => arrived(chunk.length)))
      )
      yield* client
        .putBlob(destination, blob, bytes)
        .pipe(
          Effect.mapError((error): SidedError =>
            error instanceof RegistryError ? { side: "destination", error } : error
          )
        )
    }),
    { concurrency: BLOBS_AT_ONCE, discard: true }
  )

  for (const manifest of manifests) {
    const reference = manifest.digest === digest ? tag : manifest.digest
    yield* at("destination")(client.putManifest(destination, reference, manifest))
    arrived(manifest.size)
  }
})

const unsupported = (source: RepositoryAccess, manifest: Manifest, depth: number): RegistryError =>
  RegistryError.of(
    "UnsupportedManifest",
    source.repository,
    depth > DEPTH
      ? `${manifest.digest} is an index nested more than ${DEPTH} deep`
      : MANIFEST_TYPES.some((type) => type === manifest.mediaType)
        ? `${manifest.digest} cannot be read: it is broken, or names parts by something else than sha256 digests`
        : `${manifest.digest} is of type ${manifest.mediaType || "unknown"}, which cannot be copied byte for byte; images of Docker's schema 1 must be pushed again by a newer client`
  )
