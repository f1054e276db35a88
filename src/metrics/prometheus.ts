/** The metrics of the operator for Prometheus: prom-client behind the service. Each family of metrics has a file beside this one. */
import { Effect, Layer } from "effect"
import * as prometheus from "prom-client"
import { version } from "../version.ts"
import { copyMetrics } from "./copyMetrics.ts"
import { imageMetrics } from "./imageMetrics.ts"
import { instruments } from "./instruments.ts"
import { Metrics, type MetricsOptions } from "./Metrics.ts"
import { processMetrics } from "./processMetrics.ts"
import { reconcileMetrics } from "./reconcileMetrics.ts"
import { apiServerMetrics, registryMetrics } from "./requestMetrics.ts"

const make = ({ perImage = true }: MetricsOptions) =>
  Effect.sync(() => {
    const registry = new prometheus.Registry()
    processMetrics(registry)
    const table = instruments(registry)
    const { queue, reconciling, sample: sampleReconciles } = reconcileMetrics(table)
    const { sample: sampleCopies, ...copies } = copyMetrics(table)
    const { sample: sampleImages, ...images } = imageMetrics(table, perImage)
    const { scraped, ...registries } = registryMetrics(table)
    const master = table.gauge("leader_election_master_status")
    const policyReload = table.gauge("skopeo_operator_policy_last_reload_successful")
    const dropped = table.counter("skopeo_operator_events_dropped_total")
    const notifications = table.counter("skopeo_operator_notifications_total")
    table.gauge("skopeo_operator_build_info").set({ version }, 1)

    return Metrics.of({
      copies,
      images,
      queue,
      reconciling,
      eventDropped: () => dropped.inc(),
      notified: (outcome) => notifications.inc({ outcome }),
      policyRead: (path, isValid) => policyReload.set({ path }, isValid ? 1 : 0),
      leading: (name, leads) => master.set({ name }, leads ? 1 : 0),
      registries,
      apiServer: apiServerMetrics(table),
      exposition: Effect.all([sampleReconciles, sampleCopies, sampleImages], { discard: true }).pipe(
        Effect.andThen(
          Effect.promise(async () => ({ contentType: registry.contentType, body: await registry.metrics() }))
        ),
        Effect.tap(() => Effect.sync(scraped))
      )
    })
  })

export const layer = (options: MetricsOptions) => Layer.effect(Metrics, make(options))
