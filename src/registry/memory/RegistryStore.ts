/** The content of one registry, in memory. `RegistryClientMemory` and `startRegistry` serve it. */
import { digestOf, isDigest } from "../../oci/Digest.ts"
import { subjectOf } from "../../oci/Referrers.ts"
import type { Referrer } from "../../oci/Referrers.ts"

export interface StoredManifest {
  readonly bytes: Uint8Array
  readonly mediaType: string
  readonly digest: string
}

interface StoredRepository {
  readonly tags: Map<string, string>
  readonly manifests: Map<string, StoredManifest>
  readonly blobs: Map<string, Uint8Array>
}

/** Repositories by path. Each repository has its own tags, manifests and blobs, as in a real registry. */
export class RegistryStore {
  readonly #repositories = new Map<string, StoredRepository>()

  /** The tags of a repository in lexical order. `undefined` if there is no such repository. */
  tags(path: string): ReadonlyArray<string> | undefined {
    const repository = this.#repositories.get(path)
    return repository === undefined ? undefined : [...repository.tags.keys()].sort()
  }

  /** The manifest of a tag or digest. `undefined` if there is no such manifest. */
  manifest(path: string, reference: string): StoredManifest | undefined {
    const repository = this.#repositories.get(path)
    return repository?.manifests.get(repository.tags.get(reference) ?? reference)
  }

  blob(path: string, digest: string): Uint8Array | undefined {
    return this.#repositories.get(path)?.blobs.get(digest)
  }

  /** Stores a blob, and returns its digest. `digest` must be one of the blob's digests. Default sha256. */
  putBlob(path: string, bytes: Uint8Array, digest: string = digestOf(bytes)): string {
    this.#open(path).blobs.set(digest, bytes)
    return digest
  }

  /**
   * Stores a manifest under its digest, and under a tag if the reference is a tag. A reference that is a digest must be one of
   * the manifest's digests. Returns the digest: that of the reference, or else sha256.
   */
  putManifest(path: string, reference: string, bytes: Uint8Array, mediaType: string): string {
    const digest = isDigest(reference) ? reference : digestOf(bytes)
    const repository = this.#open(path)
    repository.manifests.set(digest, { bytes, mediaType, digest })
    if (reference !== digest) repository.tags.set(reference, digest)
    return digest
  }

  /** The manifests whose `subject` is a digest, as the referrers API lists them. */
  referrers(path: string, digest: string): ReadonlyArray<Referrer> {
    return [...(this.#repositories.get(path)?.manifests.values() ?? [])].flatMap((manifest) => {
      const subject = subjectOf(manifest.bytes)
      if (subject?.digest !== digest) return []
      const { digest: _, ...described } = subject
      const { bytes, mediaType } = manifest
      return [{ mediaType, digest: manifest.digest, size: bytes.length, ...described }]
    })
  }

  /** Points a tag at a manifest of the repository. */
  putTag(path: string, tag: string, digest: string): void {
    this.#open(path).tags.set(tag, digest)
  }

  /** A blob of any repository. */
  blobOfAny(digest: string): Uint8Array | undefined {
    for (const { blobs } of this.#repositories.values()) {
      const bytes = blobs.get(digest)
      if (bytes !== undefined) return bytes
    }
    return undefined
  }

  /** Deletes a manifest with its tags. */
  deleteManifest(path: string, digest: string): void {
    const repository = this.#repositories.get(path)
    repository?.manifests.delete(digest)
    for (const [tag, named] of repository?.tags ?? []) if (named === digest) repository?.tags.delete(tag)
  }

  deleteTag(path: string, tag: string): void {
    this.#repositories.get(path)?.tags.delete(tag)
  }

  deleteBlob(path: string, digest: string): void {
    this.#repositories.get(path)?.blobs.delete(digest)
  }

  #open(path: string): StoredRepository {
    const known = this.#repositories.get(path)
    if (known !== undefined) return known
    const repository: StoredRepository = { tags: new Map(), manifests: new Map(), blobs: new Map() }
    this.#repositories.set(path, repository)
    return repository
  }
}
