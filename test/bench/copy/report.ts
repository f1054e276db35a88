/** The bench's table: the usage of each tool, and the ratio of this program to the fastest other tool. */
import { formatTable } from "../../../src/cli/table.ts"
import type { Traffic } from "./registry.ts"
import { median, type Ratio, ratioOfMedians } from "./statistics.ts"

/** The usage of one tool in one run of one row. */
export interface Run {
  /** Seconds until the first connection of its first process. Absent for a running operator. */
  readonly startUp: number | undefined
  /** Seconds of the cold copy. A running operator has no start in them. */
  readonly cold: number
  /** Seconds of the copy without work. */
  readonly warm: number
  readonly cpuSeconds: number
  readonly peakBytes: number
  readonly coldTraffic: SidedTraffic
  readonly warmTraffic: SidedTraffic
}

export interface SidedTraffic {
  readonly source: Traffic
  readonly destination: Traffic
}

export interface Result {
  readonly row: string
  readonly tool: string
  readonly isOwn: boolean
  readonly runs: ReadonlyArray<Run>
}

export const HEADER = [
  ...["row", "tool", "start s", "cold s", "of the fastest", "warm s", "of the fastest"],
  ...["CPU s", "peak MB", "requests cold", "warm", "MB read"]
]

const of = (result: Result, key: "startUp" | "cold" | "warm" | "cpuSeconds" | "peakBytes"): ReadonlyArray<number> =>
  result.runs.flatMap((run) => run[key] ?? [])

const seconds = (values: ReadonlyArray<number>): string => (values.length === 0 ? "" : median(values).toFixed(3))

/** The ratio of this program to the fastest other tool. */
export const againstFastest = (own: Result, others: ReadonlyArray<Result>, key: "cold" | "warm"): Ratio | undefined => {
  const [fastest] = others.toSorted((a, b) => median(of(a, key)) - median(of(b, key)))
  return fastest === undefined ? undefined : ratioOfMedians(of(own, key), of(fastest, key))
}

export const formatRatio = (ratio: Ratio | undefined): string =>
  ratio === undefined ? "" : `${ratio.value.toFixed(2)} (${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)})`

/** `13 + 24`. Numbers that differ between runs are a range. */
const requestsOf = (traffic: ReadonlyArray<SidedTraffic>): string =>
  (["source", "destination"] as const)
    .map((side) => traffic.map((sided) => sided[side].requests))
    .map((counts) => [...new Set([Math.min(...counts), Math.max(...counts)])].join("–"))
    .join(" + ")

const megabytes = (bytes: number, digits = 0): string => (bytes / 1e6).toFixed(digits)

/** One line for each tool and row. */
export const linesOf = (results: ReadonlyArray<Result>): ReadonlyArray<ReadonlyArray<string>> =>
  results.map((result) => {
    const others = results.filter(({ isOwn, row }) => row === result.row && !isOwn)
    const ratio = (key: "cold" | "warm") => (result.isOwn ? formatRatio(againstFastest(result, others, key)) : "")
    return [
      result.row,
      result.tool,
      seconds(of(result, "startUp")),
      seconds(of(result, "cold")),
      ratio("cold"),
      seconds(of(result, "warm")),
      ratio("warm"),
      median(of(result, "cpuSeconds")).toFixed(2),
      megabytes(median(of(result, "peakBytes"))),
      requestsOf(result.runs.map(({ coldTraffic }) => coldTraffic)),
      requestsOf(result.runs.map(({ warmTraffic }) => warmTraffic)),
      megabytes(median(result.runs.map(({ coldTraffic }) => coldTraffic.source.blobBytes)), 1)
    ]
  })

/** The table for a terminal. */
export const plainTable = (results: ReadonlyArray<Result>): string =>
  formatTable(
    HEADER.map((title) => title.toUpperCase()),
    linesOf(results)
  )

/** The table for docs/performance.md, aligned as by prettier. */
export const markdownTable = (results: ReadonlyArray<Result>): string => {
  const lines = linesOf(results)
  const widths = HEADER.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0))
  )
  const format = (cells: ReadonlyArray<string>): string =>
    `| ${cells.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(" | ")} |`
  const rule = widths.map((width, column) => (column < 2 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`))
  return [format(HEADER), format(rule), ...lines.map(format)].join("\n")
}
