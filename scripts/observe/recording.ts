/** Answers of a real Prometheus to the dashboard's queries, as test/e2e/observe.e2e.ts records them. */
import { Schema } from "effect"

const RecordedSeries = Schema.Struct({
  name: Schema.String,
  labels: Schema.Record(Schema.String, Schema.String),
  /** One value for each step. null: no value at that time. A table and bars have the newest value only. */
  values: Schema.Array(Schema.NullOr(Schema.Number))
})
export type RecordedSeries = typeof RecordedSeries.Type

export const Recording = Schema.Struct({
  /** Seconds between two values. */
  step: Schema.Number,
  panels: Schema.Array(Schema.Struct({ title: Schema.String, series: Schema.Array(RecordedSeries) }))
})
export type Recording = typeof Recording.Type

export const readRecording = Schema.decodeUnknownSync(Schema.fromJsonString(Recording))

/** `{{label}}` is replaced by the value of the label, as Grafana does. */
export const seriesName = (legend: string, labels: Readonly<Record<string, string>>): string =>
  legend.replaceAll(/\{\{(\w+)\}\}/gu, (_, label: string) => labels[label] ?? "")
