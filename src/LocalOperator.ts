/** The layers of the operator without a cluster: an API server in memory, and copies in this process. */
import { type Config, Effect, type FileSystem, Layer } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { copyLimits, registryConfig } from "./Config.ts"
import type { PolicyFileError } from "./credentials/Policy.ts"
import type { OverlappingScopes } from "./kube/Store.ts"
import { ImageEvents } from "./controller/events/ImageEvents.ts"
import * as Operator from "./controller/Operator.ts"
import { Outcomes } from "./controller/Outcomes.ts"
import { CopyLimits } from "./copy/CopyLimits.ts"
import * as DirectEngine from "./copy/DirectEngine.ts"
import type { KubeClient } from "./kube/KubeClient.ts"
import * as KubeClientMemory from "./kube/KubeClientMemory.ts"
import { Metrics } from "./metrics/Metrics.ts"
import * as Registries from "./Registries.ts"

export interface LocalOperatorOptions {
  /** The file of the policy, by the flag of a command. Default the variable POLICY_FILE. */
  readonly policy?: string
  /** Whether registries are verified if their Image does not say. Default the configuration; registries on this machine are not. */
  readonly tlsVerify?: boolean
}

/** The parts that differ between a run and a process that runs for ever. */
export interface LocalParts<A, E, R, E2> extends LocalOperatorOptions {
  readonly kube: Layer.Layer<KubeClient | A, E, R>
  readonly events: Layer.Layer<ImageEvents, E2, Metrics>
  readonly metrics: Layer.Layer<Metrics>
  readonly outcomes: Layer.Layer<Outcomes>
}

/** The operator over the given parts. */
export const layerOver = <A, E, R, E2>({
  events,
  kube,
  metrics,
  outcomes,
  policy,
  tlsVerify
}: LocalParts<A, E, R, E2>) =>
  Layer.unwrap(
    Effect.map(Effect.all([registryConfig, copyLimits]), ([registry, limits]) =>
      Operator.layer(DirectEngine.layer, registry).pipe(
        Layer.provideMerge(
          Layer.mergeAll(
            Registries.localClient(registry),
            Registries.localCredentials(registry, tlsVerify),
            Registries.policy(registry, policy === undefined ? undefined : { setting: "--policy", path: policy }),
            CopyLimits.layer(limits),
            kube
          )
        ),
        Layer.provideMerge(events),
        Layer.provideMerge(Layer.merge(metrics, outcomes))
      )
    )
  )

/**
 * The operator without a cluster, for `sync`, for `copy`, and for tests. It reads the variables of the command `sync` from the
 * `ConfigProvider`, such as `REGISTRY_CA_FILE` and `HTTPS_PROXY`, and the logins of this machine's user (`docker login`).
 *
 * **Gotchas**
 *
 * - The Images are in memory, and end with the layer.
 * - For an API server, a registry or metrics of your own, compose the parts: `Controller.layer()`, `Reconciler.layer`,
 *   `DestinationClaims.layer`, `ImageStore.layer()` and `DirectEngine.layer`.
 *
 * @example
 * ```ts
 * import { NodeServices } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { Local } from "skopeo-operator"
 *
 * const live = Local.layer({ policy: "policy.yaml" }).pipe(Layer.provide(NodeServices.layer))
 * ```
 */
export const layer = (
  options: LocalOperatorOptions = {}
): Layer.Layer<
  Operator.Services,
  Config.ConfigError | PolicyFileError | OverlappingScopes,
  FileSystem.FileSystem | ChildProcessSpawner.ChildProcessSpawner
> =>
  layerOver({
    ...options,
    kube: KubeClientMemory.layer(),
    // A run has no earlier status to compare with, so it would report the same failures each time.
    events: ImageEvents.layerNone,
    metrics: Metrics.layerNoop,
    outcomes: Outcomes.layer
  })
