/** The metrics of the operator for Prometheus: prom-client behind a service. Each family of metrics has a file beside this one. */
import { Context, Effect, Layer } from "effect"
import * as prometheus from "prom-client"
import { type CopyMetrics, copyMetrics } from "./copyMetrics.ts"
import { type ImageMetrics, imageMetrics } from "./imageMetrics.ts"
import { processMetrics } from "./processMetrics.ts"
import { type ReconcileMetrics, reconcileMetrics } from "./reconcileMetrics.ts"
import { type ApiServerMetrics, apiServerMetrics, type RegistryMetrics, registryMetrics } from "./requestMetrics.ts"

/**
 * Counts the work of the operator. The counters are plain functions: they take no time, cannot fail, and are called for each
 * chunk of bytes. Only the members that run work are effects.
 *
 * @example
 * ```ts
 * const text = Effect.gen(function* () {
 *   const { exposition } = yield* Metrics
 *   return (yield* exposition).body
 * }).pipe(Effect.provide(Metrics.layer))
 * ```
 */
export class Metrics extends Context.Service<
  Metrics,
  {
    readonly copies: CopyMetrics
    readonly images: ImageMetrics
    readonly queue: ReconcileMetrics["queue"]
    readonly reconciling: ReconcileMetrics["reconciling"]
    /** An Event of an Image was not written: the API server refused the Event, or too many Events wait. */
    readonly eventDropped: () => void
    /** The file of the policy was read. `isValid`: the rules of the file apply. Otherwise those of its last valid version do. */
    readonly policyRead: (path: string, isValid: boolean) => void
    /** Sets whether this process leads, by the name of the Lease. */
    readonly leading: (lease: string, leads: boolean) => void
    /** The metrics of requests to registries. `RegistryClientHttp.layer` takes them as its `observer`. */
    readonly registries: RegistryMetrics
    /** The metrics of requests to the API server. `KubeClientHttp.layer` reports to them. */
    readonly apiServer: ApiServerMetrics
    /** The answer to a scrape, in the text format of Prometheus. */
    readonly exposition: Effect.Effect<{ readonly contentType: string; readonly body: string }>
  }
>()("skopeo-operator/metrics/Metrics") {
  /** The metrics of one operator and of the process. They are not registered in prom-client's global registry. */
  static readonly layer: Layer.Layer<Metrics> = Layer.effect(
    Metrics,
    Effect.suspend(() => makeMetrics)
  )

  /** Counts nothing. */
  static readonly layerNoop: Layer.Layer<Metrics> = Layer.succeed(Metrics, {
    copies: { started: () => {}, finished: () => {}, bytes: () => {}, gone: () => {}, sampling: () => {} },
    images: { sampling: () => {} },
    queue: { depth: () => {}, added: () => {}, taken: () => {}, retried: () => {}, concurrency: () => {} },
    reconciling: (reconcile) => reconcile,
    eventDropped: () => {},
    policyRead: () => {},
    leading: () => {},
    registries: { answered: () => {}, quota: () => {} },
    apiServer: { answered: () => {} },
    exposition: Effect.succeed({ contentType: "text/plain", body: "" })
  })
}

const makeMetrics = Effect.sync(() => {
  const registry = new prometheus.Registry()
  processMetrics(registry)
  const { queue, reconciling, sample: sampleReconciles } = reconcileMetrics(registry)
  const { sample: sampleCopies, ...copies } = copyMetrics(registry)
  const { sample: sampleImages, ...images } = imageMetrics(registry)
  const { scraped, ...registries } = registryMetrics(registry)
  const master = new prometheus.Gauge({
    name: "leader_election_master_status",
    help: "1 if this process leads, 0 if it is a candidate, by the name of the Lease.",
    labelNames: ["name"],
    registers: [registry]
  })

  const policyReload = new prometheus.Gauge({
    name: "skopeo_operator_policy_last_reload_successful",
    help: "1 if the rules of the policy's file apply, 0 if the file has a mistake and the last valid rules apply, by file.",
    labelNames: ["path"],
    registers: [registry]
  })

  const dropped = new prometheus.Counter({
    name: "skopeo_operator_events_dropped_total",
    help: "Events of Images that were not written: refused by the API server, or too many at once.",
    registers: [registry]
  })

  return Metrics.of({
    copies,
    images,
    queue,
    reconciling,
    eventDropped: () => dropped.inc(),
    policyRead: (path, isValid) => policyReload.set({ path }, isValid ? 1 : 0),
    leading: (name, leads) => master.set({ name }, leads ? 1 : 0),
    registries,
    apiServer: apiServerMetrics(registry),
    exposition: Effect.all([sampleReconciles, sampleCopies, sampleImages], { discard: true }).pipe(
      Effect.andThen(
        Effect.promise(async () => ({ contentType: registry.contentType, body: await registry.metrics() }))
      ),
      Effect.tap(() => Effect.sync(scraped))
    )
  })
})
