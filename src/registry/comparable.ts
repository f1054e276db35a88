/** Compares a manifest with a digest of another algorithm than that by which its registry names the manifest. */
import { Effect } from "effect"
import { algorithmOf, digestOf } from "../oci/Digest.ts"
import type { Descriptor } from "../oci/Manifest.ts"
import type { RegistryClient, RepositoryAccess } from "./RegistryClient.ts"
import type { RegistryError } from "./RegistryError.ts"

/**
 * A descriptor with a digest by the algorithm of another digest. If the algorithms differ, the manifest is read: no registry
 * answers with two digests.
 */
export const comparable = (
  client: RegistryClient["Service"],
  access: RepositoryAccess,
  reference: string,
  actual: Descriptor,
  other: string
): Effect.Effect<Descriptor, RegistryError> => {
  const algorithm = algorithmOf(other)
  return algorithmOf(actual.digest) === algorithm
    ? Effect.succeed(actual)
    : Effect.map(client.manifest(access, reference), ({ bytes }) => ({ ...actual, digest: digestOf(bytes, algorithm) }))
}
