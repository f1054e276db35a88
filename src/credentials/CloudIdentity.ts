/** Credentials of Images that ask for the operator's own identity in a cloud. */
import { Effect, Option } from "effect"
import { fieldOfChoice } from "../domain/Credential.ts"
import { CredentialProvider, type ProviderError } from "./CredentialProvider.ts"
import { CredentialError, type CredentialRequest, type CredentialSource } from "./Credentials.ts"

/**
 * A source that answers every request for the cloud identity, or fails. Other requests get `None`.
 *
 * @example
 * ```ts
 * Credentials.layer(Effect.all([CloudIdentity.make])).pipe(Layer.provide(AwsEcr.layer({ variables })))
 * ```
 */
export const make: Effect.Effect<CredentialSource, never, CredentialProvider> = Effect.map(
  CredentialProvider,
  (provider) => (request) =>
    request.choice._tag === "AwsIdentity"
      ? provider.credential(request.repository.registry).pipe(
          Effect.map((credential) => Option.some({ credential, owner: "Operator" as const })),
          Effect.mapError(failure(request))
        )
      : Effect.succeed(Option.none())
)

const failure =
  ({ choice, side }: CredentialRequest) =>
  ({ detail, kind }: ProviderError): CredentialError =>
    new CredentialError({
      reason: kind === "Failed" ? "AwsIdentityFailed" : "AwsIdentityUnavailable",
      field: fieldOfChoice(side, choice),
      value: true,
      detail,
      stalled: kind !== "Failed"
    })
