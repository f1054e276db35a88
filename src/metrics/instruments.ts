/** The instruments of prom-client for the metrics of the table. */
import * as prometheus from "prom-client"
import { type Metric, type MetricName, METRICS } from "./table.ts"

/** The names of one type of metrics. */
type Named<Type extends Metric["type"]> = {
  readonly [Name in MetricName]: (typeof METRICS)[Name]["type"] extends Type ? Name : never
}[MetricName]

type LabelOf<Name extends MetricName> = (typeof METRICS)[Name]["labels"][number]

/** Registers metrics of the table. */
export interface Instruments {
  readonly counter: <Name extends Named<"counter">>(name: Name) => prometheus.Counter<LabelOf<Name>>
  readonly gauge: <Name extends Named<"gauge">>(name: Name) => prometheus.Gauge<LabelOf<Name>>
  readonly histogram: <Name extends Named<"histogram">>(name: Name) => prometheus.Histogram<LabelOf<Name>>
}

export const instruments = (registry: prometheus.Registry): Instruments => {
  const described = <Name extends MetricName>(name: Name) => {
    const labelNames: ReadonlyArray<LabelOf<Name>> = METRICS[name].labels
    return { name, help: METRICS[name].meaning, labelNames: [...labelNames], registers: [registry] }
  }
  return {
    counter: (name) => new prometheus.Counter(described(name)),
    gauge: (name) => new prometheus.Gauge(described(name)),
    histogram: (name) => new prometheus.Histogram({ ...described(name), buckets: [...METRICS[name].buckets] })
  }
}
