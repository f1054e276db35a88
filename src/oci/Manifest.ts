/** Manifests and indexes: their media types and their parts. */
import { Option, Result, Schema } from "effect"
import { excerpt } from "../text/line.ts"
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
export const MANIFEST_TYPES = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST] as const

/**
 * Docker's first manifests, schema 1. Their digest covers only a part of their bytes, and they give no sizes of layers.
 */
export const isSchema1 = (mediaType: string): boolean =>
  mediaType === "application/vnd.docker.distribution.manifest.v1+json" ||
  mediaType === "application/vnd.docker.distribution.manifest.v1+prettyjws"

/** Why an image of {@link isSchema1} is not copied, and the remedy. The text is read after the image's tag or digest. */
export const IS_SCHEMA_1 =
  "is an image of Docker's schema 1, which cannot be copied byte for byte; push the image again with a newer client"

/** The pattern of `digest` is strict: a digest becomes part of a request's path, and bytes are checked against it. */
const Part = Schema.Struct({
  mediaType: Schema.optionalKey(Schema.String),
  digest: Schema.String.check(Schema.isPattern(DIGEST_PATTERN)),
  size: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  urls: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String)))
})

const IndexContent = Schema.Struct({ manifests: Schema.Array(Part) })
const ManifestContent = Schema.Struct({ config: Part, layers: Schema.Array(Part) })

export type ManifestPart = typeof Part.Type

/** The parts of a manifest: an index has children, a manifest has blobs (the config first). */
export type ManifestParts =
  | { readonly _tag: "Index"; readonly children: ReadonlyArray<ManifestPart> }
  | { readonly _tag: "Manifest"; readonly blobs: ReadonlyArray<ManifestPart> }

/** The bytes of a manifest and the type that its registry names. */
type Document = Pick<Manifest, "mediaType" | "bytes">

/** Why a document has no parts. The text is read after the document's tag or digest. */
export interface Unreadable {
  /** `Ambiguous`: another tool may read the document as another image than this one, as in CVE-2021-41190. */
  readonly _tag: "Ambiguous" | "Unsupported"
  readonly why: string
}

type Fields = Readonly<Record<string, unknown>>
const Fields = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

/** The fields by which some reader takes a document for an index, a manifest, or an image of schema 1. */
const OF_INDEX = ["manifests"]
const OF_MANIFEST = ["config", "layers"]
const OF_SCHEMA_1 = ["fsLayers", "history"]
const DECISIVE: ReadonlyMap<string, string> = new Map(
  ["mediaType", ...OF_INDEX, ...OF_MANIFEST, ...OF_SCHEMA_1].map((field) => [field.toLowerCase(), field])
)

/** Go's JSON ignores the case of a field, by Unicode: the Kelvin sign is a k. */
const folded = (field: string): string => field.toUpperCase().toLowerCase()

/** Why readers may disagree about a document with these fields. `undefined` if every reader agrees. */
const ambiguityOf = (document: Fields, mediaType: string): string | undefined => {
  // Go takes null for a missing field.
  const fields = Object.entries(document).filter(([, value]) => value !== null)
  const misspelt = fields.find(([field]) => (DECISIVE.get(folded(field)) ?? field) !== field)
  if (misspelt !== undefined) {
    return `some tools read the field ${excerpt(misspelt[0], 20)} as ${DECISIVE.get(folded(misspelt[0])) ?? ""}`
  }
  const isIndex = INDEX_TYPES.has(mediaType)
  const others = new Set([...(isIndex ? OF_MANIFEST : OF_INDEX), ...OF_SCHEMA_1])
  const other = fields.find(([field]) => others.has(field))
  if (other !== undefined) return `${isIndex ? "an index" : "a manifest"} with the field ${other[0]}`
  const stated = document["mediaType"]
  return typeof stated === "string" && stated !== mediaType
    ? `the document says that its type is ${excerpt(stated, 100)}, and the registry says ${mediaType}`
    : undefined
}

const unsupported = (why: string) => Result.fail<Unreadable>({ _tag: "Unsupported", why })

/** Reads a manifest's parts by its media type, or says why the manifest has none. */
export const readParts = ({ bytes, mediaType }: Document): Result.Result<ManifestParts, Unreadable> => {
  if (isSchema1(mediaType)) return unsupported(IS_SCHEMA_1)
  if (!MANIFEST_TYPES.some((type) => type === mediaType)) {
    return unsupported(`is of type ${excerpt(mediaType, 100) || "unknown"}, which cannot be copied`)
  }
  const fields = Option.getOrUndefined(Schema.decodeUnknownOption(Fields)(new TextDecoder().decode(bytes)))
  const ambiguity = fields === undefined ? undefined : ambiguityOf(fields, mediaType)
  if (ambiguity !== undefined) {
    return Result.fail({
      _tag: "Ambiguous",
      why: `is ambiguous: ${ambiguity}; push the image again with a current tool`
    })
  }
  const parts = INDEX_TYPES.has(mediaType) ? childrenIn(fields) : blobsIn(fields)
  return Option.match(parts, {
    onNone: () => unsupported("cannot be read: the manifest is broken, or names a part without a sha256 digest"),
    onSome: Result.succeed
  })
}

const childrenIn = (fields: Fields | undefined): Option.Option<ManifestParts> =>
  Option.map(Schema.decodeUnknownOption(IndexContent)(fields), ({ manifests }) => ({
    _tag: "Index",
    children: manifests
  }))

const blobsIn = (fields: Fields | undefined): Option.Option<ManifestParts> =>
  Option.map(Schema.decodeUnknownOption(ManifestContent)(fields), ({ config, layers }) => ({
    _tag: "Manifest",
    blobs: [config, ...layers]
  }))

/** The parts of a manifest. `None` if {@link readParts} fails. */
export const partsOf = (manifest: Document): Option.Option<ManifestParts> => Result.getSuccess(readParts(manifest))

/** Whether a layer is foreign: its licence forbids to push it, so a copy keeps only its URL. */
export const isForeign = (part: ManifestPart): boolean =>
  (part.mediaType ?? "").includes(".nondistributable.") || (part.mediaType ?? "").includes("foreign")
