/** The layers of the operator without a cluster: an API server in memory, and copies in this process. */
import { Effect, Layer } from "effect"
import { copyLimits, registryConfig } from "./Config.ts"
import { ImageEvents } from "./controller/events/ImageEvents.ts"
import * as Operator from "./controller/Operator.ts"
import { Outcomes } from "./controller/Outcomes.ts"
import { CopyLimits } from "./copy/CopyLimits.ts"
import * as DirectEngine from "./copy/DirectEngine.ts"
import * as KubeClientMemory from "./kube/KubeClientMemory.ts"
import { Metrics } from "./metrics/Metrics.ts"
import * as Registries from "./Registries.ts"

export interface LocalOperatorOptions {
  /** The file of the policy, by the flag of a command. Default the variable POLICY_FILE. */
  readonly policy?: string
  /** Whether registries are verified if their Image does not say. Default the configuration; registries on this machine are not. */
  readonly tlsVerify?: boolean
}

export const layer = ({ policy, tlsVerify }: LocalOperatorOptions = {}) =>
  Layer.unwrap(
    Effect.map(Effect.all([registryConfig, copyLimits]), ([registry, limits]) =>
      Operator.layer(DirectEngine.layer, registry).pipe(
        Layer.provideMerge(
          Layer.mergeAll(
            Registries.localClient(registry),
            Registries.localCredentials(registry, tlsVerify),
            Registries.policy(registry, policy === undefined ? undefined : { setting: "--policy", path: policy }),
            CopyLimits.layer(limits),
            KubeClientMemory.layer()
          )
        ),
        Layer.provideMerge(Layer.mergeAll(Metrics.layerNoop, ImageEvents.layerNone, Outcomes.layer))
      )
    )
  )
