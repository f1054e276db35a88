/** Which credential goes to which registry. */
import { Context, Effect, Layer, Option, Schema } from "effect"
import type { CredentialChoice, RegistrySide } from "../domain/Credential.ts"
import { formatProblem, type Problem } from "../domain/Problem.ts"
import { CREDENTIAL_REASONS } from "../domain/Reason.ts"
import type { Repository } from "../oci/Reference.ts"
import type { Credential } from "../registry/RegistryClient.ts"

/** Whose credential is looked for, and what for. */
export interface CredentialRequest {
  readonly side: RegistrySide
  readonly repository: Repository
  /** The Image's own: no Secret of another namespace is read for it. */
  readonly namespace: string
  readonly choice: CredentialChoice
}

/**
 * Who a credential belongs to, and so whose word lets it go to a registry that is not verified:
 * - `Image`: a Secret that the Image names
 * - `Operator`: the operator's configuration, or its identity in a cloud
 * - `User`: a login of the user of this machine, who has chosen the Images too
 */
export type CredentialOwner = "Image" | "Operator" | "User"

export interface FoundCredential {
  readonly credential: Credential
  readonly owner: CredentialOwner
  /** Set if the credential is bound to no registry: what is wrong with that and what to set. */
  readonly unbound?: string
}

/** There should be a credential, and it cannot be used. The message is for users and holds no secret. */
export class CredentialError extends Schema.TaggedError<CredentialError>()("CredentialError", {
  reason: Schema.Literals(CREDENTIAL_REASONS),
  /** The Image's field, or the variable, that asks for the credential; and what stands there. */
  field: Schema.String,
  value: Schema.optionalKey(Schema.Union([Schema.String, Schema.Boolean])),
  detail: Schema.String,
  /** Whether it takes a person to mend it: an Image is Stalled then, and else set back. */
  stalled: Schema.Boolean
}) {
  get problem(): Problem {
    return { field: this.field, value: this.value, reason: this.reason, message: this.detail }
  }

  override get message(): string {
    return formatProblem(this.problem)
  }
}

/** One place that credentials come from; `None` where it has nothing for a request, and the next place is asked. */
export type CredentialSource = (
  request: CredentialRequest
) => Effect.Effect<Option.Option<FoundCredential>, CredentialError>

/**
 * Whether the operator is configured to verify the registries of each side: what an Image's unset `tlsVerify` means, and
 * `false` lets the operator's own credentials go unverified.
 */
export type TlsVerify = Readonly<Record<RegistrySide, boolean>>

export interface CredentialsOptions {
  /** Default true on both sides. */
  readonly tlsVerify?: TlsVerify
}

export class Credentials extends Context.Service<
  Credentials,
  {
    /** The credential for a repository; `None` if it is to be asked anonymously. */
    readonly find: CredentialSource
    readonly tlsVerify: TlsVerify
  }
>()("skopeo-operator/credentials/Credentials") {
  /** Places by rank, as `Effect.all([...])` makes them: the first that has a credential gives it; one that fails is not passed over. */
  static readonly layer = <E, R>(
    places: Effect.Effect<ReadonlyArray<CredentialSource>, E, R>,
    { tlsVerify = { source: true, destination: true } }: CredentialsOptions = {}
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
          tlsVerify
        })
      )
    )

  /** No credentials: every registry is asked anonymously. */
  static readonly layerAnonymous: Layer.Layer<Credentials> = Credentials.layer(Effect.succeed([]))
}
