/** The credential of each side in the CREDS_* variables. */
import { Effect, Option, type Redacted } from "effect"
import type { RegistrySide } from "../domain/Credential.ts"
import type { Repository } from "../oci/Reference.ts"
import type { CredentialSource, FoundCredential } from "./Credentials.ts"
import { isFor } from "./DockerConfig.ts"

/** A configured user name and password. */
export interface ConfiguredCredential {
  readonly username: string
  readonly password: Redacted.Redacted
  /**
   * The only registries that get the password, as `host` or `host/path`. Empty means any registry that an Image names.
   * Any writer of Images can then collect the password.
   */
  readonly registries: ReadonlyArray<string>
}

/** The credential of each side. `None` if the side has no credential. */
export type ConfiguredCredentials = Readonly<Record<RegistrySide, Option.Option<ConfiguredCredential>>>

/**
 * A source of the configured credentials. `None` for a registry to which the credential of the side is not bound.
 *
 * @example
 * ```ts
 * import { Effect, Option, Redacted } from "effect"
 * import { ConfiguredCredentials, Credentials } from "skopeo-operator"
 *
 * const configured = ConfiguredCredentials.make({
 *   source: Option.none(),
 *   destination: Option.some({
 *     username: "robot",
 *     password: Redacted.make("secret"),
 *     registries: ["registry.corp"]
 *   })
 * })
 * const live = Credentials.layer(Effect.all([configured]))
 * ```
 */
export const make = (configured: ConfiguredCredentials): Effect.Effect<CredentialSource> =>
  Effect.succeed(({ repository, side }) => Effect.succeed(find(configured, side, repository)))

const find = (
  configured: ConfiguredCredentials,
  side: RegistrySide,
  repository: Repository
): Option.Option<FoundCredential> => {
  const found = Option.getOrUndefined(configured[side])
  if (found === undefined) return Option.none()
  const { password, registries, username } = found
  if (registries.length > 0) {
    return registries.some((registry) => isFor(registry, repository))
      ? Option.some({ credential: { username, password }, owner: "Operator" })
      : Option.none()
  }
  const name = `CREDS_${side.toUpperCase()}`
  return Option.some({
    credential: { username, password },
    owner: "Operator",
    unbound: `the ${side} credentials go to any registry that an Image names, here ${repository.registry}; set ${name}_REGISTRIES to the hosts of the credentials`
  })
}
