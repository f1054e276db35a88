/** How much may be asked of registries: the port for what shares their limits. */
import { Context, type Effect, type Scope } from "effect"
import type { RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"

/** What may still be asked of a registry with a credential, as far as the registry says so. */
export interface Allowance {
  /** Whether reading a manifest costs something of a limit, or may: then its digest is asked for by HEAD. */
  readonly metered: boolean
  readonly quota?: {
    readonly limit: number
    readonly remaining: number
    readonly windowMillis?: number
    readonly counts: "Pulls" | "Requests"
    /** Whose quota it is: a user's, or an address's. */
    readonly source?: string
  }
  /** While nothing more may be asked for: when that is tried again, in milliseconds since the epoch. */
  readonly until?: number
}

/** Hears of requests as they are answered; `registry` is the name that Images use. */
export interface RegistryObserver {
  /** `code` is the status, or `none` if there was no answer. */
  readonly answered: (registry: string, method: string, code: string) => void
  /** What the registry says is left; of several credentials' the least. */
  readonly quota: (registry: string, remaining: number, limit: number) => void
}

/** On whose behalf a registry is asked, such as a namespace. In a queue the owners take turns. */
export const RequestedFor = Context.Reference<string>("skopeo-operator/registry/RequestedFor", {
  defaultValue: () => ""
})

/**
 * The limits of the registries that a {@link RegistryClient} asks. The layers of that client provide it: there is one
 * account for each registry and credential.
 */
export class RegistryLimits extends Context.Service<
  RegistryLimits,
  {
    /** What may still be asked; asks nothing. */
    readonly allowance: (access: RepositoryAccess) => Effect.Effect<Allowance>
    /**
     * Takes pulls of manifests out of a registry's limit that another program makes, until the scope ends: then they have
     * been made. Fails with `RateLimited` if there are not as many.
     */
    readonly reserve: (access: RepositoryAccess, pulls: number) => Effect.Effect<void, RegistryError, Scope.Scope>
  }
>()("skopeo-operator/registry/RegistryLimits") {}
