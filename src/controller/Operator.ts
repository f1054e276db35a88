/**
 * The operator: the controller, the store of Images and the reconciler over a copy engine. The caller provides the Kubernetes
 * API, the registries, the credentials and the metrics.
 */
import { Effect, Layer } from "effect"
import type { CopyEngine } from "../copy/CopyEngine.ts"
import { Metrics } from "../metrics/Metrics.ts"
import { Controller, type ControllerOptions } from "./Controller.ts"
import { DestinationClaims } from "./DestinationClaims.ts"
import { ImageStore, type ImageStoreOptions } from "./ImageStore.ts"
import { Reconciler } from "./Reconciler.ts"

export interface OperatorOptions extends ControllerOptions, ImageStoreOptions {}

/** The layers that write to the API server and to registries. Only one process may run them at a time. */
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

/** The whole operator, for an installation of a single process. */
export const layer = <E, R>(engine: Layer.Layer<CopyEngine, E, R>, options: OperatorOptions = {}) =>
  writers(engine, options).pipe(Layer.provideMerge(ImageStore.layer(options)))
