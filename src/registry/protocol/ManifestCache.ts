/** A cache of the newest manifests by digest, so that a copy does not read a manifest again after a check. */
import { formatRepository } from "../../oci/Reference.ts"
import type { Manifest } from "../../oci/Manifest.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import { identity } from "../RepositoryAccess.ts"

const CAPACITY_BYTES = 8 * 1024 * 1024

export class ManifestCache {
  readonly #manifests = new Map<string, Manifest>()
  #bytes = 0

  /** Finds a manifest that the same credential has read or written. */
  get(access: RepositoryAccess, digest: string): Manifest | undefined {
    return this.#manifests.get(keyOf(access, digest))
  }

  /** Stores a manifest and returns the stored one. */
  set(access: RepositoryAccess, manifest: Manifest): Manifest {
    const key = keyOf(access, manifest.digest)
    if (!this.#manifests.has(key)) this.#bytes += manifest.size
    this.#manifests.set(key, manifest)
    for (const [oldest, { size }] of this.#manifests) {
      if (this.#bytes <= CAPACITY_BYTES) break
      this.#manifests.delete(oldest)
      this.#bytes -= size
    }
    return manifest
  }
}

const keyOf = (access: RepositoryAccess, digest: string): string =>
  `${formatRepository(access.repository)} ${identity(access)} ${digest}`
