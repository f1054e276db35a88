/**
 * The operator: the controller, the store of Images and the reconciler over a copy engine. The caller provides the Kubernetes
 * API, the registries, the credentials and the metrics.
 */
import { Layer } from "effect"
import type { CopyEngine } from "../copy/CopyEngine.ts"
import { Controller, type ControllerOptions } from "./Controller.ts"
import { ImageStore, type ImageStoreOptions } from "./ImageStore.ts"
import { Reconciler } from "./Reconciler.ts"

export interface OperatorOptions extends ControllerOptions, ImageStoreOptions {}

export const layer = <E, R>(engine: Layer.Layer<CopyEngine, E, R>, options: OperatorOptions = {}) =>
  Controller.layer(options).pipe(
    Layer.provideMerge(Layer.merge(Reconciler.layer, ImageStore.layer(options))),
    Layer.provideMerge(engine)
  )
