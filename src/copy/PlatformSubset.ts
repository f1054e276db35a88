/** Reads the part of an image that has the given platforms. */
import { Effect, Option, Result, Stream } from "effect"
import { type Manifest, readParts } from "../oci/Manifest.ts"
import { formatPlatform, isPlatform, type Platform } from "../oci/Platform.ts"
import { platformOfConfig, subsetOf } from "../oci/PlatformSubset.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import { RegistryError } from "../registry/RegistryError.ts"

/** The most bytes of a config that is read. The configs of real images have some ten thousand. */
const CONFIG_BYTES = 512 * 1024

/**
 * The manifest to write so that only the given platforms are copied. A single manifest is checked by the platform in its
 * config. Fails with `PlatformMissing` and the remedy if the image lacks a platform, and with `UnsupportedManifest` if a manifest is ambiguous.
 */
export const subsetAt = Effect.fnUntraced(function* (
  access: RepositoryAccess,
  digest: string,
  platforms: ReadonlyArray<Platform>,
  remedy = "change spec.platforms"
): Effect.fn.Return<Manifest, RegistryError, RegistryClient> {
  const client = yield* RegistryClient
  const manifest = yield* client.manifest(access, digest)
  if (platforms.length === 0) return manifest
  const read = readParts(manifest)
  if (Result.isFailure(read)) {
    // The copy reports a manifest that cannot be copied. Of an ambiguous one no subset may be made, and so no copy is tried.
    if (read.failure._tag === "Unsupported") return manifest
    return yield* RegistryError.of("UnsupportedManifest", access.repository, `${digest} ${read.failure.why}`)
  }
  const parts = read.success
  const missing = (detail: string) =>
    RegistryError.of("PlatformMissing", access.repository, `${digest} ${detail}; ${remedy}`)
  if (parts._tag === "Index") {
    return yield* Result.match(subsetOf(manifest, platforms), {
      onFailure: (detail) => Effect.fail(missing(detail)),
      onSuccess: Effect.succeed
    })
  }
  const [config] = parts.blobs
  if (config === undefined || config.size > CONFIG_BYTES) return manifest
  const bytes = Buffer.concat(yield* Stream.runCollect(client.blob(access, config)))
  const actual = Option.getOrUndefined(platformOfConfig(bytes))
  if (actual !== undefined && platforms.some((desired) => isPlatform(desired, actual))) return manifest
  return yield* missing(
    actual === undefined ? "has one platform, which its config does not name" : `has only ${formatPlatform(actual)}`
  )
})
