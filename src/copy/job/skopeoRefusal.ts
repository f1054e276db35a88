/**
 * What Skopeo does not copy with `--all --preserve-digests`, as a run of 1.9.3 shows (test/e2e/ociConformance.e2e.ts). A Job would
 * fail after its pod was scheduled and its image pulled, with words that name no remedy. Pure.
 */
import { Option } from "effect"
import { algorithmOf, USUAL_ALGORITHM } from "../../oci/Digest.ts"
import { INDEX_TYPES, type Manifest, type ManifestPart, OCI_ARTIFACT, partsOf } from "../../oci/Manifest.ts"

const REMEDY = "use COPY_ENGINE=direct"

export const NO_INDEX_OF_INDEXES = `Skopeo copies no index of indexes; ${REMEDY}`

const isUnusual = ({ digest }: Pick<ManifestPart, "digest">): boolean => algorithmOf(digest) !== USUAL_ALGORITHM

/** Why Skopeo does not copy an image of this digest. `undefined` if the digest is no reason. */
export const whyNotByDigest = (digest: string): string | undefined =>
  isUnusual({ digest }) ? `Skopeo copies no sha512 digests; ${REMEDY}` : undefined

/** Why Skopeo does not copy an image with this root. `undefined` if the root is no reason. */
export const whyNotCopied = (root: Manifest): string | undefined => {
  const byDigest = whyNotByDigest(root.digest)
  if (byDigest !== undefined) return byDigest
  if (root.mediaType === OCI_ARTIFACT) return `Skopeo copies no artifacts of the type ${OCI_ARTIFACT}; ${REMEDY}`
  const parts = Option.getOrUndefined(partsOf(root))
  if (parts === undefined) return undefined
  const children = parts._tag === "Index" ? parts.children : []
  if ([...children, ...parts.blobs].some(isUnusual)) return `Skopeo copies no sha512 digests; ${REMEDY}`
  if (parts._tag !== "Index") return undefined
  if (children.some(({ mediaType = "" }) => INDEX_TYPES.has(mediaType))) {
    return NO_INDEX_OF_INDEXES
  }
  if (parts.blobs.length > 0) return `Skopeo copies no index that names layers, such as a cache of BuildKit; ${REMEDY}`
  return undefined
}
