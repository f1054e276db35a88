/** The port to the identity that this process has in a cloud, and to the credentials that the identity gives. */
import { Context, Effect, Layer, Schema } from "effect"
import type { Credential } from "../registry/RegistryClient.ts"

/**
 * - `OtherRegistry`: the registry does not belong to this cloud
 * - `NoIdentity`: this process has no identity in this cloud
 * - `Failed`: the identity gave no credential this time; a later try may succeed
 */
export type ProviderErrorKind = "OtherRegistry" | "NoIdentity" | "Failed"

/**
 * The identity gave no credential. The detail is for users, holds no secret, and is read after the field of the Image.
 */
export class ProviderError extends Schema.TaggedError<ProviderError>()("ProviderError", {
  kind: Schema.Literals(["OtherRegistry", "NoIdentity", "Failed"]),
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/**
 * The identity of this process in a cloud. Layers: `AwsEcr.layer`, and `CredentialProvider.layerNone` outside of a
 * cloud.
 */
export class CredentialProvider extends Context.Service<
  CredentialProvider,
  {
    /** The credential for a registry of the cloud. It is short-lived, so request it for each use. */
    readonly credential: (registry: string) => Effect.Effect<Credential, ProviderError>
  }
>()("skopeo-operator/credentials/CredentialProvider") {
  static readonly layerNone: Layer.Layer<CredentialProvider> = Layer.succeed(CredentialProvider, {
    credential: () =>
      Effect.fail(
        new ProviderError({
          kind: "NoIdentity",
          detail: "asks for the operator's cloud identity, and the operator has none"
        })
      )
  })
}
