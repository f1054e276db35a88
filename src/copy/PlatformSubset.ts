/** What a registry has of an image's platforms. */
import { Effect, Option, Result, Stream } from "effect"
import { type Manifest, partsOf } from "../oci/Manifest.ts"
import { formatPlatform, isPlatform, type Platform } from "../oci/Platform.ts"
import { platformOfConfig, subsetOf } from "../oci/PlatformSubset.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import { RegistryError } from "../registry/RegistryError.ts"

const CONFIG_BYTES = 4 * 1024 * 1024

/** The manifest to write so that only some platforms are copied; a single manifest is of one platform or the other. */
export const subsetAt = Effect.fnUntraced(function* (
  access: RepositoryAccess,
  digest: string,
  platforms: ReadonlyArray<Platform>
): Effect.fn.Return<Manifest, RegistryError, RegistryClient> {
  const client = yield* RegistryClient
  const manifest = yield* client.manifest(access, digest)
  const parts = Option.getOrUndefined(partsOf(manifest))
  // What cannot be copied at all is told when it is to be copied.
  if (platforms.length === 0 || parts === undefined) return manifest
  const missing = (detail: string) =>
    RegistryError.of("PlatformMissing", access.repository, `${digest} ${detail}; change spec.platforms`)
  if (parts._tag === "Index") {
    return yield* Result.match(subsetOf(manifest, platforms), {
      onFailure: (detail) => Effect.fail(missing(detail)),
      onSuccess: Effect.succeed
    })
  }
  const [config] = parts.blobs
  if (config === undefined || config.size > CONFIG_BYTES) return manifest
  const bytes = Buffer.concat(yield* Stream.runCollect(client.blob(access, config)))
  const found = Option.getOrUndefined(platformOfConfig(bytes))
  if (found !== undefined && platforms.some((asked) => isPlatform(asked, found))) return manifest
  return yield* missing(
    `is of the one platform ${found === undefined ? "that its config does not name" : formatPlatform(found)}`
  )
})
