/** The metrics of the process: memory, CPU, garbage collection and the event loop. */
import * as prometheus from "prom-client"
import { PROCESS } from "./table.ts"

/**
 * Adds the metrics of prom-client that the table has. It has not the delays of the event loop that are sampled all the time: a
 * histogram of Node.js counts its own sampling interval as delay, and costs 0.6 % of a core at the default interval. Nor has it
 * the gauges whose names end in `_total`, as only counters should: `promtool check metrics` refuses them.
 */
export const processMetrics = (registry: prometheus.Registry): void => {
  prometheus.collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 60_000 })
  for (const { name } of registry.getMetricsAsArray()) {
    if (!Object.hasOwn(PROCESS, name)) registry.removeSingleMetric(name)
  }
}
