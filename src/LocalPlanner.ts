/** The layers that plan Images without a cluster: an API server in memory, and no copy engine. */
import { Effect, Layer } from "effect"
import { registryConfig } from "./Config.ts"
import { DestinationClaims } from "./controller/DestinationClaims.ts"
import { ImageStore } from "./controller/ImageStore.ts"
import { Planner } from "./controller/Planner.ts"
import * as KubeClientMemory from "./kube/KubeClientMemory.ts"
import type { LocalOperatorOptions } from "./LocalParts.ts"
import { Metrics } from "./metrics/Metrics.ts"
import * as Registries from "./Registries.ts"
import { RequestCount } from "./registry/limits/RequestCount.ts"

/** Counts the requests of the plan, and nothing else. */
const metrics = Layer.effect(
  Metrics,
  Effect.map(Effect.all([Metrics, RequestCount]), ([nothing, { observer }]) => ({ ...nothing, registries: observer }))
).pipe(Layer.provide(Metrics.layerNoop), Layer.provideMerge(RequestCount.layer))

export const layer = ({ policy, tlsVerify }: LocalOperatorOptions = {}) =>
  Layer.unwrap(
    Effect.map(registryConfig, (registry) =>
      Planner.layer.pipe(
        Layer.provide(DestinationClaims.layer),
        Layer.provideMerge(ImageStore.layer(registry)),
        Layer.provideMerge(
          Layer.mergeAll(
            Registries.localClient(registry),
            Registries.localCredentials(registry, tlsVerify),
            Registries.policy(registry, policy === undefined ? undefined : { setting: "--policy", path: policy }),
            KubeClientMemory.layer()
          )
        ),
        Layer.provideMerge(metrics)
      )
    )
  )
