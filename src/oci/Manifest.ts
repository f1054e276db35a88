/** Manifests and indexes: their media types and their parts. */
import { Option, Schema } from "effect"
import { DIGEST_PATTERN } from "./Reference.ts"

/** Describes the manifest that a tag or a digest names. `digest` is `sha256:…`; `size` is in bytes. */
export interface Descriptor {
  readonly digest: string
  readonly mediaType: string
  readonly size: number
}

/** A manifest or index. `bytes` are exactly the registry's bytes. */
export interface Manifest extends Descriptor {
  readonly bytes: Uint8Array
}

/** A blob of a known digest (`sha256:…`) and size (bytes). */
export interface BlobDescriptor {
  readonly digest: string
  readonly size: number
}

export const OCI_INDEX = "application/vnd.oci.image.index.v1+json"
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
export const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

/** The media types of indexes. */

export const INDEX_TYPES: ReadonlySet<string> = new Set([OCI_INDEX, DOCKER_LIST])
/** The media types that are requested from a registry: those of everything that can be copied byte for byte. */
/** The media types that are requested from a registry: those of everything that can be copied byte for byte. */
export const MANIFEST_TYPES = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST] as const

/**
 * Docker's first manifests, schema 1. Their digest covers only a part of their bytes, and they give no sizes of layers.
 */
export const isSchema1 = (mediaType: string): boolean =>
  mediaType === "application/vnd.docker.distribution.manifest.v1+json" ||
  mediaType === "application/vnd.docker.distribution.manifest.v1+prettyjws"

/** The pattern of `digest` is strict: a digest becomes part of a request's path, and bytes are checked against it. */
const Part = Schema.Struct({
  mediaType: Schema.optionalKey(Schema.String),
  digest: Schema.String.check(Schema.isPattern(DIGEST_PATTERN)),
  size: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  urls: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String)))
})

const IndexContent = Schema.fromJsonString(Schema.Struct({ manifests: Schema.Array(Part) }))
const ManifestContent = Schema.fromJsonString(Schema.Struct({ config: Part, layers: Schema.Array(Part) }))

export type ManifestPart = typeof Part.Type

/** The parts of a manifest: an index has children, a manifest has blobs (the config first). */
export type ManifestParts =
  | { readonly _tag: "Index"; readonly children: ReadonlyArray<ManifestPart> }
  | { readonly _tag: "Manifest"; readonly blobs: ReadonlyArray<ManifestPart> }

/** Reads a manifest's parts by its media type. `None` if the type is unknown or the manifest cannot be parsed. */
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

/** Whether a layer is foreign: its licence forbids to push it, so a copy keeps only its URL. */
export const isForeign = (part: ManifestPart): boolean =>
  (part.mediaType ?? "").includes(".nondistributable.") || (part.mediaType ?? "").includes("foreign")
