/** The metrics of the process: memory, CPU, garbage collection and the event loop. */
import * as prometheus from "prom-client"
import { PROCESS } from "./table.ts"

/**
 * The metrics of prom-client that the table has. It has not the delays of the event loop that are sampled all the time: a
 * histogram of Node.js counts its own sampling interval as delay, and costs 0.6 % of a core at the default interval. Nor has it
 * the gauges whose names end in `_total`, as only counters should: `promtool check metrics` refuses them.
 */
const collect = (): ReadonlyArray<prometheus.Metric> => {
  const registry = new prometheus.Registry()
  prometheus.collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 60_000 })
  return Object.keys(PROCESS).flatMap((name) => registry.getSingleMetric(name) ?? [])
}

/** All registries share the metrics: prom-client never stops to observe the garbage collection and the event loop. */
let collected: ReadonlyArray<prometheus.Metric> | undefined

/** Adds the metrics of the process to a registry. */
export const processMetrics = (registry: prometheus.Registry): void => {
  collected ??= collect()
  for (const metric of collected) registry.registerMetric(metric)
}
