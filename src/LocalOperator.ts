/** The layers of the operator without a cluster: an API server in memory, and copies in this process. */
import { Effect, Layer, Option } from "effect"
import { cacheDirectory, copyLimits, registryConfig } from "./Config.ts"
import { ImageEvents } from "./controller/events/ImageEvents.ts"
import * as Operator from "./controller/Operator.ts"
import * as BlobLocationsFile from "./copy/BlobLocationsFile.ts"
import { CopyLimits } from "./copy/CopyLimits.ts"
import * as DirectEngine from "./copy/DirectEngine.ts"
import * as KubeClientMemory from "./kube/KubeClientMemory.ts"
import { Metrics } from "./metrics/Metrics.ts"
import * as Registries from "./Registries.ts"

export interface LocalOperatorOptions {
  /** The file of the policy, by the flag of a command. Default the variable POLICY_FILE. */
  readonly policy?: string
}

export const layer = ({ policy }: LocalOperatorOptions = {}) =>
  Layer.unwrap(
    Effect.map(Effect.all([registryConfig, copyLimits, cacheDirectory]), ([registry, limits, cache]) =>
      Operator.layer(DirectEngine.layer, registry).pipe(
        Layer.provideMerge(
          Layer.mergeAll(
            Registries.localClient(registry),
            Registries.localCredentials(registry),
            Registries.policy(registry, policy === undefined ? undefined : { setting: "--policy", path: policy }),
            CopyLimits.layer(limits),
            KubeClientMemory.layer(),
            Option.match(cache, { onNone: () => Layer.empty, onSome: BlobLocationsFile.layer })
          )
        ),
        Layer.provideMerge(Layer.merge(Metrics.layerNoop, ImageEvents.layerNone))
      )
    )
  )
