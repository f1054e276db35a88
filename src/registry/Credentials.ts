/** Which credential goes to which registry. */
import { Context, Layer, Option, type Redacted } from "effect"
import type { Credential } from "./RegistryClient.ts"

/** Source and destination have credentials of their own: one never stands in for the other. */
export type RegistrySide = "source" | "destination"

/** A user name and password as configured; `registries` are the only ones it is sent to. */
export interface ConfiguredCredential {
  readonly username: string
  readonly password: Redacted.Redacted
  /** Empty means any registry an Image names, which lets whoever writes Images collect the password. */
  readonly registries: ReadonlyArray<string>
}

export interface FoundCredential {
  readonly credential: Option.Option<Credential>
  /** Set if the credential is bound to no registry: what is wrong with that and what to set. */
  readonly unbound?: string
}

export class Credentials extends Context.Service<
  Credentials,
  {
    /** The credential for a registry, `docker.io` for Docker Hub. */
    readonly find: (side: RegistrySide, registry: string) => FoundCredential
  }
>()("skopeo-operator/registry/Credentials") {
  /** Credentials from the operator's configuration. */
  static readonly layer = (
    configured: Readonly<Record<RegistrySide, Option.Option<ConfiguredCredential>>>
  ): Layer.Layer<Credentials> =>
    Layer.succeed(Credentials, {
      find: (side, registry) => {
        const found = Option.getOrUndefined(configured[side])
        if (found === undefined) return { credential: Option.none() }
        const { password, registries, username } = found
        if (registries.length > 0 && !registries.includes(registry)) return { credential: Option.none() }
        const credential = Option.some({ username, password })
        if (registries.length > 0) return { credential }
        const name = `CREDS_${side.toUpperCase()}`
        return {
          credential,
          unbound: `the ${side} credentials go to any registry an Image names, here ${registry}; set ${name}_REGISTRIES to the hosts they are for`
        }
      }
    })

  /** No credentials: every registry is asked anonymously. */
  static readonly layerAnonymous: Layer.Layer<Credentials> = Credentials.layer({
    source: Option.none(),
    destination: Option.none()
  })
}
