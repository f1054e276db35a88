/** The operator without a cluster, over the parts that differ between a run and a process that runs for ever. */
import { Effect, Layer } from "effect"
import { copyLimits, registryConfig } from "./Config.ts"
import type { ImageEvents } from "./controller/events/ImageEvents.ts"
import * as Operator from "./controller/Operator.ts"
import type { Outcomes } from "./controller/Outcomes.ts"
import { CopyLimits } from "./copy/CopyLimits.ts"
import * as DirectEngine from "./copy/DirectEngine.ts"
import type { KubeClient } from "./kube/KubeClient.ts"
import type { Metrics } from "./metrics/Metrics.ts"
import * as Registries from "./Registries.ts"

export interface LocalOperatorOptions {
  /** The file of the policy, by the flag of a command. Default the variable POLICY_FILE. */
  readonly policy?: string
  /** Whether registries are verified if their Image does not say. Default the configuration; registries on this machine are not. */
  readonly tlsVerify?: boolean
}

/** The Kubernetes API, and the receivers of Events, metrics and outcomes. */
export interface LocalParts<A, E, R, E2> extends LocalOperatorOptions {
  readonly kube: Layer.Layer<KubeClient | A, E, R>
  readonly events: Layer.Layer<ImageEvents, E2, Metrics>
  readonly metrics: Layer.Layer<Metrics>
  readonly outcomes: Layer.Layer<Outcomes>
}

/** The operator over the given parts. */
export const layerOver = <A, E, R, E2>({
  events,
  kube,
  metrics,
  outcomes,
  policy,
  tlsVerify
}: LocalParts<A, E, R, E2>) =>
  Layer.unwrap(
    Effect.map(Effect.all([registryConfig, copyLimits]), ([registry, limits]) =>
      Operator.layer(DirectEngine.layer, registry).pipe(
        Layer.provideMerge(
          Layer.mergeAll(
            Registries.localClient(registry),
            Registries.localCredentials(registry, tlsVerify),
            Registries.policy(registry, policy === undefined ? undefined : { setting: "--policy", path: policy }),
            CopyLimits.layer(limits),
            kube
          )
        ),
        Layer.provideMerge(events),
        Layer.provideMerge(Layer.merge(metrics, outcomes))
      )
    )
  )
