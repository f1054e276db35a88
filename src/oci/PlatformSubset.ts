/** An image without the platforms that were not asked for. */
import { Option, Result, Schema } from "effect"
import { digestOf } from "./Digest.ts"
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

/** BuildKit's mark of an attestation, and of the manifest that it speaks of. */
const ATTESTATION = { type: "vnd.docker.reference.type", of: "vnd.docker.reference.digest" }
const UNKNOWN = "unknown/unknown"

/**
 * An index with only the manifests of the given platforms, and the attestations of those; everything else in it, and the
 * order, stays. The index itself if nothing is left out. Fails with the platforms that are there if one is not.
 */
export const subsetOf = (index: Manifest, platforms: ReadonlyArray<Platform>): Result.Result<Manifest, string> => {
  const content = Option.getOrUndefined(Schema.decodeUnknownOption(IndexFields)(new TextDecoder().decode(index.bytes)))
  if (content === undefined) return Result.fail("is an index that cannot be read")
  const entries = content.manifests.map((fields) => ({
    fields,
    entry: Option.getOrUndefined(Schema.decodeUnknownOption(Entry)(fields))
  }))
  const there = entries.flatMap(({ entry }) => (entry?.platform === undefined ? [] : [entry.platform]))
  const missing = platforms.filter((asked) => !there.some((found) => isPlatform(asked, found)))
  if (missing.length > 0) {
    const names = [...new Set(there.map(formatPlatform))].filter((name) => name !== UNKNOWN)
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
  return Result.succeed({ bytes, mediaType: index.mediaType, digest: digestOf(bytes), size: bytes.length })
}

/** The platform that an image's config names; `None` if it names none. */
export const platformOfConfig = (bytes: Uint8Array): Option.Option<Platform> =>
  Schema.decodeUnknownOption(ConfigFields)(new TextDecoder().decode(bytes))
