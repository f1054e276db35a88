/** The metrics of the process: memory, CPU, garbage collection and the event loop. */
import * as prometheus from "prom-client"

/** A histogram of Node.js counts its own sampling interval as delay, and costs 0.6 % of a core at the default interval. */
const SAMPLED = ["min", "max", "mean", "stddev", "p50", "p90", "p99"]

/** Adds the metrics of prom-client, without the delays of the event loop that are sampled all the time. */
export const processMetrics = (registry: prometheus.Registry): void => {
  prometheus.collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 60_000 })
  for (const name of SAMPLED) registry.removeSingleMetric(`nodejs_eventloop_lag_${name}_seconds`)
}
