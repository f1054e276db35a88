/** The media types of manifests, and what the parts of a manifest are. */
import { Option, Schema } from "effect"
import { DIGEST_PATTERN } from "../domain/Reference.ts"

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

const Referrers = Schema.fromJsonString(
  Schema.Struct({
    manifests: Schema.Array(
      Schema.Struct({
        mediaType: Schema.String,
        digest: Schema.String.check(Schema.isPattern(DIGEST_PATTERN)),
        size: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
        artifactType: Schema.optionalKey(Schema.String),
        annotations: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
      })
    )
  })
)

/** What a list of referrers, which is an index, names; `None` if it cannot be read. */
export const referrersIn = (bytes: Uint8Array): Option.Option<(typeof Referrers.Type)["manifests"]> =>
  Option.map(Schema.decodeUnknownOption(Referrers)(new TextDecoder().decode(bytes)), ({ manifests }) => manifests)

const Subject = Schema.fromJsonString(
  Schema.Struct({
    subject: Schema.optionalKey(Schema.Struct({ digest: Schema.String })),
    artifactType: Schema.optionalKey(Schema.String),
    annotations: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    config: Schema.optionalKey(Schema.Struct({ mediaType: Schema.optionalKey(Schema.String) }))
  })
)

/** The digest that a manifest refers to by its `subject`, and how a list of referrers describes it. */
export const subjectOf = (
  bytes: Uint8Array
):
  | { readonly digest: string; readonly artifactType?: string; readonly annotations?: Record<string, string> }
  | undefined => {
  const manifest = Option.getOrUndefined(Schema.decodeUnknownOption(Subject)(new TextDecoder().decode(bytes)))
  if (manifest?.subject === undefined) return undefined
  const artifactType = manifest.artifactType ?? manifest.config?.mediaType
  return {
    digest: manifest.subject.digest,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(manifest.annotations === undefined ? {} : { annotations: manifest.annotations })
  }
}

/** The tag that lists referrers where a registry has no API for them (distribution specification 1.1). */
export const fallbackTagOf = (digest: string): string => digest.replace(":", "-")

/** The tags that cosign keeps an image's signatures, attestations and SBOM under, unless it makes them referrers. */
export const cosignTagsOf = (digest: string): ReadonlyArray<string> =>
  [".sig", ".att", ".sbom"].map((suffix) => fallbackTagOf(digest) + suffix)
