/** The port to container registries, by the OCI distribution specification 1.1. */
import { Context, type Effect, type Option, type Redacted, type Stream } from "effect"
import type { BlobDescriptor, Descriptor, Manifest } from "../oci/Manifest.ts"
import type { Repository } from "../oci/Reference.ts"
import type { Referrer } from "../oci/Referrers.ts"
import type { RegistryError } from "./RegistryError.ts"

/** A login for a registry. */
export interface Credential {
  readonly username: string
  readonly password: Redacted.Redacted
  /** An OAuth 2 refresh token, which Docker's configuration may have instead of a password. */
  readonly identityToken?: Redacted.Redacted
}

/** A repository together with the TLS setting and the credential of its requests. */
export interface RepositoryAccess {
  readonly repository: Repository
  /** false accepts any certificate, and plain HTTP if the host speaks no TLS, as in Skopeo. */
  readonly tlsVerify: boolean
  readonly credential: Option.Option<Credential>
  /**
   * Why a configured credential is not used, and the remedy. The error of a registry that requires a credential says
   * so.
   */
  readonly withheld?: string
  /** Why the registry must have a public address, and the remedy. Absent: the registry may have a private address. */
  readonly publicOnly?: string
  /** What the user sets to make `tlsVerify` false, for messages. Default the Image's field. */
  readonly unverifiedBy?: string
}

/** A notice of a registry to its users: the text of a `Warning: 299` header. */
export interface RegistryNotice {
  readonly message: string
}

/** The options of `copyBlob`. */
export interface CopyBlobOptions {
  readonly source: RepositoryAccess
  readonly destination: RepositoryAccess
  readonly blob: BlobDescriptor
  /**
   * The path of a repository in the destination's registry from which to mount the blob. The repository may lack the
   * blob. The destination's own path finds out whether the destination has the blob, in the same request that begins
   * the upload.
   */
  readonly mountFrom?: string
  /** Called with the number of bytes as they pass. A negative number subtracts the bytes of a failed attempt. */
  readonly onBytes?: (bytes: number) => void
}

/**
 * Sends requests to any registry. Every wait is bounded. Manifests and blobs are checked against their digests. Every
 * method fails with a {@link RegistryError}.
 *
 * Layers: `RegistryClientHttp` for real registries, `RegistryClientMemory` for tests.
 */
export class RegistryClient extends Context.Service<
  RegistryClient,
  {
    /**
     * All tags of a repository, in the registry's order. Names that are not tags by the distribution specification are
     * left out. Fails with `NotFound` if there is no such repository, and with `InvalidAnswer` if the list is too
     * long.
     */
    readonly tags: (access: RepositoryAccess) => Effect.Effect<ReadonlyArray<string>, RegistryError>

    /**
     * The access that another client, such as Skopeo, may get for a repository. The other client sends the credential
     * wherever the registry says, by plain HTTP too. Fails with `CredentialsNotSent` if this client would not send the
     * credential there. The access has no credential if the registry speaks plain HTTP and asks for none.
     */
    readonly delegate: (access: RepositoryAccess) => Effect.Effect<RepositoryAccess, RegistryError>

    /** The notices of a repository's registry in the last 24 hours. */
    readonly notices: (repository: Repository) => Effect.Effect<ReadonlyArray<RegistryNotice>>

    /**
     * Describes the manifest of a tag or digest, without its bytes. `None` if there is no such manifest or repository.
     */
    readonly head: (
      access: RepositoryAccess,
      reference: string
    ) => Effect.Effect<Option.Option<Descriptor>, RegistryError>

    /** Reads the manifest of a tag or digest. Fails with `NotFound` if there is no such manifest or repository. */
    readonly manifest: (access: RepositoryAccess, reference: string) => Effect.Effect<Manifest, RegistryError>

    /** The manifests whose `subject` is a digest. Empty if the registry knows none. */
    readonly referrers: (
      access: RepositoryAccess,
      digest: string
    ) => Effect.Effect<ReadonlyArray<Referrer>, RegistryError>

    /** Whether a repository has a blob. */
    readonly hasBlob: (access: RepositoryAccess, blob: BlobDescriptor) => Effect.Effect<boolean, RegistryError>

    /** The bytes of a blob. The stream fails at its end with `DigestMismatch` if the bytes do not have the digest. */
    readonly blob: (access: RepositoryAccess, blob: BlobDescriptor) => Stream.Stream<Uint8Array, RegistryError>

    /** Uploads a blob from a stream. Holds only one chunk in memory. */
    readonly putBlob: <E>(
      access: RepositoryAccess,
      blob: BlobDescriptor,
      bytes: Stream.Stream<Uint8Array, E>
    ) => Effect.Effect<void, RegistryError | E>

    /**
     * Mounts a blob from another repository of the same registry, without sending bytes. `false` if the registry does
     * not.
     */
    readonly mountBlob: (
      access: RepositoryAccess,
      blob: BlobDescriptor,
      from: string
    ) => Effect.Effect<boolean, RegistryError>

    /**
     * Copies a blob from registry to registry in constant memory, and checks its digest. A broken read is resumed
     * where it stopped, and a broken upload starts over, each a few times. `side` of the error names the registry that
     * failed. `Mounted` also stands for a blob that the destination has already.
     */
    readonly copyBlob: (options: CopyBlobOptions) => Effect.Effect<"Mounted" | "Sent", RegistryError>

    /**
     * Writes a manifest under a tag or its digest. Writing makes the tag visible, so all parts must be there before.
     * `subject` is the digest whose list of referrers now has the manifest. `None` if the registry keeps no such list.
     */
    readonly putManifest: (
      access: RepositoryAccess,
      reference: string,
      manifest: Manifest
    ) => Effect.Effect<{ readonly subject: Option.Option<string> }, RegistryError>
  }
>()("skopeo-operator/registry/RegistryClient") {}
