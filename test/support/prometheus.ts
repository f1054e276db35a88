/** A real Prometheus that scrapes one address every second, and its HTTP API. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Schema, type Scope } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { background } from "./background.ts"
import { freePort } from "./freePort.ts"
import type { RulesFile } from "./alerts.ts"

const Sample = Schema.Tuple([Schema.Number, Schema.String])
const Labels = Schema.Record(Schema.String, Schema.String)

const answerOf = <S extends Schema.Top>(data: S) => Schema.Struct({ status: Schema.Literal("success"), data })

const Vector = answerOf(Schema.Struct({ result: Schema.Array(Schema.Struct({ metric: Labels, value: Sample })) }))
const Matrix = answerOf(
  Schema.Struct({ result: Schema.Array(Schema.Struct({ metric: Labels, values: Schema.Array(Sample) })) })
)
const Rules = answerOf(
  Schema.Struct({
    groups: Schema.Array(
      Schema.Struct({
        rules: Schema.Array(
          Schema.Struct({
            name: Schema.String,
            health: Schema.String,
            lastError: Schema.optionalKey(Schema.String),
            state: Schema.String,
            alerts: Schema.Array(Schema.Struct({ labels: Labels, annotations: Labels }))
          })
        )
      })
    )
  })
)

/** A series: its labels, and its samples as seconds since the epoch and value. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>
  readonly samples: ReadonlyArray<readonly [seconds: number, value: number]>
}

export interface EvaluatedRule {
  readonly name: string
  /** `ok` if the expression was evaluated. */
  readonly health: string
  readonly lastError?: string
  /** `inactive`, `pending` or `firing`. */
  readonly state: string
  readonly alerts: ReadonlyArray<{
    readonly labels: Readonly<Record<string, string>>
    readonly annotations: Readonly<Record<string, string>>
  }>
}

export interface Prometheus {
  /** The newest value of each series. */
  readonly instant: (expression: string) => Effect.Effect<ReadonlyArray<Series>>
  /** The values from `start` to `end`, in seconds since the epoch. */
  readonly range: (
    expression: string,
    times: { readonly start: number; readonly end: number; readonly step: number }
  ) => Effect.Effect<ReadonlyArray<Series>>
  readonly rules: Effect.Effect<ReadonlyArray<EvaluatedRule>>
}

const seriesOf = (labels: Readonly<Record<string, string>>, samples: ReadonlyArray<typeof Sample.Type>): Series => ({
  labels,
  samples: samples.map(([seconds, value]) => [seconds, Number(value)] as const)
})

export interface PrometheusOptions {
  /** `host:port` of the metrics. */
  readonly target: string
  /** Labels of the target, as the discovery of pods gives them. */
  readonly labels: Readonly<Record<string, string>>
  readonly rules: RulesFile
}

/** Starts `prometheus`, which ends with the scope. */
export const startPrometheus = Effect.fnUntraced(function* ({
  labels,
  rules,
  target
}: PrometheusOptions): Effect.fn.Return<Prometheus, never, Scope.Scope> {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-prometheus-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const port = yield* freePort
  const rulesFile = join(directory, "alerts.json")
  const config = join(directory, "prometheus.yml")
  writeFileSync(rulesFile, JSON.stringify(rules))
  writeFileSync(
    config,
    JSON.stringify({
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: [rulesFile],
      scrape_configs: [
        { job_name: "skopeo-operator", honor_labels: true, static_configs: [{ targets: [target], labels }] }
      ]
    })
  )
  yield* background(
    "prometheus",
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`
    ],
    /Server is ready/u
  )

  const ask = <S extends Schema.ConstraintDecoder<unknown>>(
    schema: S,
    path: string,
    parameters: Readonly<Record<string, string>> = {}
  ) =>
    Effect.gen(function* () {
      const http = yield* HttpClient.HttpClient
      const query = new URLSearchParams(parameters).toString()
      const text = yield* (yield* http.get(`http://127.0.0.1:${port}/api/v1/${path}?${query}`)).text
      return yield* Schema.decodeUnknownEffect(Schema.fromJsonString(schema))(text).pipe(
        Effect.mapError((error) => new Error(`${parameters["query"] ?? path}: ${text.slice(0, 500)}: ${error.message}`))
      )
    }).pipe(Effect.provide(FetchHttpClient.layer), Effect.orDie)

  return {
    instant: (expression) =>
      Effect.map(ask(Vector, "query", { query: expression }), ({ data }) =>
        data.result.map(({ metric, value }) => seriesOf(metric, [value]))
      ),
    range: (expression, { end, start, step }) =>
      Effect.map(
        ask(Matrix, "query_range", { query: expression, start: `${start}`, end: `${end}`, step: `${step}` }),
        ({ data }) => data.result.map(({ metric, values }) => seriesOf(metric, values))
      ),
    rules: Effect.map(ask(Rules, "rules"), ({ data }) => data.groups.flatMap((group) => group.rules))
  }
})
