/** The metrics of the operator for Prometheus: prom-client behind the service. Each family of metrics has a file beside this one. */
import { Effect, Layer } from "effect"
import * as prometheus from "prom-client"
import { copyMetrics } from "./copyMetrics.ts"
import { imageMetrics } from "./imageMetrics.ts"
import { Metrics } from "./Metrics.ts"
import { processMetrics } from "./processMetrics.ts"
import { reconcileMetrics } from "./reconcileMetrics.ts"
import { apiServerMetrics, registryMetrics } from "./requestMetrics.ts"

const make = Effect.sync(() => {
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

export const layer = Layer.effect(Metrics, make)
