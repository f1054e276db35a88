/** The questions of a check to the source or to the destination. Each failure names its side. */
import { Effect, Option } from "effect"
import { subsetAt } from "../../copy/PlatformSubset.ts"
import type { RegistrySide } from "../../domain/Credential.ts"
import type { Descriptor, Manifest } from "../../oci/Manifest.ts"
import type { Platform } from "../../oci/Platform.ts"
import type { Repository } from "../../oci/Reference.ts"
import type { Referrer } from "../../oci/Referrers.ts"
import type { RegistryLimits } from "../../registry/limits/RegistryLimits.ts"
import { comparable } from "../../registry/comparable.ts"
import { RegistryClient, type RepositoryAccess } from "../../registry/RegistryClient.ts"
import { onSide, type RegistryError } from "../../registry/RegistryError.ts"

export interface Side {
  readonly repository: Repository
  /** All tags. Fails with `NotFound` for a missing repository. */
  readonly tags: Effect.Effect<ReadonlyArray<string>, RegistryError>
  /** The manifest's descriptor by HEAD; `undefined` for a missing manifest. */
  readonly head: (reference: string) => Effect.Effect<Descriptor | undefined, RegistryError>
  /** The manifest's descriptor by GET. A copy then need not read the manifest again. */
  readonly read: (reference: string) => Effect.Effect<Descriptor | undefined, RegistryError>
  /**
   * The descriptor whose digest can be compared with another digest: by the algorithm of the other digest. Registries name a
   * manifest by one algorithm, and an Image may name the manifest by another.
   */
  readonly comparable: (
    reference: string,
    actual: Descriptor | undefined,
    other: string
  ) => Effect.Effect<Descriptor | undefined, RegistryError>
  readonly referrers: (digest: string) => Effect.Effect<ReadonlyArray<Referrer>, RegistryError>
  /** The manifest with only the given platforms. */
  readonly subset: (digest: string, platforms: ReadonlyArray<Platform>) => Effect.Effect<Manifest, RegistryError>
  /** Whether the registry's quota counts GETs of manifests and no HEADs. */
  readonly isMetered: Effect.Effect<boolean>
}

export const sideOf = (
  side: RegistrySide,
  access: RepositoryAccess,
  client: RegistryClient["Service"],
  limits: RegistryLimits["Service"]
): Side => {
  const at = onSide(side)
  return {
    repository: access.repository,
    tags: at(client.tags(access)),
    head: (reference) => Effect.map(at(client.head(access, reference)), Option.getOrUndefined),
    read: (reference) =>
      Effect.catchReason(at(client.manifest(access, reference)), "RegistryError", "NotFound", () =>
        Effect.succeed(undefined)
      ),
    comparable: (reference, actual, other) =>
      actual === undefined ? Effect.succeed(actual) : at(comparable(client, access, reference, actual, other)),
    referrers: (digest) => at(client.referrers(access, digest)),
    subset: (digest, platforms) =>
      at(Effect.provideService(subsetAt(access, digest, platforms), RegistryClient, client)),
    isMetered: Effect.map(limits.allowance(access), ({ metered }) => metered)
  }
}
