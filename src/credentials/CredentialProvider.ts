/** The identity that this process has in a cloud by where it runs, and the credentials of registries that follow from it. */
import { Context, Effect, Layer, Schema } from "effect"
import type { Credential } from "../registry/RegistryClient.ts"

/**
 * - `OtherRegistry`: the registry is none of this cloud's
 * - `NoIdentity`: this process has no identity there
 * - `Failed`: it has, and could not get a credential with it; it may later
 */
export type ProviderErrorKind = "OtherRegistry" | "NoIdentity" | "Failed"

/** The detail is for users, to be read after the field that asks for the identity; it holds no secret. */
export class ProviderError extends Schema.TaggedError<ProviderError>()("ProviderError", {
  kind: Schema.Literals(["OtherRegistry", "NoIdentity", "Failed"]),
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** Layers: `AwsEcr.layer`; `CredentialProvider.layerNone` for where there is no cloud. */
export class CredentialProvider extends Context.Service<
  CredentialProvider,
  {
    /** The credential for a registry of the cloud's own; short-lived, so ask again for each use. */
    readonly credential: (registry: string) => Effect.Effect<Credential, ProviderError>
  }
>()("skopeo-operator/credentials/CredentialProvider") {
  static readonly layerNone: Layer.Layer<CredentialProvider> = Layer.succeed(CredentialProvider, {
    credential: () =>
      Effect.fail(
        new ProviderError({ kind: "NoIdentity", detail: "asks for the operator's cloud identity, and it has none" })
      )
  })
}
