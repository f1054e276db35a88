/** The parts of an image: read from the source, and written to the destination. Every copy has these steps. */
import { Effect, Result } from "effect"
import type { Missing } from "../domain/Copy.ts"
import {
  type Descriptor,
  INDEX_TYPES,
  isForeign,
  type Manifest,
  type ManifestPart,
  platformIn,
  readParts
} from "../oci/Manifest.ts"
import { drainOnLimit, type Limited } from "../registry/limits/drainOnLimit.ts"
import type { RegistryClient, RepositoryAccess } from "../registry/RegistryClient.ts"
import { excerpt } from "../text/line.ts"
import { onSide, RegistryError } from "../registry/RegistryError.ts"
import type { BlobPlacement, OnBytes } from "./BlobPlacement.ts"

/** The services that a copy uses. */
export interface CopyTools {
  readonly client: RegistryClient["Service"]
  readonly blobs: BlobPlacement["Service"]
}

export interface ImageContent {
  /** The manifest or index with the image's digest. */
  readonly root: Manifest
  /**
   * The manifests below the root. A child comes before its index. Only the first manifests have their bytes: a copy holds
   * at most {@link HELD_BYTES}.
   */
  readonly children: ReadonlyArray<Descriptor | Manifest>
  /** The blobs of all manifests, each once. Foreign layers are left out: they are not copied. */
  readonly blobs: ReadonlyArray<ManifestPart>
  /** The digests of the foreign layers. */
  readonly foreign: ReadonlySet<string>
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
/**
 * The most manifests and blobs below one root, and the most bytes of these manifests. The largest images in use have some
 * fifty platforms, with an attestation each, and some hundred layers.
 */
const MOST = { manifests: 500, bytes: 32 * 1024 * 1024, blobs: 10_000 }
/**
 * The most bytes of manifests that one copy holds until it writes them. Real images have less. A manifest that is not held is
 * read again.
 */
const HELD_BYTES = 2 * 1024 * 1024

/** A failure with a time of the next request stops the rest of a copy. */
export const limited: Limited<RegistryError> = {
  isRateLimited: ({ until }) => until !== undefined,
  delayed: (error, millis) => error.delayed(millis)
}

/** Reads all manifests below a manifest, and lists their blobs. */
export const gather = Effect.fnUntraced(function* (
  { client }: Pick<CopyTools, "client">,
  source: RepositoryAccess,
  root: Manifest
): Effect.fn.Return<ImageContent, RegistryError> {
  const gathered = new Set<string>()
  const blobs = new Map<string, ManifestPart>()
  const foreign = new Set<string>()
  let bytes = 0

  const unsupported = ({ digest }: Descriptor, why: string) =>
    onSide("source")(Effect.fail(RegistryError.of("UnsupportedManifest", source.repository, `${digest} ${why}`)))
  const tooLarge = (what: string) =>
    unsupported(
      root,
      `has more than ${what} below it, the most that are copied of one image; name the platforms to copy in spec.platforms (copy: --platform), or split the image`
    )

  /** Explains a child that the source lacks, as in an index whose other platforms were not copied. */
  const sparse =
    (index: Descriptor, child: ManifestPart) =>
    (error: RegistryError): RegistryError => {
      if (error.reason._tag !== "NotFound") return error
      const platform = platformIn(child)
      const named = platform === undefined ? "a manifest" : `the manifest of ${excerpt(platform, 100)}`
      return error.withDetail(
        `the index ${index.digest} names ${named}, ${child.digest}, which the source lacks; name the platforms that it has in spec.platforms (copy: --platform), or push the image whole; ${error.detail}`
      )
    }

  /** The manifests below a manifest. */
  const below = (manifest: Manifest, depth: number): Effect.Effect<ReadonlyArray<Descriptor>, RegistryError> =>
    Effect.suspend(() => {
      if (depth > DEPTH) return unsupported(manifest, `is an index nested more than ${DEPTH} deep`)
      const result = readParts(manifest)
      if (Result.isFailure(result)) return unsupported(manifest, result.failure.why)
      const parts = result.success
      for (const blob of parts.blobs) {
        if (isForeign(blob)) foreign.add(blob.digest)
        else blobs.set(blob.digest, blob)
      }
      if (blobs.size + foreign.size > MOST.blobs) return tooLarge(`${MOST.blobs} blobs`)
      if (parts._tag === "Manifest") return Effect.succeed([])
      // A list that is too long is refused before its first child is read.
      const named = new Set(parts.children.map(({ digest }) => digest)).union(gathered)
      if (named.size > MOST.manifests) return tooLarge(`${MOST.manifests} manifests`)
      return Effect.map(
        drainOnLimit(parts.children, (child) => read(child, depth + 1, manifest), {
          concurrency: MANIFESTS_AT_ONCE,
          limited
        }),
        (children) => children.flat()
      )
    })
  const read = (
    child: ManifestPart,
    depth: number,
    index: Descriptor
  ): Effect.Effect<ReadonlyArray<Descriptor>, RegistryError> =>
    Effect.suspend(() => {
      // An index may name a child more than once.
      if (gathered.has(child.digest)) return Effect.succeed([])
      gathered.add(child.digest)
      const reading = Effect.mapError(client.manifest(source, child.digest), sparse(index, child))
      return Effect.flatMap(onSide("source")(reading), (manifest) => {
        bytes += manifest.bytes.length
        if (bytes > MOST.bytes) return tooLarge(`${MOST.bytes / 1024 ** 2} MiB of manifests`)
        const { digest, mediaType, size } = manifest
        const held = bytes > HELD_BYTES ? { digest, mediaType, size } : manifest
        return Effect.map(below(manifest, depth), (children) => [...children, held])
      })
    })

  const children = yield* below(root, 0)
  return { root, children, blobs: [...blobs.values()], foreign }
})

/** Places an image's blobs at the destination. `onBytesOf` gives the listener of each blob. */
export const placeBlobs = (
  { blobs: placement }: CopyTools,
  ends: Ends,
  { blobs, root }: ImageContent,
  onBytesOf: (blob: ManifestPart) => OnBytes
): Effect.Effect<void, RegistryError> =>
  Effect.asVoid(
    drainOnLimit(blobs, (blob) => placement.place({ ...ends, image: root.digest, blob, onBytes: onBytesOf(blob) }), {
      concurrency: BLOBS_AT_ONCE,
      limited
    })
  )

/**
 * Writes a manifest. A registry may refuse a manifest because it lacks a foreign layer, which was left out on purpose: then the
 * error says so.
 */
export const writeManifest = (
  { client }: CopyTools,
  { destination }: Pick<Ends, "destination">,
  reference: string,
  manifest: Manifest,
  { foreign }: Pick<ImageContent, "foreign">
) =>
  client.putManifest(destination, reference, manifest).pipe(
    Effect.mapError((error) => {
      const layer = [...foreign].find((digest) => error.detail.includes(digest))
      return layer === undefined
        ? error
        : RegistryError.of(
            "UnsupportedManifest",
            destination.repository,
            `this registry takes no image with the foreign layer ${layer}: its licence forbids to push the layer, so a copy has only the layer's URL; permit such URLs in the registry (distribution: validation.manifests.urls.allow), or leave the tag out; ${error.detail}`
          )
    }),
    onSide("destination")
  )

/** Writes the manifests below an image's root, each under its digest: first the manifests, then the indexes in order. */
export const writeChildren = Effect.fnUntraced(function* (
  tools: CopyTools,
  ends: Ends,
  content: ImageContent,
  onBytes: OnBytes
): Effect.fn.Return<void, RegistryError> {
  const { children } = content
  const { client } = tools
  const write = (child: Descriptor | Manifest) =>
    ("bytes" in child ? Effect.succeed(child) : onSide("source")(client.manifest(ends.source, child.digest))).pipe(
      Effect.flatMap((manifest) => writeManifest(tools, ends, child.digest, manifest, content)),
      Effect.map(() => onBytes(child.size, true))
    )
  yield* drainOnLimit(
    children.filter((child) => !isIndex(child)),
    write,
    { concurrency: MANIFESTS_AT_ONCE, limited }
  )
  yield* Effect.forEach(children.filter(isIndex), write, { discard: true })
})

/** The manifest was read and has parts, so its type decides. */
const isIndex = ({ mediaType }: Descriptor): boolean => INDEX_TYPES.has(mediaType)
