/** Manifests and indexes: their media types, and what the parts of one are. */
import { Option, Schema } from "effect"
import { DIGEST_PATTERN } from "./Reference.ts"

/** What a tag or digest names: `digest` is `sha256:…`, `size` in bytes. */
export interface Descriptor {
  readonly digest: string
  readonly mediaType: string
  readonly size: number
}

/** A manifest or index, byte for byte as its registry has it. */
export interface Manifest extends Descriptor {
  readonly bytes: Uint8Array
}

/** A blob of a known digest and size. */
export interface BlobDescriptor {
  readonly digest: string
  readonly size: number
}

export const OCI_INDEX = "application/vnd.oci.image.index.v1+json"
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
export const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

/** What is accepted from a registry: everything that can be copied byte for byte. */
export const INDEX_TYPES: ReadonlySet<string> = new Set([OCI_INDEX, DOCKER_LIST])
export const MANIFEST_TYPES = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST] as const

/** Docker's first manifests. Their digest is of a part of their bytes only, and what they are made of has no sizes. */
export const isSchema1 = (mediaType: string): boolean =>
  mediaType === "application/vnd.docker.distribution.manifest.v1+json" ||
  mediaType === "application/vnd.docker.distribution.manifest.v1+prettyjws"

/** A digest becomes part of a path and is what bytes are checked against, so nothing else may stand in its place. */
const Part = Schema.Struct({
  mediaType: Schema.optionalKey(Schema.String),
  digest: Schema.String.check(Schema.isPattern(DIGEST_PATTERN)),
  size: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  urls: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String)))
})

const IndexContent = Schema.fromJsonString(Schema.Struct({ manifests: Schema.Array(Part) }))
const ManifestContent = Schema.fromJsonString(Schema.Struct({ config: Part, layers: Schema.Array(Part) }))

export type ManifestPart = typeof Part.Type

/** What a manifest is made of: an index has children, a manifest has blobs (its config first). */
export type ManifestParts =
  | { readonly _tag: "Index"; readonly children: ReadonlyArray<ManifestPart> }
  | { readonly _tag: "Manifest"; readonly blobs: ReadonlyArray<ManifestPart> }

/** Reads a manifest's parts by its media type; `None` if it is of another type or cannot be read. */
export const partsOf = (manifest: {
  readonly mediaType: string
  readonly bytes: Uint8Array
}): Option.Option<ManifestParts> => {
  const text = new TextDecoder().decode(manifest.bytes)
  switch (manifest.mediaType) {
    case OCI_INDEX:
    case DOCKER_LIST:
      return Option.map(Schema.decodeUnknownOption(IndexContent)(text), ({ manifests }) => ({
        _tag: "Index",
        children: manifests
      }))
    case OCI_MANIFEST:
    case DOCKER_MANIFEST:
      return Option.map(Schema.decodeUnknownOption(ManifestContent)(text), ({ config, layers }) => ({
        _tag: "Manifest",
        blobs: [config, ...layers]
      }))
    default:
      return Option.none()
  }
}

/** Layers that licences forbid to push stay references to where they are; every engine leaves them in place. */
export const isForeign = (part: ManifestPart): boolean =>
  (part.mediaType ?? "").includes(".nondistributable.") || (part.mediaType ?? "").includes("foreign")
