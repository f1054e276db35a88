/** The JSON of a Grafana dashboard, from panels in rows. Positions are computed, so that panels cannot overlap. */

/** A query of Prometheus. */
export interface Query {
  readonly expr: string
  /** The name of the series. `{{label}}` is replaced by the value of the label. */
  readonly legend: string
}

/** From the value on, the panel has the colour. */
export interface Threshold {
  readonly color: "green" | "yellow" | "orange" | "red"
  readonly value: number
}

/** The units of Grafana that panels use. */
export type Unit = "short" | "percentunit" | "s" | "bytes" | "Bps" | "reqps" | "cpm"

export interface Panel {
  /** `stat`: the newest value; `timeseries`: a chart; `table`: the newest value of each series; `bars`: the same as bars. */
  readonly kind: "stat" | "timeseries" | "table" | "bars"
  readonly title: string
  /** The meaning of the values, which Grafana shows beside the title. */
  readonly description: string
  readonly unit: Unit
  readonly queries: ReadonlyArray<Query>
  /** Columns of the 24 of a row. */
  readonly width: number
  /** Rising values. Without thresholds, series have colours of their own. */
  readonly thresholds?: ReadonlyArray<Threshold>
  /** The largest value of a bar. */
  readonly max?: number
  /** Words for values of a `stat`. */
  readonly words?: Readonly<Record<string, string>>
  readonly stacked?: boolean
  /** The columns of a `table`: labels of its series, and `Value`. */
  readonly columns?: ReadonlyArray<{ readonly of: string; readonly title: string }>
}

export interface Row {
  readonly title: string
  /** Units of Grafana, about 30 pixels each. */
  readonly height: number
  readonly panels: ReadonlyArray<Panel>
}

const DATASOURCE = { type: "prometheus", uid: "${datasource}" }

/** The colours of series that mean the same in every panel. */
export const COLOURS: Readonly<Record<string, string>> = {
  copied: "green",
  ready: "green",
  succeeded: "green",
  failed: "red",
  "not ready": "red",
  waiting: "yellow",
  unknown: "yellow"
}

const TYPES = { stat: "stat", timeseries: "timeseries", table: "table", bars: "bargauge" } as const

const newest = { calcs: ["lastNotNull"], fields: "", values: false }

const optionsOf = (panel: Panel): object => {
  switch (panel.kind) {
    case "stat":
      return { colorMode: "value", graphMode: "area", justifyMode: "auto", textMode: "auto", reduceOptions: newest }
    case "bars":
      return { displayMode: "basic", orientation: "horizontal", showUnfilled: true, reduceOptions: newest }
    case "table":
      return { showHeader: true, cellHeight: "sm" }
    case "timeseries":
      return {
        legend: { displayMode: "list", placement: "bottom", showLegend: true },
        tooltip: { mode: "multi", sort: "desc" }
      }
  }
}

const customOf = (panel: Panel): object =>
  panel.kind === "timeseries"
    ? {
        custom: {
          drawStyle: "line",
          fillOpacity: panel.stacked === true ? 40 : 10,
          lineWidth: 1,
          showPoints: "never",
          spanNulls: false,
          stacking: { group: "A", mode: panel.stacked === true ? "normal" : "none" }
        }
      }
    : {}

const fieldsOf = (panel: Panel): object => ({
  defaults: {
    unit: panel.unit,
    min: 0,
    ...(panel.max === undefined ? {} : { max: panel.max }),
    color: { mode: panel.thresholds === undefined ? "palette-classic" : "thresholds" },
    ...(panel.thresholds === undefined
      ? {}
      : {
          thresholds: {
            mode: "absolute",
            // Grafana's lowest threshold has no value.
            steps: panel.thresholds.map(({ color, value }, index) => ({ color, value: index === 0 ? null : value }))
          }
        }),
    ...(panel.words === undefined
      ? {}
      : {
          mappings: [
            {
              type: "value",
              options: Object.fromEntries(Object.entries(panel.words).map(([value, text]) => [value, { text }]))
            }
          ]
        }),
    ...customOf(panel)
  },
  overrides:
    panel.thresholds === undefined
      ? panel.queries.flatMap(({ legend }) => {
          const color = COLOURS[legend]
          return color === undefined
            ? []
            : [
                {
                  matcher: { id: "byName", options: legend },
                  properties: [{ id: "color", value: { mode: "fixed", fixedColor: color } }]
                }
              ]
        })
      : []
})

/** Grafana shows a column for each label, for the time and for the value, unless it is left out. */
const transformationsOf = ({ columns = [] }: Panel): ReadonlyArray<object> => [
  {
    id: "organize",
    options: {
      excludeByName: Object.fromEntries(
        ["Time", "Value"].filter((name) => columns.every((column) => column.of !== name)).map((name) => [name, true])
      ),
      indexByName: Object.fromEntries(columns.map((column, index) => [column.of, index])),
      renameByName: Object.fromEntries(columns.map((column) => [column.of, column.title]))
    }
  }
]

const targetsOf = (panel: Panel): ReadonlyArray<object> =>
  panel.queries.map(({ expr, legend }, index) => ({
    refId: String.fromCodePoint(65 + index),
    datasource: DATASOURCE,
    expr,
    legendFormat: legend,
    ...(panel.kind === "timeseries" || panel.kind === "stat"
      ? { range: true, instant: false }
      : { range: false, instant: true }),
    ...(panel.kind === "table" ? { format: "table" } : {})
  }))

const panelsOf = (rows: ReadonlyArray<Row>): ReadonlyArray<object> => {
  let id = 0
  let y = 0
  return rows.flatMap(({ height, panels, title }) => {
    const header = {
      id: ++id,
      type: "row",
      title,
      collapsed: false,
      gridPos: { h: 1, w: 24, x: 0, y: y++ },
      panels: []
    }
    let x = 0
    const placed = panels.map((panel) => {
      const gridPos = { h: height, w: panel.width, x, y }
      x += panel.width
      return {
        id: ++id,
        type: TYPES[panel.kind],
        title: panel.title,
        description: panel.description,
        datasource: DATASOURCE,
        gridPos,
        fieldConfig: fieldsOf(panel),
        options: optionsOf(panel),
        ...(panel.kind === "table" ? { transformations: transformationsOf(panel) } : {}),
        targets: targetsOf(panel)
      }
    })
    y += height
    return [header, ...placed]
  })
}

export interface Dashboard {
  readonly title: string
  readonly uid: string
  readonly description: string
  /** The query of the values of the variable `namespace`. */
  readonly namespaces: string
  readonly runbooks: string
  readonly rows: ReadonlyArray<Row>
}

/** The file of the dashboard, as Grafana imports it. */
export const grafanaJson = ({ description, namespaces, rows, runbooks, title, uid }: Dashboard): string =>
  `${JSON.stringify(
    {
      uid,
      title,
      description,
      tags: ["skopeo-operator"],
      editable: true,
      graphTooltip: 1,
      schemaVersion: 39,
      version: 1,
      refresh: "1m",
      time: { from: "now-24h", to: "now" },
      timezone: "browser",
      links: [{ title: "Runbooks", type: "link", icon: "doc", targetBlank: true, url: runbooks }],
      annotations: { list: [] },
      templating: {
        list: [
          { name: "datasource", label: "Data source", type: "datasource", query: "prometheus", refresh: 1, hide: 0 },
          {
            name: "namespace",
            label: "Namespace of Images",
            type: "query",
            datasource: DATASOURCE,
            definition: namespaces,
            query: { query: namespaces, refId: "namespaces" },
            refresh: 2,
            sort: 1,
            multi: true,
            includeAll: true,
            allValue: ".*",
            current: { text: "All", value: "$__all" },
            hide: 0
          }
        ]
      },
      panels: panelsOf(rows)
    },
    undefined,
    2
  )}\n`
