/** Referrers of an image: manifests with a `subject`, lists of referrers, and tags that are named after a digest. */
import { Option, Schema } from "effect"
import type { Descriptor } from "./Manifest.ts"
import { algorithmOf, DIGEST_PATTERN, USUAL_ALGORITHM } from "./Digest.ts"

/** A manifest whose `subject` is another manifest: a signature, an SBOM, an attestation. */
export interface Referrer extends Descriptor {
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

const Referrers = Schema.fromJsonString(
  Schema.Struct({
    manifests: Schema.NullOr(
      Schema.Array(
        Schema.Struct({
          mediaType: Schema.String,
          digest: Schema.String.check(Schema.isPattern(DIGEST_PATTERN)),
          size: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
          artifactType: Schema.optionalKey(Schema.String),
          annotations: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
        })
      )
    )
  })
)

/** The entries of a list of referrers, which is an index. `None` if the list cannot be parsed. */
export const referrersIn = (bytes: Uint8Array): Option.Option<NonNullable<(typeof Referrers.Type)["manifests"]>> =>
  Option.map(Schema.decodeUnknownOption(Referrers)(new TextDecoder().decode(bytes)), ({ manifests }) => manifests ?? [])

const Subject = Schema.fromJsonString(
  Schema.Struct({
    subject: Schema.optionalKey(Schema.Struct({ digest: Schema.String })),
    artifactType: Schema.optionalKey(Schema.String),
    annotations: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    config: Schema.optionalKey(Schema.NullOr(Schema.Struct({ mediaType: Schema.optionalKey(Schema.String) })))
  })
)

/** The digest of a manifest's `subject`, and the fields that describe the manifest in a list of referrers. */
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

/** The most characters of a digest in a fallback tag. A tag with a whole sha512 digest would be too long for a tag. */
const FALLBACK_DIGITS = 64

/**
 * The tag that lists a digest's referrers in a registry without the referrers API (distribution specification 1.1, "Referrers
 * Tag Schema").
 */
export const fallbackTagOf = (digest: string): string => {
  const colon = digest.indexOf(":")
  return `${digest.slice(0, colon)}-${digest.slice(colon + 1, colon + 1 + FALLBACK_DIGITS)}`
}

/**
 * The tags under which cosign stores an image's signatures, attestations and SBOM, unless it stores referrers. Cosign knows
 * only sha256 digests.
 */
export const cosignTagsOf = (digest: string): ReadonlyArray<string> =>
  algorithmOf(digest) === USUAL_ALGORITHM
    ? [".sig", ".att", ".sbom"].map((suffix) => fallbackTagOf(digest) + suffix)
    : []
