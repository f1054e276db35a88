/** Container registries, by the OCI distribution specification 1.1. */
import { Context, type Effect, type Option, type Redacted, type Stream } from "effect"
import type { BlobDescriptor, Descriptor, Manifest } from "../oci/Manifest.ts"
import type { Repository } from "../oci/Reference.ts"
import type { Referrer } from "../oci/Referrers.ts"
import type { RegistryError } from "./RegistryError.ts"

/** A login for a registry. */
export interface Credential {
  readonly username: string
  readonly password: Redacted.Redacted
  /** A refresh token that Docker's configuration may have instead of a password: tokens are got with it. */
  readonly identityToken?: Redacted.Redacted
}

/** A repository together with how it is reached. */
export interface RepositoryAccess {
  readonly repository: Repository
  /** false accepts any certificate, or plain HTTP where the host speaks no TLS: skopeo's meaning. */
  readonly tlsVerify: boolean
  readonly credential: Option.Option<Credential>
  /** Why there is no credential though one is configured, and what to do: for the error of a registry that wants one. */
  readonly withheld?: string
}

/**
 * What a registry's answers say beside what was asked for:
 * - `CredentialsForwarded`: the credentials go to a token server of another owner, by the registry's word
 * - `Warning`: `Warning: 299`, a registry's own words to its users
 */
export interface RegistryNotice {
  readonly _tag: "CredentialsForwarded" | "Warning"
  readonly message: string
}

export interface CopyBlobOptions {
  readonly source: RepositoryAccess
  readonly destination: RepositoryAccess
  readonly blob: BlobDescriptor
  /**
   * A repository of the destination's registry to mount the blob from; it need not have it. The destination's own name
   * asks whether the blob is there already, in the same request that begins its upload if it is not.
   */
  readonly mountFrom?: string
  /** Hears of bytes as they pass; a negative number takes back those of an attempt that failed. */
  readonly onBytes?: (bytes: number) => void
}

/**
 * Requests to any registry. Every wait is bounded; what comes back is checked against its digest.
 *
 * Layers: `RegistryClientHttp` for real ones, `RegistryClientMemory` for tests.
 */
export class RegistryClient extends Context.Service<
  RegistryClient,
  {
    /**
     * All tags, in the registry's order; what can be no tag by the distribution specification is left out. A repository
     * that is not there is `NotFound`; a list that is too long to be read is `InvalidAnswer`.
     */
    readonly tags: (access: RepositoryAccess) => Effect.Effect<ReadonlyArray<string>, RegistryError>

    /** What users of a repository should know of what its registry answered of late. */
    readonly notices: (repository: Repository) => Effect.Effect<ReadonlyArray<RegistryNotice>>

    /** What a tag or digest names, without its bytes; `None` if there is no such manifest or repository. */
    readonly head: (
      access: RepositoryAccess,
      reference: string
    ) => Effect.Effect<Option.Option<Descriptor>, RegistryError>

    /** The manifest a tag or digest names. */
    readonly manifest: (access: RepositoryAccess, reference: string) => Effect.Effect<Manifest, RegistryError>

    /** The manifests that refer to a digest; none if the registry knows none. */
    readonly referrers: (
      access: RepositoryAccess,
      digest: string
    ) => Effect.Effect<ReadonlyArray<Referrer>, RegistryError>

    readonly hasBlob: (access: RepositoryAccess, blob: BlobDescriptor) => Effect.Effect<boolean, RegistryError>

    /** A blob's bytes; the stream fails at its end if they are not those of the digest. */
    readonly blob: (access: RepositoryAccess, blob: BlobDescriptor) => Stream.Stream<Uint8Array, RegistryError>

    /** Uploads a blob from a stream, holding no more of it than a chunk. */
    readonly putBlob: <E>(
      access: RepositoryAccess,
      blob: BlobDescriptor,
      bytes: Stream.Stream<Uint8Array, E>
    ) => Effect.Effect<void, RegistryError | E>

    /** Makes a blob of another repository of the same registry one of this, without sending it; `false` if that is not done. */
    readonly mountBlob: (
      access: RepositoryAccess,
      blob: BlobDescriptor,
      from: string
    ) => Effect.Effect<boolean, RegistryError>

    /**
     * Brings a blob from registry to registry, checked on the way, in constant memory. A read that breaks off goes on
     * where it was, a write that breaks off begins again, each a few times. A failure has the `side` that it is of.
     */
    readonly copyBlob: (options: CopyBlobOptions) => Effect.Effect<"Mounted" | "Sent", RegistryError>

    /**
     * Writes a manifest under a tag or its digest; this makes a tag visible, so it comes last. `subject` is what the
     * registry says it now lists the manifest as a referrer of; `None` where it keeps no such list.
     */
    readonly putManifest: (
      access: RepositoryAccess,
      reference: string,
      manifest: Manifest
    ) => Effect.Effect<{ readonly subject: Option.Option<string> }, RegistryError>
  }
>()("skopeo-operator/registry/RegistryClient") {}
