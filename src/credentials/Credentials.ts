/** Finds the credential of each registry. */
import { Context, Effect, Layer, Option, Schema } from "effect"
import type { CredentialChoice, RegistrySide } from "../domain/Credential.ts"
import { formatProblem, type Problem } from "../domain/Problem.ts"
import { CREDENTIAL_REASONS } from "../domain/Reason.ts"
import { isLoopbackHost } from "../http/addresses.ts"
import { registryHost, type Repository } from "../oci/Reference.ts"
import type { Credential } from "../registry/RegistryClient.ts"

/** A request for a credential: the side of the copy, the repository, and the Image's choice. */
export interface CredentialRequest {
  readonly side: RegistrySide
  readonly repository: Repository
  /** The Image's namespace. Only Secrets of this namespace are read. */
  readonly namespace: string
  readonly choice: CredentialChoice
}

/**
 * The owner of a credential. Only the owner may allow that the credential is sent to a registry without verified TLS:
 * - `Image`: a Secret that the Image names
 * - `Operator`: the operator's configuration, or its identity in a cloud
 * - `User`: a login of this machine's user, who also chose the Images
 */
export type CredentialOwner = "Image" | "Operator" | "User"

/** A credential with its owner. */
export interface FoundCredential {
  readonly credential: Credential
  readonly owner: CredentialOwner
  /** Set if the credential is not bound to a registry: the risk and the remedy, for users. */
  readonly unbound?: string
}

/** A requested credential is missing or cannot be used. The message is for users and holds no secret. */
export class CredentialError extends Schema.TaggedError<CredentialError>()("CredentialError", {
  reason: Schema.Literals(CREDENTIAL_REASONS),
  /** The Image's field, or the variable, that asks for the credential. `value` is its value. */
  field: Schema.String,
  value: Schema.optionalKey(Schema.Union([Schema.String, Schema.Boolean])),
  detail: Schema.String,
  /** Whether a person must repair the cause. The Image is then Stalled, else the check is retried. */
  stalled: Schema.Boolean
}) {
  get problem(): Problem {
    return { field: this.field, value: this.value, reason: this.reason, message: this.detail }
  }

  override get message(): string {
    return formatProblem(this.problem)
  }
}

/** A source of credentials. `None` if the source has no credential for a request. The next source is then asked. */
export type CredentialSource = (
  request: CredentialRequest
) => Effect.Effect<Option.Option<FoundCredential>, CredentialError>

/** Whether the registries of each side are verified. */
export type TlsVerify = Readonly<Record<RegistrySide, boolean>>

export interface CredentialsOptions {
  /** Default true on both sides. */
  readonly tlsVerify?: TlsVerify
  /** Whether registries on this machine are verified too. Default true. A command sets false: they rarely speak TLS. */
  readonly verifyLoopback?: boolean
}

/**
 * Finds the credentials of repositories in several sources.
 *
 * Layers: `Credentials.layer` with sources, `Credentials.layerAnonymous` without.
 */
export class Credentials extends Context.Service<
  Credentials,
  {
    /** The credential for a repository. `None` means anonymous requests. Fails with a {@link CredentialError}. */
    readonly find: CredentialSource
    /**
     * Whether the operator is configured to verify a registry. This is the default of an Image's `tlsVerify`. `false` allows
     * that the operator's own credentials are sent to the registry without verified TLS.
     */
    readonly verifies: (side: RegistrySide, repository: Repository) => boolean
  }
>()("skopeo-operator/credentials/Credentials") {
  /**
   * The sources in order of rank. The first source with a credential gives it. The failure of a source is final: the
   * next source is not asked.
   *
   * @example
   * ```ts
   * import { NodeServices } from "@effect/platform-node"
   * import { Effect, Layer } from "effect"
   * import { AuthFiles, Credentials, CustomCredentials } from "skopeo-operator"
   *
   * const logins = AuthFiles.make([{ path: "/home/me/.docker/config.json" }], "User")
   * const live = Credentials.layer(Effect.all([CustomCredentials.make, logins])).pipe(Layer.provide(NodeServices.layer))
   * ```
   */
  static readonly layer = <E, R>(
    places: Effect.Effect<ReadonlyArray<CredentialSource>, E, R>,
    { tlsVerify = { source: true, destination: true }, verifyLoopback = true }: CredentialsOptions = {}
  ): Layer.Layer<Credentials, E, R> =>
    Layer.effect(
      Credentials,
      Effect.map(places, (sources) =>
        Credentials.of({
          find: Effect.fnUntraced(
            function* (request) {
              for (const source of sources) {
                const found = yield* source(request)
                if (Option.isSome(found)) return found
              }
              return Option.none()
            },
            (finding, { repository, side }) =>
              Effect.withSpan(finding, "Credentials.find", {
                attributes: { side, registry: repository.registry },
                // Its place in the source is looked for at every call, which takes longer than all else here.
                captureStackTrace: false
              })
          ),
          verifies: (side, { registry }) =>
            tlsVerify[side] && (verifyLoopback || !isLoopbackHost(registryHost(registry)))
        })
      )
    )

  /** No credentials: all requests are anonymous. */
  static readonly layerAnonymous: Layer.Layer<Credentials> = Credentials.layer(Effect.succeed([]))
}
