/** Sources of credentials that a program adds to the operator's own: a vault, a cloud's identity. */
import { Context, Effect, Layer, Option, Schema } from "effect"
import { fieldOfChoice, type RegistrySide } from "../domain/Credential.ts"
import type { Repository } from "../oci/Reference.ts"
import type { Credential } from "../registry/RegistryClient.ts"
import { CredentialError, type CredentialRequest, type CredentialSource } from "./Credentials.ts"

/** A request to a custom source. */
export interface CustomRequest {
  /** The host that the repository's name begins with, such as `ghcr.io` or `registry.corp:5000`. */
  readonly registry: string
  readonly repository: Repository
  /** Whether the credential is to read the source or to write the destination. */
  readonly side: RegistrySide
}

/** A custom source gave no credential this time. The detail is for users and must hold no secret. The check is retried. */
export class CustomCredentialError extends Schema.TaggedError<CustomCredentialError>()("CustomCredentialError", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** Finds the credential of a registry. `None` if the source has none: the next source is asked. */
export type FindCredential = (request: CustomRequest) => Effect.Effect<Option.Option<Credential>, CustomCredentialError>

/** The custom sources, in order of rank. By default there are none. */
export const CustomSources = Context.Reference<ReadonlyArray<FindCredential>>(
  "skopeo-operator/credentials/CustomSources",
  { defaultValue: () => [] }
)

/**
 * Adds a source to `Local.layer` or `Cluster.layer`. The source is asked for the registries of all Images that name no Secret of
 * their own, before the files of `docker login` and the `CREDS_*` variables. Sources that were added earlier come first.
 *
 * **Gotchas**
 *
 * - Provide this layer to the other layer: `Local.layer().pipe(Layer.provide(CustomCredentials.layer(…)))`.
 * - The source is asked for each check and each copy. Cache what is slow or counted, for instance with `Cache`.
 * - The credential counts as the operator's: a policy has to grant it, and an Image with `tlsVerify: false` does not get it.
 *
 * @example
 * ```ts
 * import { Effect, Layer, Option, Redacted } from "effect"
 * import { CustomCredentials, Local } from "skopeo-operator"
 *
 * const robot = CustomCredentials.layer(
 *   Effect.succeed(({ registry }) =>
 *     Effect.succeed(
 *       registry === "registry.corp"
 *         ? Option.some({ username: "robot", password: Redacted.make("…") })
 *         : Option.none()
 *     )
 *   )
 * )
 *
 * const live = Local.layer().pipe(Layer.provide(robot))
 * ```
 */
export const layer = <E, R>(source: Effect.Effect<FindCredential, E, R>): Layer.Layer<never, E, R> =>
  Layer.effect(
    CustomSources,
    Effect.gen(function* () {
      const earlier = yield* CustomSources
      return [...earlier, yield* source]
    })
  )

/**
 * The custom sources as one source of `Credentials.layer`.
 *
 * @example
 * ```ts
 * Credentials.layer(Effect.all([ImageSecrets.make(), CustomCredentials.make]))
 * ```
 */
export const make: Effect.Effect<CredentialSource> = Effect.map(CustomSources, (sources) =>
  Effect.fnUntraced(function* (request) {
    // An Image that names a Secret or an identity gets no other credential.
    if (request.choice._tag !== "Configured") return Option.none()
    const { repository, side } = request
    for (const find of sources) {
      const found = yield* Effect.mapError(find({ registry: repository.registry, repository, side }), failure(request))
      if (Option.isSome(found)) return Option.some({ credential: found.value, owner: "Operator" as const })
    }
    return Option.none()
  })
)

const failure =
  ({ choice, repository, side }: CredentialRequest) =>
  ({ detail }: CustomCredentialError): CredentialError =>
    new CredentialError({
      reason: "CredentialSourceFailed",
      field: fieldOfChoice(side, choice),
      value: repository.registry,
      detail,
      stalled: false
    })
