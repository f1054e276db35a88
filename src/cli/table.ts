/** Tables for people: fitted to the width of a terminal, one line per row elsewhere. */
import { Effect, Stdio, Terminal } from "effect"
import { boundedLine, cell, shorten } from "../text/line.ts"

/** Colours a cell that is encoded and padded. `row` counts from 0, without the header. */
export type PaintCell = (text: string, column: number, row: number) => string

/**
 * Formats columns as kubectl does. With a `width` the last column is broken between words and continues below its start,
 * because a terminal breaks long lines anywhere. If the last column has too little room for its words, each row gets a line for
 * its other cells and lines for the last one. Cells are encoded: registries and users write them.
 */
export const formatTable = (
  header: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  width = Number.POSITIVE_INFINITY,
  paint: PaintCell = (text) => text
): string => {
  const encoded = [header, ...rows].map((line) => [...line.slice(0, -1).map(cell), boundedLine(line.at(-1) ?? "")])
  const lines = fitted(encoded, width)
  const widths = widthsOf(lines)
  const indent = totalOf(widths)
  const room = width - indent
  const isNarrow = room < Math.max(NARROWEST, longestWord(lines, width - BELOW.length))
  return lines
    .flatMap((line, index) => {
      const cells = line.slice(0, -1).map((text, column) => {
        const padded = text.padEnd(widths[column] ?? 0)
        return index === 0 ? padded : paint(padded, column, index - 1)
      })
      const last = line.at(-1) ?? ""
      if (!isNarrow) return [[...cells, wrapped(last, room).join(`\n${" ".repeat(indent)}`)].join(GAP).trimEnd()]
      const head = cells.join(GAP).trimEnd()
      if (index === 0 || last === "") return [head]
      return [head, ...wrapped(last, width - BELOW.length).map((text) => BELOW + text)]
    })
    .join("\n")
}

const GAP = "   "
/** The last cell of a row below its other cells. */
const BELOW = "    "
const NARROWEST = 20
/** The fewest characters that are left of a name. */
const NAME = 12

const widthsOf = (lines: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<number> =>
  (lines[0] ?? []).map((_, column) => lines.reduce((most, line) => Math.max(most, (line[column] ?? "").length), 0))

/** The characters of all columns before the last, with the gaps after them. */
const totalOf = (widths: ReadonlyArray<number>): number =>
  widths.slice(0, -1).reduce((sum, column) => sum + column + GAP.length, 0)

/** Shortens the first column, which has names, if the columns before the last are wider than the terminal. */
const fitted = (lines: ReadonlyArray<ReadonlyArray<string>>, width: number): ReadonlyArray<ReadonlyArray<string>> => {
  const widths = widthsOf(lines)
  const [first = 0] = widths
  const excess = totalOf(widths) - GAP.length - width
  if (excess <= 0) return lines
  const most = Math.max(NAME, first - excess)
  return lines.map(([name = "", ...others]) => [shorten(name, most), ...others])
}

/** The longest word of the last column that fits into a line of its own. */
const longestWord = (lines: ReadonlyArray<ReadonlyArray<string>>, most: number): number =>
  lines
    .flatMap((line) => (line.at(-1) ?? "").split(" "))
    .reduce((longest, { length }) => (length > most ? longest : Math.max(longest, length)), 0)

/** Breaks a text between words. A word that is longer than a line stays whole. */
export const wrapped = (text: string, width: number): ReadonlyArray<string> => {
  if (text.length <= width) return [text]
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** The width of a table on standard output. In a file or a pipe each row is one line. */
export const outputWidth = Effect.gen(function* () {
  const { stdoutIsTerminal } = yield* Stdio.Stdio
  if (!(yield* stdoutIsTerminal)) return Number.POSITIVE_INFINITY
  const columns = yield* (yield* Terminal.Terminal).columns
  return columns > 0 ? columns : Number.POSITIVE_INFINITY
})
