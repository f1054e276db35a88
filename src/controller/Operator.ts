/**
 * The operator: the controller, the store of Images and the reconciler over a copy engine. The caller provides the Kubernetes
 * API, the registries, the credentials and the metrics.
 */
import { Effect, Layer } from "effect"
import type { CopyEngine } from "../copy/CopyEngine.ts"
import { Metrics } from "../Metrics.ts"
import { Controller, type ControllerOptions } from "./Controller.ts"
import { DestinationClaims } from "./DestinationClaims.ts"
import { ImageStore, type ImageStoreOptions } from "./ImageStore.ts"
import { Reconciler } from "./Reconciler.ts"

export interface OperatorOptions extends ControllerOptions, ImageStoreOptions {}

/** What one process alone may do at a time: all that writes, to the API server and to registries. */
export const writers = <E, R>(engine: Layer.Layer<CopyEngine, E, R>, options: ControllerOptions = {}) =>
  Controller.layer(options).pipe(
    Layer.provideMerge(Reconciler.layer),
    Layer.provideMerge(DestinationClaims.layer),
    Layer.provideMerge(engine),
    Layer.provideMerge(nothingAtEnd)
  )

/** A process that leads no longer has neither a queue nor copies: its metrics say so. */
const nothingAtEnd = Layer.effectDiscard(
  Effect.flatMap(Metrics, (metrics) =>
    Effect.addFinalizer(() =>
      Effect.sync(() => {
        metrics.queueDepth(0)
        metrics.sampling(Effect.succeed(new Map()))
      })
    )
  )
)

/** The whole operator in one process, without any other. */
export const layer = <E, R>(engine: Layer.Layer<CopyEngine, E, R>, options: OperatorOptions = {}) =>
  writers(engine, options).pipe(Layer.provideMerge(ImageStore.layer(options)))
