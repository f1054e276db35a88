/** The operator: its controller, its store of Images and its reconciler over a copy engine. What each of them reaches is for the caller to provide. */
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
