/** A multi-platform image reduced to the requested platforms. */
import { Option, Result, Schema } from "effect"
import { algorithmOf, digestOf } from "./Digest.ts"
import type { Manifest } from "./Manifest.ts"
import { formatPlatform, isPlatform, type Platform } from "./Platform.ts"

const Fields = Schema.Record(Schema.String, Schema.Unknown)
const IndexFields = Schema.fromJsonString(
  Schema.StructWithRest(Schema.Struct({ manifests: Schema.Array(Fields) }), [Fields])
)

const PlatformFields = Schema.Struct({
  os: Schema.String,
  architecture: Schema.String,
  variant: Schema.optionalKey(Schema.String)
})

const Entry = Schema.Struct({
  digest: Schema.String,
  platform: Schema.optionalKey(PlatformFields),
  annotations: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
})

const ConfigFields = Schema.fromJsonString(PlatformFields)

/** The annotations of BuildKit that mark an attestation and name the digest of the manifest that it describes. */
const ATTESTATION = { type: "vnd.docker.reference.type", of: "vnd.docker.reference.digest" }
const UNKNOWN = "unknown/unknown"

/**
 * Reduces an index to the manifests of the given platforms and their attestations. The order and all other fields stay.
 * Answers with the same index if nothing is left out. Fails if the index lacks a platform; the failure lists the
 * platforms that the index has.
 */
export const subsetOf = (index: Manifest, platforms: ReadonlyArray<Platform>): Result.Result<Manifest, string> => {
  const content = Option.getOrUndefined(Schema.decodeUnknownOption(IndexFields)(new TextDecoder().decode(index.bytes)))
  if (content === undefined) return Result.fail("is an index that cannot be parsed")
  const entries = content.manifests.map((fields) => ({
    fields,
    entry: Option.getOrUndefined(Schema.decodeUnknownOption(Entry)(fields))
  }))
  const available = entries.flatMap(({ entry }) => (entry?.platform === undefined ? [] : [entry.platform]))
  const missing = platforms.filter((requested) => !available.some((platform) => isPlatform(requested, platform)))
  if (missing.length > 0) {
    const names = [...new Set(available.map(formatPlatform))].filter((name) => name !== UNKNOWN)
    return Result.fail(`has no ${missing.map(formatPlatform).join(", ")}; it has ${names.join(", ") || "no platforms"}`)
  }
  const kept = new Set(
    entries.flatMap(({ entry }) =>
      entry?.platform !== undefined && platforms.some((asked) => isPlatform(asked, entry.platform ?? asked))
        ? [entry.digest]
        : []
    )
  )
  const manifests = entries.flatMap(({ entry, fields }) => {
    if (entry === undefined) return []
    const of = entry.annotations?.[ATTESTATION.type] === undefined ? undefined : entry.annotations[ATTESTATION.of]
    return kept.has(of ?? entry.digest) ? [fields] : []
  })
  if (manifests.length === entries.length) return Result.succeed(index)
  const bytes = Buffer.from(JSON.stringify({ ...content, manifests }))
  return Result.succeed({
    bytes,
    mediaType: index.mediaType,
    digest: digestOf(bytes, algorithmOf(index.digest)),
    size: bytes.length
  })
}

/** The platform that an image's config names. `None` if the config names no platform. */
export const platformOfConfig = (bytes: Uint8Array): Option.Option<Platform> =>
  Schema.decodeUnknownOption(ConfigFields)(new TextDecoder().decode(bytes))
