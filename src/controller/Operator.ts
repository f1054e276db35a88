/**
 * The operator: the controller, the store of Images and the reconciler over a copy engine. The caller provides the Kubernetes
 * API, the registries, the credentials and the metrics.
 */
import { Effect, Layer } from "effect"
import type { CopyEngine } from "../copy/CopyEngine.ts"
import type { CopyLimits } from "../copy/CopyLimits.ts"
import type { Credentials } from "../credentials/Credentials.ts"
import type { Policy } from "../credentials/Policy.ts"
import type { KubeClient } from "../kube/KubeClient.ts"
import type { OverlappingScopes } from "../kube/Store.ts"
import { Metrics } from "../metrics/Metrics.ts"
import type { RegistryLimits } from "../registry/limits/RegistryLimits.ts"
import type { RegistryClient } from "../registry/RegistryClient.ts"
import { Controller, type ControllerOptions } from "./Controller.ts"
import { DestinationClaims } from "./DestinationClaims.ts"
import type { ImageEvents } from "./events/ImageEvents.ts"
import { ImageStore, type ImageStoreOptions } from "./ImageStore.ts"
import type { Outcomes } from "./Outcomes.ts"
import { Reconciler } from "./Reconciler.ts"

/** The services of the operator itself. */
export type OwnServices = Controller | CopyEngine | DestinationClaims | ImageStore | Reconciler

/** The services that an operator needs. */
export type Dependencies = Credentials | ImageEvents | KubeClient | Metrics | Policy | RegistryClient | RegistryLimits

/** The services of a whole operator in this process, with those below the operator. */
export type Services = OwnServices | Dependencies | CopyLimits | Outcomes

export interface OperatorOptions extends ControllerOptions, ImageStoreOptions {}

/**
 * The layers that write to the API server and to registries. Only one process may run them at a time.
 *
 * @example
 * ```ts
 * import { Layer } from "effect"
 * import { DirectEngine, ImageStore, Operator } from "skopeo-operator"
 *
 * const live = Operator.writers(DirectEngine.layer).pipe(Layer.provideMerge(ImageStore.layer()))
 * ```
 */
export const writers = <E, R>(engine: Layer.Layer<CopyEngine, E, R>, options: ControllerOptions = {}) =>
  Controller.layer(options).pipe(
    Layer.provideMerge(Reconciler.layer),
    Layer.provideMerge(DestinationClaims.layer),
    Layer.provideMerge(engine),
    Layer.provideMerge(nothingAtEnd)
  )

/** Resets the metrics of the queue and of copies when this process stops leading. */
const nothingAtEnd = Layer.effectDiscard(
  Effect.flatMap(Metrics, (metrics) =>
    Effect.addFinalizer(() =>
      Effect.sync(() => {
        metrics.queue.depth(0)
        metrics.copies.sampling(Effect.succeed(new Map()))
        metrics.images.sampling(Effect.succeed([]))
      })
    )
  )
)

/**
 * The whole operator, for an installation of a single process.
 *
 * @example
 * ```ts
 * import { Operator, DirectEngine } from "skopeo-operator"
 *
 * const live = Operator.layer(DirectEngine.layer, { destinationRegistry: "registry.corp" })
 * ```
 */
export const layer = <E, R>(
  engine: Layer.Layer<CopyEngine, E, R>,
  options: OperatorOptions = {}
): Layer.Layer<OwnServices, E | OverlappingScopes, Exclude<R, ImageStore> | Dependencies> =>
  writers(engine, options).pipe(Layer.provideMerge(ImageStore.layer(options)))
