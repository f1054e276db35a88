/** A cache of the newest manifests by digest, so that a copy does not read a manifest again after a check. */
import { BoundedMap } from "../../collections/BoundedMap.ts"
import { formatRepository } from "../../oci/Reference.ts"
import type { Manifest } from "../../oci/Manifest.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import { identity } from "../RepositoryAccess.ts"

const CAPACITY_BYTES = 8 * 1024 * 1024
/** What an entry takes beside the manifest's bytes: its key, two digests, the objects around them. */
const ENTRY_BYTES = 500

export class ManifestCache {
  readonly #manifests = new BoundedMap<string, Manifest>({
    capacity: CAPACITY_BYTES,
    weigh: ({ bytes }) => bytes.length + ENTRY_BYTES
  })

  /** Finds a manifest that the same credential has read or written. */
  get(access: RepositoryAccess, digest: string): Manifest | undefined {
    return this.#manifests.get(keyOf(access, digest))
  }

  /** Stores a manifest and returns it. */
  set(access: RepositoryAccess, manifest: Manifest): Manifest {
    this.#manifests.set(keyOf(access, manifest.digest), manifest)
    return manifest
  }
}

const keyOf = (access: RepositoryAccess, digest: string): string =>
  `${formatRepository(access.repository)} ${identity(access)} ${digest}`
