/**
 * The dashboard, drawn from recorded answers of a real Prometheus (dashboard.json, by E2E_RECORD_DASHBOARD of
 * test/e2e/observe.e2e.ts). It is no screenshot of Grafana.
 */
import { readFileSync } from "node:fs"
import { dashboard } from "../observe/dashboard.ts"
import { COLOURS, type Panel, type Unit } from "../observe/grafana.ts"
import { readRecording, type RecordedSeries, type Recording } from "../observe/recording.ts"

const COLUMN = 52
const UNIT = 30
const GAP = 8
const ROW_TITLE = 30

const HUES: Readonly<Record<string, string>> = {
  green: "#73bf69",
  yellow: "#fade2a",
  orange: "#ff9830",
  red: "#f2495c"
}
const PALETTE = [
  "#8ab8ff",
  "#ff9830",
  "#b877d9",
  "#73bf69",
  "#fade2a",
  "#f2495c",
  "#3274d9",
  "#ffa6b0",
  "#37872d",
  "#e0b400",
  "#8f3bb8",
  "#96d98d"
]
const TEXT = "#ccccdc"
const DIM = "#8e8ea0"

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const short = (value: number): string => String(Number(value.toPrecision(3)))

const scaled = (value: number, base: number, names: ReadonlyArray<string>): string => {
  const step = Math.min(names.length - 1, value <= 0 ? 0 : Math.max(0, Math.floor(Math.log(value) / Math.log(base))))
  return `${short(value / base ** step)}${names[step] ?? ""}`
}

const seconds = (value: number): string => {
  if (value < 1) return `${short(value * 1_000)} ms`
  if (value < 60) return `${short(value)} s`
  return value < 3_600 ? `${short(value / 60)} min` : `${short(value / 3_600)} h`
}

const format = (value: number, unit: Unit): string => {
  switch (unit) {
    case "percentunit":
      return `${short(100 * value)} %`
    case "s":
      return seconds(value)
    case "bytes":
      return scaled(value, 1_024, [" B", " KiB", " MiB", " GiB"])
    case "Bps":
      return scaled(value, 1_000, [" B/s", " kB/s", " MB/s", " GB/s"])
    case "reqps":
      return `${short(value)} req/s`
    case "cpm":
      return `${short(value)} /min`
    case "short":
      return scaled(value, 1_000, ["", " K", " Mil"])
  }
}

const text = (x: number, y: number, content: string, more = ""): string =>
  `<text x="${x.toFixed(0)}" y="${y.toFixed(0)}" ${more}>${escape(content)}</text>`

/** About the width of a text of 12 pixels. */
const widthOf = (content: string): number => content.length * 6.6

const clipped = (content: string, width: number): string =>
  widthOf(content) <= width ? content : `${content.slice(0, Math.max(1, Math.floor(width / 6.6) - 1))}…`

const thresholdColour = (value: number, { thresholds = [] }: Panel): string =>
  HUES[thresholds.findLast((step) => value >= step.value)?.color ?? "green"] ?? TEXT

const numbersIn = ({ values }: RecordedSeries): ReadonlyArray<number> => values.filter((value) => value !== null)

/** The points of a line. A missing value ends a piece of the line. */
const piecesOf = (
  values: ReadonlyArray<number | null>,
  at: (index: number, value: number) => readonly [x: number, y: number]
): ReadonlyArray<ReadonlyArray<readonly [x: number, y: number]>> => {
  const pieces: Array<Array<readonly [x: number, y: number]>> = [[]]
  for (const [index, value] of values.entries()) {
    if (value === null) pieces.push([])
    else pieces.at(-1)?.push(at(index, value))
  }
  return pieces.filter((piece) => piece.length > 0)
}

const pathOf = (points: ReadonlyArray<readonly [x: number, y: number]>): string =>
  points.map(([x, y], index) => `${index === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("")

/** A round number above all values. */
const ceilingOf = (most: number): number => {
  if (most <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(most))
  return ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= most) ?? 10) * power
}

const drawStat = (panel: Panel, series: RecordedSeries | undefined, { height, width, x, y }: Box): string => {
  if (series === undefined) return ""
  const newest = numbersIn(series).at(-1) ?? 0
  const colour = thresholdColour(newest, panel)
  const most = Math.max(1e-9, ...numbersIn(series))
  const bottom = y + height - 6
  const line = piecesOf(series.values, (index, value) => [
    x + (index / Math.max(1, series.values.length - 1)) * width,
    bottom - (value / most) * (height * 0.3)
  ])
  const words = panel.words?.[String(newest)] ?? format(newest, panel.unit)
  return [
    ...line.map((points) => `<path d="${pathOf(points)}" fill="none" stroke="${colour}" stroke-opacity="0.5"/>`),
    text(x + width / 2, y + height * 0.58, words, `text-anchor="middle" font-size="34" fill="${colour}"`)
  ].join("\n")
}

/** Each series on top of those before. */
const stacked = (all: ReadonlyArray<RecordedSeries>): ReadonlyArray<RecordedSeries> => {
  const sums = new Map<number, number>()
  return all.map((series) => ({
    ...series,
    values: series.values.map((value, index) => {
      if (value === null) return null
      sums.set(index, (sums.get(index) ?? 0) + value)
      return sums.get(index) ?? 0
    })
  }))
}

/** The names of series, in as many lines of 16 pixels as they need. */
const legendOf = (
  names: ReadonlyArray<readonly [name: string, colour: string]>,
  width: number
): ReadonlyArray<ReadonlyArray<{ readonly at: number; readonly name: string; readonly colour: string }>> => {
  const lines: Array<Array<{ readonly at: number; readonly name: string; readonly colour: string }>> = [[]]
  let at = 0
  for (const [name, colour] of names) {
    const shown = clipped(name, width - 20)
    const needed = widthOf(shown) + 30
    if (at > 0 && at + needed - 12 > width) {
      lines.push([])
      at = 0
    }
    lines.at(-1)?.push({ at, name: shown, colour })
    at += needed
  }
  return lines
}

const drawLines = (panel: Panel, all: ReadonlyArray<RecordedSeries>, step: number, box: Box): string => {
  const shown = panel.stacked === true ? stacked(all) : all
  const top = ceilingOf(Math.max(0, ...shown.flatMap(numbersIn)))
  const left = box.x + 62
  const width = box.width - 68
  const colours = all.map(({ name }, index) => HUES[COLOURS[name] ?? ""] ?? PALETTE[index % PALETTE.length] ?? TEXT)
  const legend = legendOf(
    all.map(({ name }, index) => [name, colours[index] ?? TEXT] as const),
    box.width - 20
  )
  const [upper, lower] = [box.y + 8, box.y + box.height - 24 - 16 * legend.length]
  const points = Math.max(2, ...all.map(({ values }) => values.length))
  const at = (index: number, value: number): readonly [number, number] => [
    left + (index / (points - 1)) * width,
    lower - (value / top) * (lower - upper)
  ]
  const grid = [0, 0.5, 1].map((share) => {
    const height = lower - share * (lower - upper)
    return `<path d="M${left} ${height}H${left + width}" stroke="#2c3235"/>${text(left - 6, height + 4, format(share * top, panel.unit), `text-anchor="end" fill="${DIM}"`)}`
  })
  const times = [0, 0.5, 1].map((share) => {
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle"
    return text(
      left + share * width,
      lower + 16,
      `${Math.round(share * (points - 1) * step)} s`,
      `text-anchor="${anchor}" fill="${DIM}"`
    )
  })
  // The highest sum first, so that lower ones are drawn over it.
  const lines = shown
    .flatMap(({ values }, index) =>
      piecesOf(values, at).map((piece) => {
        const [first, last] = [piece[0], piece.at(-1)]
        const area =
          first === undefined || last === undefined
            ? ""
            : `${pathOf(piece)}L${last[0].toFixed(1)} ${lower}L${first[0].toFixed(1)} ${lower}Z`
        const fill =
          panel.stacked === true ? `fill="${colours[index]}"` : `fill="${colours[index]}" fill-opacity="0.08"`
        const under = panel.stacked === true ? `<path d="${area}" fill="#181b1f"/>` : ""
        return `${under}<path d="${area}" ${fill}${panel.stacked === true ? ' fill-opacity="0.4"' : ""}/><path d="${pathOf(piece)}" fill="none" stroke="${colours[index]}" stroke-width="1.5"/>`
      })
    )
    .toReversed()
  const entries = legend.flatMap((names, line) =>
    names.map(({ at: offset, colour, name }) => {
      const [x, y] = [box.x + 12 + offset, box.y + box.height - 6 - 16 * (legend.length - 1 - line)]
      return `<rect x="${x.toFixed(0)}" y="${y - 6}" width="12" height="4" rx="1" fill="${colour}"/>${text(x + 17, y, name, `fill="${TEXT}"`)}`
    })
  )
  return [...grid, ...times, ...lines, ...entries].join("\n")
}

const drawTable = (panel: Panel, all: ReadonlyArray<RecordedSeries>, box: Box): string => {
  const { columns = [] } = panel
  const titles = columns.map(({ title }) => title)
  const rows = all.map((series) =>
    columns.map(({ of }) =>
      of === "Value" ? format(numbersIn(series).at(-1) ?? 0, panel.unit) : (series.labels[of] ?? "")
    )
  )
  // Columns are as wide as their longest text, in proportion.
  const needs = titles.map(
    (title, column) => Math.max(widthOf(title), ...rows.map((row) => widthOf(row[column] ?? ""))) + 12
  )
  const scale = (box.width - 20) / needs.reduce((sum, need) => sum + need, 0)
  const starts = needs.map(
    (_, column) => box.x + 10 + scale * needs.slice(0, column).reduce((sum, need) => sum + need, 0)
  )
  const line = (cells: ReadonlyArray<string>, y: number, colour: string): string =>
    cells
      .map((cell, column) =>
        text(starts[column] ?? box.x, y, clipped(cell, scale * (needs[column] ?? 0) - 4), `fill="${colour}"`)
      )
      .join("")
  const fits = Math.floor((box.height - 24) / 20)
  return [
    line(titles, box.y + 14, DIM),
    ...rows.slice(0, fits).map((row, index) => line(row, box.y + 36 + 20 * index, TEXT))
  ].join("\n")
}

const drawBars = (panel: Panel, all: ReadonlyArray<RecordedSeries>, box: Box): string =>
  all
    .map((series, index) => {
      const value = numbersIn(series).at(-1) ?? 0
      const colour = thresholdColour(value, panel)
      const y = box.y + 30 + index * 56
      const full = box.width - 110
      const filled = Math.max(2, (value / (panel.max ?? Math.max(1, value))) * full)
      return [
        text(box.x + 10, y, series.name, `fill="${TEXT}"`),
        `<rect x="${box.x + 10}" y="${y + 8}" width="${full}" height="20" rx="2" fill="#2c3235"/>`,
        `<rect x="${box.x + 10}" y="${y + 8}" width="${filled.toFixed(0)}" height="20" rx="2" fill="${colour}"/>`,
        text(box.x + full + 22, y + 24, format(value, panel.unit), `font-size="16" fill="${colour}"`)
      ].join("")
    })
    .join("\n")

const drawPanel = (panel: Panel, { panels, step }: Recording, box: Box): string => {
  const series = panels.find(({ title }) => title === panel.title)?.series ?? []
  const inner = { x: box.x + 4, y: box.y + 28, width: box.width - 8, height: box.height - 34 }
  const content = {
    stat: () => drawStat(panel, series[0], inner),
    timeseries: () => drawLines(panel, series, step, inner),
    table: () => drawTable(panel, series, inner),
    bars: () => drawBars(panel, series, inner)
  }[panel.kind]()
  return `<rect x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" rx="3" fill="#181b1f" stroke="#2c3235"/>
${text(box.x + 12, box.y + 20, panel.title, `fill="${TEXT}" font-weight="600" font-size="13"`)}
${content}`
}

export const drawDashboard = (recording: Recording): string => {
  let y = 12
  const parts = dashboard.rows.flatMap(({ height, panels, title }) => {
    const header = text(12, y + 18, title, `fill="${TEXT}" font-size="15"`)
    y += ROW_TITLE
    let x = 12
    const drawn = panels.map((panel) => {
      const box = { x, y, width: panel.width * COLUMN - GAP, height: height * UNIT - GAP }
      x += panel.width * COLUMN
      return drawPanel(panel, recording, box)
    })
    y += height * UNIT
    return [header, ...drawn]
  })
  const [width, height] = [24 * COLUMN + 24 - GAP, y + 4]
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="The dashboard of skopeo-operator, drawn from answers of a Prometheus">
<rect width="100%" height="100%" rx="8" fill="#111217"/>
<g font-family="Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif" font-size="12">
${parts.join("\n")}
</g>
</svg>
`
}

export const dashboardPicture = (): string =>
  drawDashboard(readRecording(readFileSync(new URL("dashboard.json", import.meta.url), "utf8")))
