/** What a check asks of the source or of the destination. Each failure says which of the two it is of. */
import { Effect, Option } from "effect"
import { subsetAt } from "../../copy/PlatformSubset.ts"
import type { RegistrySide } from "../../domain/Credential.ts"
import type { Descriptor, Manifest } from "../../oci/Manifest.ts"
import type { Platform } from "../../oci/Platform.ts"
import type { Repository } from "../../oci/Reference.ts"
import type { Referrer } from "../../oci/Referrers.ts"
import type { RegistryLimits } from "../../registry/limits/RegistryLimits.ts"
import { RegistryClient, type RepositoryAccess } from "../../registry/RegistryClient.ts"
import { onSide, type RegistryError } from "../../registry/RegistryError.ts"

export interface Side {
  readonly repository: Repository
  /** All tags. A repository that is not there is `NotFound`. */
  readonly tags: Effect.Effect<ReadonlyArray<string>, RegistryError>
  /** What a tag or digest names; `undefined` if there is no such manifest. */
  readonly head: (reference: string) => Effect.Effect<Descriptor | undefined, RegistryError>
  /** The same by reading the manifest, which a copy then need not read again. */
  readonly read: (reference: string) => Effect.Effect<Descriptor | undefined, RegistryError>
  readonly referrers: (digest: string) => Effect.Effect<ReadonlyArray<Referrer>, RegistryError>
  /** The manifest without the platforms that are not asked for. */
  readonly subset: (digest: string, platforms: ReadonlyArray<Platform>) => Effect.Effect<Manifest, RegistryError>
  /** Whether reading a manifest costs something of a limit, and HEAD does not. */
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
    referrers: (digest) => at(client.referrers(access, digest)),
    subset: (digest, platforms) =>
      at(Effect.provideService(subsetAt(access, digest, platforms), RegistryClient, client)),
    isMetered: Effect.map(limits.allowance(access), ({ metered }) => metered)
  }
}
