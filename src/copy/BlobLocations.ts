/** Where blobs have been placed before, as hints for mounts. */
import { Context, Effect } from "effect"
import type { Repository } from "../oci/Reference.ts"

/** A blob in a repository, which a copy for a namespace has placed. */
export interface BlobLocation {
  readonly namespace: string
  readonly repository: Repository
  readonly digest: string
}

/**
 * Remembers which repository has which blob, longer than a process lives. The facts are only hints, from which repository a
 * registry may mount a blob: the registry may have lost the blob, and the credential may no longer read the repository. So a
 * copy sends the blob if the registry does not mount it, and never takes a hint for a blob that the destination has.
 *
 * A hint is for copies of the namespace whose copy placed the blob, as `BlobPlacement` explains.
 */
export interface BlobLocations {
  /** The repositories of the same registry that had the blob, the newest first. */
  readonly repositories: (blob: BlobLocation) => Effect.Effect<ReadonlyArray<string>>
  readonly add: (location: BlobLocation) => Effect.Effect<void>
  /** Removes a hint that was wrong. */
  readonly remove: (location: BlobLocation) => Effect.Effect<void>
}

/** Default: nothing is remembered. `BlobLocationsFile.layer` remembers in a file. */
export const BlobLocations = Context.Reference<BlobLocations>("skopeo-operator/copy/BlobLocations", {
  defaultValue: () => ({
    repositories: () => Effect.succeed([]),
    add: () => Effect.void,
    remove: () => Effect.void
  })
})
