/** The whole operator in memory, for tests of programs over this library: API server, registries, reconciler and copies. */
import { Layer } from "effect"
import type { CopyEngine } from "../copy/CopyEngine.ts"
import { CopyLimits } from "../copy/CopyLimits.ts"
import * as DirectEngine from "../copy/DirectEngine.ts"
import { Credentials } from "../credentials/Credentials.ts"
import { Policy } from "../credentials/Policy.ts"
import type { KubeClient } from "../kube/KubeClient.ts"
import * as KubeClientMemory from "../kube/KubeClientMemory.ts"
import { Metrics } from "../metrics/Metrics.ts"
import type { RegistryLimits } from "../registry/limits/RegistryLimits.ts"
import * as RegistryClientMemory from "../registry/memory/RegistryClientMemory.ts"
import type { RegistryClient } from "../registry/RegistryClient.ts"
import { ImageEvents } from "./events/ImageEvents.ts"
import * as Operator from "./Operator.ts"
import { Outcomes } from "./Outcomes.ts"

/** A copy engine that may use each service below the operator. */
export type EngineLayer = Layer.Layer<
  CopyEngine,
  never,
  KubeClient | RegistryClient | RegistryLimits | Credentials | Policy | CopyLimits | Metrics
>

/**
 * The operator over registries in memory, by the names that Images use. Create Images by `KubeClient`, or use `sync`. All time is
 * Effect's `Clock`, so a test with `TestClock` sees a week in milliseconds.
 *
 * @example
 * ```ts
 * import { OperatorMemory, pushSampleImage, RegistryStore } from "skopeo-operator/testing"
 *
 * const quay = new RegistryStore()
 * pushSampleImage(quay, "argoproj/argocd", "v2.13.0", "seed")
 * const live = OperatorMemory.layer(new Map([["quay.io", quay], ["registry.corp", new RegistryStore()]]))
 * ```
 */
export const layer = (
  registries: RegistryClientMemory.MemoryRegistries,
  engine: EngineLayer = DirectEngine.layer
): Layer.Layer<Operator.Services> =>
  Operator.layer(engine).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        RegistryClientMemory.layer(registries),
        Credentials.layerAnonymous,
        Policy.layerNone,
        CopyLimits.layer(),
        ImageEvents.layerNone,
        Outcomes.layer,
        Metrics.layerNoop,
        KubeClientMemory.layer()
      )
    ),
    // The scopes of the store are its default, so that they cannot overlap.
    Layer.orDie
  )
