/** The operator: its controller and reconciler over a copy engine. What each of them reaches is for the caller to provide. */
import { Layer } from "effect"
import type { CopyEngine } from "../copy/CopyEngine.ts"
import type { SelectionDefaults } from "../domain/Selection.ts"
import { Controller, type ControllerOptions } from "./Controller.ts"
import { Reconciler } from "./Reconciler.ts"

export interface OperatorOptions extends ControllerOptions, SelectionDefaults {}

export const layer = <E, R>(engine: Layer.Layer<CopyEngine, E, R>, options: OperatorOptions = {}) =>
  Controller.layer(options).pipe(Layer.provideMerge(Reconciler.layer(options)), Layer.provideMerge(engine))
