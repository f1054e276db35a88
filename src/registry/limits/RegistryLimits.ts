/** The port to the rate limits of registries, for everything that shares these limits. */
import { Context, type Effect, type Scope } from "effect"
import type { RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"

/** The requests that a registry still allows a credential, as far as the registry reports them. */
export interface Allowance {
  /** Whether reading a manifest costs, or may cost, a part of a limit. A digest is then requested by HEAD. */
  readonly metered: boolean
  readonly quota?: {
    readonly limit: number
    readonly remaining: number
    readonly windowMillis?: number
    readonly counts: "Pulls" | "Requests"
    /** The owner of the quota: a user or an address. */
    readonly source?: string
  }
  /** The time of the next request, in milliseconds since the epoch, while no request is allowed. */
  readonly until?: number
}

/** Observes answers to requests. `registry` is the registry's name in Images. */
export interface RegistryObserver {
  /**
   * Called for each request. `code` is the status, or `none` if there was no answer. `seconds` is the time from the send of the
   * request to the head of the answer.
   */
  readonly answered: (registry: string, method: string, code: string, seconds: number) => void
  /** Called with the remaining requests that a registry reports: the lowest number of all its credentials. */
  readonly quota: (registry: string, remaining: number, limit: number) => void
  /** Called while a rate limit holds requests back, with the time of the next request in milliseconds since the epoch. */
  readonly held: (registry: string, until: number) => void
}

/** The owner of a request, such as a namespace. The queue serves the owners in rounds. */
export const RequestedFor = Context.Reference<string>("skopeo-operator/registry/RequestedFor", {
  defaultValue: () => ""
})

/**
 * The rate limits of registries. The layers of {@link RegistryClient} provide this service, because requests and
 * reservations share one account for each registry and credential.
 */
export class RegistryLimits extends Context.Service<
  RegistryLimits,
  {
    /** The requests that a registry still allows. Sends no request. */
    readonly allowance: (access: RepositoryAccess) => Effect.Effect<Allowance>
    /**
     * Reserves pulls of manifests for another program, such as a Job, until the scope ends. Fails with `RateLimited`
     * if the registry does not allow that many.
     */
    readonly reserve: (access: RepositoryAccess, pulls: number) => Effect.Effect<void, RegistryError, Scope.Scope>
  }
>()("skopeo-operator/registry/RegistryLimits") {}
