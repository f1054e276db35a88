/** What an image is made of, read from its source and written to its destination: the steps that every copy has. */
import { Effect, Option } from "effect"
import type { Missing } from "../domain/Copy.ts"
import { isForeign, isSchema1, MANIFEST_TYPES, type ManifestPart, partsOf } from "../oci/Manifest.ts"
import { drainOnLimit, type Limited } from "../registry/limits/drainOnLimit.ts"
import type { Manifest } from "../oci/Manifest.ts"
import type { RegistryClient, RepositoryAccess } from "../registry/RegistryClient.ts"
import { onSide, RegistryError } from "../registry/RegistryError.ts"
import type { BlobPlacement, OnBytes } from "./BlobPlacement.ts"

/** What copies are made with. */
export interface CopyTools {
  readonly client: RegistryClient["Service"]
  readonly blobs: BlobPlacement["Service"]
}

export interface ImageContent {
  /** The manifest that the image is named by. */
  readonly root: Manifest
  /** Those below it, a child before its index. */
  readonly children: ReadonlyArray<Manifest>
  /** The blobs of all of them, each once, without those that stay where they are. */
  readonly blobs: ReadonlyArray<ManifestPart>
}

/** From where to where. */
export interface Route {
  readonly source: RepositoryAccess
  readonly destination: RepositoryAccess
  /** What is known to be missing at the destination. */
  readonly missing?: Missing
}

const MANIFESTS_AT_ONCE = 4
const BLOBS_AT_ONCE = 4
/** Indexes that are nested deeper are a mistake, or an attack. */
const DEPTH = 3

export const limited: Limited<RegistryError> = {
  isRateLimited: ({ until }) => until !== undefined,
  postponed: (error, millis) => error.postponed(millis)
}

/** Reads everything below a manifest. */
export const gather = Effect.fnUntraced(function* (
  { client }: CopyTools,
  source: RepositoryAccess,
  root: Manifest
): Effect.fn.Return<ImageContent, RegistryError> {
  const gathered = new Set<string>()
  const blobs = new Map<string, ManifestPart>()

  /** What is below a manifest. */
  const below = (manifest: Manifest, depth: number): Effect.Effect<ReadonlyArray<Manifest>, RegistryError> =>
    Effect.suspend(() => {
      const parts = Option.getOrUndefined(partsOf(manifest))
      if (parts === undefined || depth > DEPTH) {
        return onSide("source")(Effect.fail(unsupported(source, manifest, depth)))
      }
      if (parts._tag === "Manifest") {
        for (const blob of parts.blobs) if (!isForeign(blob)) blobs.set(blob.digest, blob)
        return Effect.succeed([])
      }
      return Effect.map(
        drainOnLimit(parts.children, (child) => read(child.digest, depth + 1), {
          concurrency: MANIFESTS_AT_ONCE,
          limited
        }),
        (children) => children.flat()
      )
    })
  const read = (reference: string, depth: number): Effect.Effect<ReadonlyArray<Manifest>, RegistryError> =>
    Effect.suspend(() => {
      // An index may name a child more than once.
      if (gathered.has(reference)) return Effect.succeed([])
      gathered.add(reference)
      return Effect.flatMap(onSide("source")(client.manifest(source, reference)), (manifest) =>
        Effect.map(below(manifest, depth), (children) => [...children, manifest])
      )
    })

  const children = yield* below(root, 0)
  return { root, children, blobs: [...blobs.values()] }
})

/** Sees to it that an image's blobs are at the destination. */
export const placeBlobs = (
  { blobs: placement }: CopyTools,
  route: Route,
  { blobs, root }: ImageContent,
  onBytes: OnBytes
): Effect.Effect<void, RegistryError> =>
  Effect.asVoid(
    drainOnLimit(blobs, (blob) => placement.place({ ...route, image: root.digest, blob, onBytes }), {
      concurrency: BLOBS_AT_ONCE,
      limited
    })
  )

/** Writes what is below an image's root, each under its digest: siblings at once, an index after them. */
export const writeChildren = Effect.fnUntraced(function* (
  { client }: CopyTools,
  { destination }: Route,
  { children }: ImageContent,
  onBytes: OnBytes
): Effect.fn.Return<void, RegistryError> {
  const write = (manifest: Manifest) =>
    Effect.map(onSide("destination")(client.putManifest(destination, manifest.digest, manifest)), () =>
      onBytes(manifest.size, true)
    )
  yield* drainOnLimit(
    children.filter((manifest) => !isIndex(manifest)),
    write,
    { concurrency: MANIFESTS_AT_ONCE, limited }
  )
  yield* Effect.forEach(children.filter(isIndex), write, { discard: true })
})

const isIndex = (manifest: Manifest): boolean => Option.getOrUndefined(partsOf(manifest))?._tag === "Index"

const unsupported = (source: RepositoryAccess, manifest: Manifest, depth: number): RegistryError =>
  RegistryError.of("UnsupportedManifest", source.repository, `${manifest.digest} ${whyUnsupported(manifest, depth)}`)

const whyUnsupported = ({ mediaType }: Manifest, depth: number): string => {
  if (depth > DEPTH) return `is an index nested more than ${DEPTH} deep`
  if (isSchema1(mediaType)) {
    return "is an image of Docker's schema 1, which cannot be copied byte for byte and must be pushed again by a newer client"
  }
  return MANIFEST_TYPES.some((type) => type === mediaType)
    ? "cannot be read: it is broken, or names parts by something else than sha256 digests"
    : `is of type ${mediaType || "unknown"}, which cannot be copied`
}
