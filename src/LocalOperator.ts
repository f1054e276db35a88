/** The layers of the operator without a cluster: an API server in memory, and copies in this process. */
import type { Config, FileSystem, Layer } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import type { PolicyFileError } from "./credentials/Policy.ts"
import { ImageEvents } from "./controller/events/ImageEvents.ts"
import type * as Operator from "./controller/Operator.ts"
import { Outcomes } from "./controller/Outcomes.ts"
import * as KubeClientMemory from "./kube/KubeClientMemory.ts"
import type { OverlappingScopes } from "./kube/Store.ts"
import { layerOver, type LocalOperatorOptions } from "./LocalParts.ts"
import { Metrics } from "./metrics/Metrics.ts"

export type { LocalOperatorOptions } from "./LocalParts.ts"

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
