/** The dashboard's file, as Grafana reads it, and the metrics that its queries, the alerts and the runbooks name. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { readRecording } from "../../scripts/observe/recording.ts"
import { METRICS, PROCESS } from "../../src/metrics/table.ts"
import { readProjectFile, rules } from "../support/alerts.ts"
import { metricsIn } from "../support/promql.ts"

const Position = Schema.Struct({ h: Schema.Number, w: Schema.Number, x: Schema.Number, y: Schema.Number })

const Panel = Schema.Struct({
  id: Schema.Number,
  type: Schema.String,
  title: Schema.String,
  gridPos: Position,
  description: Schema.optionalKey(Schema.String),
  targets: Schema.optionalKey(
    Schema.Array(Schema.Struct({ refId: Schema.String, expr: Schema.String, legendFormat: Schema.String }))
  )
})

const { panels, templating } = Schema.decodeUnknownSync(
  Schema.Struct({
    panels: Schema.Array(Panel),
    templating: Schema.Struct({ list: Schema.Array(Schema.Struct({ name: Schema.String, type: Schema.String })) })
  })
)(JSON.parse(readProjectFile("charts/skopeo-operator/files/dashboard.json")))

const charts = panels.filter(({ type }) => type !== "row")
const queries = charts.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

const metrics = { ...METRICS, ...PROCESS }
/** The names of the series of all metrics, with those of histograms. */
const seriesNames = new Set(
  Object.entries(metrics).flatMap(([name, { type }]) =>
    type === "histogram" ? ["bucket", "sum", "count"].map((part) => `${name}_${part}`) : [name]
  )
)
const unknownIn = (expressions: ReadonlyArray<string>): ReadonlyArray<string> =>
  expressions.flatMap((expression) => metricsIn(expression).filter((name) => !seriesNames.has(name)))

describe("the dashboard", () => {
  it("few panels answer the questions", () => {
    assert.isAtLeast(charts.length, 12)
    assert.isAtMost(charts.length, 16)
  })

  it("each panel has its own number, a title of its own, a meaning and a query", () => {
    assert.lengthOf(new Set(panels.map(({ id }) => id)), panels.length)
    assert.lengthOf(new Set(panels.map(({ title }) => title)), panels.length)
    for (const { description = "", targets = [], title } of charts) {
      assert.isNotEmpty(description, title)
      assert.isNotEmpty(targets, title)
      assert.lengthOf(new Set(targets.map(({ refId }) => refId)), targets.length, title)
    }
  })

  it("no panel overlaps another one, and none is outside of the 24 columns", () => {
    const taken = new Map<string, string>()
    for (const { gridPos, title } of panels) {
      assert.isAtMost(gridPos.x + gridPos.w, 24, title)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.isUndefined(taken.get(`${x} ${y}`), `${title} at ${x} ${y}`)
          taken.set(`${x} ${y}`, title)
        }
      }
    }
  })

  it("each query names metrics of the operator, and variables of the dashboard or of Grafana", () => {
    const variables = new Set([...templating.list.map(({ name }) => name), "__rate_interval"])
    assert.deepStrictEqual(unknownIn(queries), [])
    for (const query of queries) {
      assert.isNotEmpty(metricsIn(query), query)
      const used = Array.from(query.matchAll(/\$\{?(\w+)/gu), ([, name = ""]) => name)
      assert.includeMembers([...variables], used, query)
    }
  })
})

describe("the picture of the dashboard", () => {
  it("each panel has recorded answers, and so a picture", () => {
    const recorded = readRecording(readProjectFile("scripts/pictures/dashboard.json")).panels
    assert.deepStrictEqual(
      recorded.filter(({ series }) => series.length > 0).map(({ title }) => title),
      charts.map(({ title }) => title)
    )
  })
})

describe("the metrics that alerts and runbooks name", () => {
  it.each(rules)("$alert names metrics of the operator", ({ expr }) => {
    assert.isNotEmpty(metricsIn(expr))
    assert.deepStrictEqual(unknownIn([expr]), [])
  })

  it("each query of the runbooks names metrics of the operator", () => {
    const blocks = Array.from(
      readProjectFile("docs/runbooks.md").matchAll(/^```promql\n([^]*?)^```/gmu),
      ([, text = ""]) => text.trim().split("\n")
    ).flat()
    assert.isAtLeast(blocks.length, 5)
    for (const query of blocks) assert.isNotEmpty(metricsIn(query), query)
    assert.deepStrictEqual(unknownIn(blocks), [])
  })
})
