/** The table of the controller's bench. */
import { formatTable } from "../../../src/cli/table.ts"
import type { Figure } from "./Row.ts"

/** The figures of a row, or why there are none. */
export type RowResult =
  | { readonly _tag: "Measured"; readonly row: string; readonly figures: ReadonlyArray<Figure> }
  | { readonly _tag: "Failed"; readonly row: string; readonly why: string }

export const HEADER = ["ROW", "FIGURE", "MEASURED", "BARE LOOP", "GOAL", "MET"]

const DIGITS: Readonly<Record<Figure["unit"], number>> = { s: 2, ms: 0, MB: 0, "%": 2, times: 2, Jobs: 0 }

const format = (value: number | undefined, unit: Figure["unit"]): string =>
  value === undefined ? "" : `${value.toFixed(DIGITS[unit])} ${unit}`

/** Whether a figure is as good as its goal. A value that was not measured is not. */
export const isMet = ({ goal, measured }: Figure): boolean => goal === undefined || measured <= goal

/** One line for each figure. */
export const linesOf = (results: ReadonlyArray<RowResult>): ReadonlyArray<ReadonlyArray<string>> =>
  results.flatMap((result) =>
    result._tag === "Failed"
      ? [[result.row, "failed", "", "", "", "no"]]
      : result.figures.map((figure) => [
          result.row,
          figure.what,
          format(figure.measured, figure.unit),
          format(figure.bare, figure.unit),
          figure.goal === undefined ? "" : `<= ${format(figure.goal, figure.unit)}`,
          figure.goal === undefined ? "" : isMet(figure) ? "yes" : "no"
        ])
  )

export const tableOf = (results: ReadonlyArray<RowResult>): string => formatTable(HEADER, linesOf(results))
