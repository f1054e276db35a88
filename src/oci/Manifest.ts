/** Manifests and indexes: their media types and their parts. */
import { Option, Result, Schema } from "effect"
import { excerpt } from "../text/line.ts"
import { DIGEST_PATTERN } from "./Digest.ts"
import { formatPlatform } from "./Platform.ts"

/** Describes the manifest that a tag or a digest names. `digest` is `sha256:…` or `sha512:…`; `size` is in bytes. */
export interface Descriptor {
  readonly digest: string
  readonly mediaType: string
  readonly size: number
}

/** A manifest or index. `bytes` are exactly the registry's bytes. */
export interface Manifest extends Descriptor {
  readonly bytes: Uint8Array
}

/** A blob of a known digest (`sha256:…` or `sha512:…`) and size (bytes). */
export interface BlobDescriptor {
  readonly digest: string
  readonly size: number
}

export const OCI_INDEX = "application/vnd.oci.image.index.v1+json"
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
export const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

/** The artifacts of a draft of OCI 1.1. Tools of 2022 and 2023 made some. */
export const OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"

/** The media types of indexes. */
export const INDEX_TYPES: ReadonlySet<string> = new Set([OCI_INDEX, DOCKER_LIST])

/** The media types that are requested from a registry: those of everything that can be copied byte for byte. */
export const MANIFEST_TYPES = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST, OCI_ARTIFACT] as const

/**
 * Docker's first manifests, schema 1. Their digest covers only a part of their bytes, and they give no sizes of layers.
 */
export const isSchema1 = (mediaType: string): boolean =>
  mediaType === SCHEMA_1 || mediaType === "application/vnd.docker.distribution.manifest.v1+prettyjws"

const SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+json"

/** Why an image of {@link isSchema1} is not copied, and the remedy. The text is read after the image's tag or digest. */
export const IS_SCHEMA_1 =
  "is an image of Docker's schema 1, which cannot be copied byte for byte; push the image again with a newer client"

/** The pattern of `digest` is strict: a digest becomes part of a request's path, and bytes are checked against it. */
const Part = Schema.Struct({
  mediaType: Schema.optionalKey(Schema.String),
  digest: Schema.String.check(Schema.isPattern(DIGEST_PATTERN)),
  size: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  urls: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
  /** Read by {@link platformIn}: a platform of another form is no reason to refuse the manifest. */
  platform: Schema.optionalKey(Schema.Unknown)
})

/** Go writes an empty list as null, and reads null and an absent field alike. */
const Parts = Schema.optionalKey(Schema.NullOr(Schema.Array(Part)))
const IndexContent = Schema.Struct({ manifests: Parts })
const ManifestContent = Schema.Struct({ config: Schema.optionalKey(Schema.NullOr(Part)), layers: Parts })
const ArtifactContent = Schema.Struct({ blobs: Parts })

export type ManifestPart = typeof Part.Type

const PlatformFields = Schema.Struct({
  os: Schema.String,
  architecture: Schema.String,
  variant: Schema.optionalKey(Schema.String)
})

/** The platform that an index names for a child, such as `linux/amd64`. `undefined` if the index names none. */
export const platformIn = ({ platform }: ManifestPart): string | undefined =>
  Option.getOrUndefined(Option.map(Schema.decodeUnknownOption(PlatformFields)(platform), formatPlatform))

/** The parts of a manifest: an index has children and rarely blobs, a manifest has blobs (the config first). */
export type ManifestParts =
  | {
      readonly _tag: "Index"
      readonly children: ReadonlyArray<ManifestPart>
      readonly blobs: ReadonlyArray<ManifestPart>
    }
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
  const others = new Set([
    ...(isIndex || mediaType === OCI_ARTIFACT ? OF_MANIFEST : []),
    ...(isIndex ? [] : OF_INDEX),
    ...OF_SCHEMA_1
  ])
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
  const parts = partsIn(fields, mediaType)
  return Option.match(parts, {
    onNone: () =>
      unsupported(
        "cannot be read: the manifest is broken, or names a part by a digest that is neither sha256 nor sha512"
      ),
    onSome: Result.succeed
  })
}

const partsIn = (fields: Fields | undefined, mediaType: string): Option.Option<ManifestParts> => {
  if (INDEX_TYPES.has(mediaType)) return childrenIn(fields)
  return mediaType === OCI_ARTIFACT ? blobsOfArtifact(fields) : blobsIn(fields)
}

const childrenIn = (fields: Fields | undefined): Option.Option<ManifestParts> =>
  Option.map(Schema.decodeUnknownOption(IndexContent)(fields), ({ manifests }) => ({
    _tag: "Index",
    children: (manifests ?? []).filter((part) => !isBlobInIndex(part)),
    blobs: (manifests ?? []).filter(isBlobInIndex)
  }))

const blobsIn = (fields: Fields | undefined): Option.Option<ManifestParts> =>
  Schema.decodeUnknownOption(ManifestContent)(fields).pipe(
    // A document without both is something that this release does not know.
    Option.filter((content) => "config" in content || "layers" in content),
    Option.map(({ config, layers }) => ({
      _tag: "Manifest",
      blobs: [...(config === null || config === undefined ? [] : [config]), ...(layers ?? [])]
    }))
  )

const blobsOfArtifact = (fields: Fields | undefined): Option.Option<ManifestParts> =>
  Option.map(Schema.decodeUnknownOption(ArtifactContent)(fields), ({ blobs }) => ({
    _tag: "Manifest",
    blobs: blobs ?? []
  }))

/** The parts of a manifest. `None` if {@link readParts} fails. */
export const partsOf = (manifest: Document): Option.Option<ManifestParts> => Result.getSuccess(readParts(manifest))

/**
 * Whether an index names a blob where manifests belong, as BuildKit's cache in a registry does
 * (https://github.com/regclient/regclient/pull/73).
 */
const isBlobInIndex = ({ mediaType = "" }: ManifestPart): boolean =>
  mediaType === "application/vnd.buildkit.cacheconfig.v0" ||
  /^application\/vnd\.(?:oci\.image\.layer|docker\.image\.rootfs)\./u.test(mediaType)

/** Types that say nothing about a document, such as those of a bucket that serves files as a registry. */
const GENERIC_TYPES: ReadonlySet<string> = new Set([
  "",
  "application/json",
  "application/octet-stream",
  "binary/octet-stream",
  "text/plain"
])

/** The most characters of a media type (RFC 6838, section 4.2: 127 on each side of the slash). */
export const MEDIA_TYPE = 255

/**
 * The media type of a manifest. If the registry gives a type that says nothing, the document proves its type: by its own
 * `mediaType`, or by its fields. A document with the fields of several types stays ambiguous ({@link readParts}).
 */
export const provenType = ({ bytes, mediaType }: Document): string => {
  if (!GENERIC_TYPES.has(mediaType)) return mediaType
  const fields = Option.getOrUndefined(Schema.decodeUnknownOption(Fields)(new TextDecoder().decode(bytes)))
  if (fields === undefined) return mediaType
  const stated = fields["mediaType"]
  if (typeof stated === "string") return stated.length > MEDIA_TYPE ? mediaType : stated
  return (
    // Go takes null for a missing field. A field with null proves a type only if no other field does.
    typeBy((field) => (fields[field] ?? null) !== null) ?? typeBy((field) => Object.hasOwn(fields, field)) ?? mediaType
  )
}

/** The type of a document by its fields. */
const typeBy = (has: (field: string) => boolean): string | undefined => {
  if (OF_SCHEMA_1.some(has)) return SCHEMA_1
  if (OF_INDEX.some(has)) return OCI_INDEX
  return OF_MANIFEST.some(has) ? OCI_MANIFEST : undefined
}

/** Whether a layer is foreign: its licence forbids to push it, so a copy keeps only its URL. */
export const isForeign = (part: ManifestPart): boolean =>
  (part.mediaType ?? "").includes(".nondistributable.") || (part.mediaType ?? "").includes("foreign")
