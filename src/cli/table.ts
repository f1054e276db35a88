/** Tables for people: fitted to the width of a terminal, one line per row elsewhere. */
import { Effect, Stdio, Terminal } from "effect"
import { boundedLine, cell } from "../text/line.ts"

/**
 * Formats columns as kubectl does. With a `width` the last column is broken between words and continues below its start,
 * because a terminal breaks long lines anywhere. Cells are encoded: registries and users write them.
 */
export const formatTable = (
  header: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  width = Number.POSITIVE_INFINITY
): string => {
  const lines = [header, ...rows].map((line) => [...line.slice(0, -1).map(cell), boundedLine(line.at(-1) ?? "")])
  const widths = header.map((_, column) => lines.reduce((most, line) => Math.max(most, (line[column] ?? "").length), 0))
  const indent = widths.slice(0, -1).reduce((sum, column) => sum + column + GAP.length, 0)
  // A narrower terminal has no room for columns.
  const room = width - indent < NARROWEST ? Number.POSITIVE_INFINITY : width - indent
  return lines
    .map((line) =>
      [
        ...line.slice(0, -1).map((cell, column) => cell.padEnd(widths[column] ?? 0)),
        wrapped(line.at(-1) ?? "", room).join(`\n${" ".repeat(indent)}`)
      ]
        .join(GAP)
        .trimEnd()
    )
    .join("\n")
}

const GAP = "   "
const NARROWEST = 20

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
