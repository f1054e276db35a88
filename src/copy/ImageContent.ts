/** The parts of an image: read from the source, and written to the destination. Every copy has these steps. */
import { Effect, Option } from "effect"
import type { Missing } from "../domain/Copy.ts"
import {
  ambiguityOf,
  IS_SCHEMA_1,
  isForeign,
  isSchema1,
  MANIFEST_TYPES,
  type ManifestPart,
  partsOf
} from "../oci/Manifest.ts"
import { drainOnLimit, type Limited } from "../registry/limits/drainOnLimit.ts"
import type { Manifest } from "../oci/Manifest.ts"
import type { RegistryClient, RepositoryAccess } from "../registry/RegistryClient.ts"
import { onSide, RegistryError } from "../registry/RegistryError.ts"
import { excerpt } from "../text/line.ts"
import type { BlobPlacement, OnBytes } from "./BlobPlacement.ts"

/** The services that a copy uses. */
export interface CopyTools {
  readonly client: RegistryClient["Service"]
  readonly blobs: BlobPlacement["Service"]
}

export interface ImageContent {
  /** The manifest or index with the image's digest. */
  readonly root: Manifest
  /** The manifests below the root. A child comes before its index. */
  readonly children: ReadonlyArray<Manifest>
  /** The blobs of all manifests, each once. Foreign layers are left out: they are not copied. */
  readonly blobs: ReadonlyArray<ManifestPart>
}

/** The two ends of a copy. */
export interface Ends {
  readonly source: RepositoryAccess
  readonly destination: RepositoryAccess
  /** The part that the destination lacks: the tag, or the whole repository. Default: unknown. */
  readonly missing?: Missing
}

const MANIFESTS_AT_ONCE = 4
const BLOBS_AT_ONCE = 4
/** The deepest nesting of indexes. Deeper nesting is a mistake or an attack. */
const DEPTH = 3

/** A failure with a time of the next request stops the rest of a copy. */
export const limited: Limited<RegistryError> = {
  isRateLimited: ({ until }) => until !== undefined,
  delayed: (error, millis) => error.delayed(millis)
}

/** Reads all manifests below a manifest, and lists their blobs. */
export const gather = Effect.fnUntraced(function* (
  { client }: CopyTools,
  source: RepositoryAccess,
  root: Manifest
): Effect.fn.Return<ImageContent, RegistryError> {
  const gathered = new Set<string>()
  const blobs = new Map<string, ManifestPart>()

  /** The manifests below a manifest. */
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

/** Places an image's blobs at the destination. */
export const placeBlobs = (
  { blobs: placement }: CopyTools,
  ends: Ends,
  { blobs, root }: ImageContent,
  onBytes: OnBytes
): Effect.Effect<void, RegistryError> =>
  Effect.asVoid(
    drainOnLimit(blobs, (blob) => placement.place({ ...ends, image: root.digest, blob, onBytes }), {
      concurrency: BLOBS_AT_ONCE,
      limited
    })
  )

/** Writes the manifests below an image's root, each under its digest: first the manifests, then the indexes in order. */
export const writeChildren = Effect.fnUntraced(function* (
  { client }: CopyTools,
  { destination }: Ends,
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

const whyUnsupported = (manifest: Manifest, depth: number): string => {
  const { mediaType } = manifest
  if (depth > DEPTH) return `is an index nested more than ${DEPTH} deep`
  if (isSchema1(mediaType)) return IS_SCHEMA_1
  return MANIFEST_TYPES.some((type) => type === mediaType)
    ? (ambiguityOf(manifest) ?? "cannot be read: the manifest is broken, or names a part without a sha256 digest")
    : `is of type ${excerpt(mediaType, 100) || "unknown"}, which cannot be copied`
}
