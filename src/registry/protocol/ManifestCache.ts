/** Manifests by digest, the newest of them: what was looked at is not read again to be copied. */
import { formatRepository } from "../../oci/Reference.ts"
import type { Manifest } from "../../oci/Manifest.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import { identityOf } from "../RepositoryAccess.ts"

const REMEMBERED_BYTES = 8 * 1024 * 1024

export class RememberedManifests {
  readonly #manifests = new Map<string, Manifest>()
  #bytes = 0

  /** What was read or written by the same credential. */
  recall(access: RepositoryAccess, digest: string): Manifest | undefined {
    return this.#manifests.get(keyOf(access, digest))
  }

  remember(access: RepositoryAccess, manifest: Manifest): Manifest {
    const key = keyOf(access, manifest.digest)
    if (!this.#manifests.has(key)) this.#bytes += manifest.size
    this.#manifests.set(key, manifest)
    for (const [oldest, { size }] of this.#manifests) {
      if (this.#bytes <= REMEMBERED_BYTES) break
      this.#manifests.delete(oldest)
      this.#bytes -= size
    }
    return manifest
  }
}

const keyOf = ({ credential, repository }: RepositoryAccess, digest: string): string =>
  `${formatRepository(repository)} ${identityOf(credential)} ${digest}`
