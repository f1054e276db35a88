/** The last lines of a terminal, which are redrawn below all printed lines. */
import { Context } from "effect"
import { oneLine } from "../text/line.ts"

/** A terminal, or a file without a size. */
export interface Screen {
  readonly write: (text: string) => void
  readonly columns: () => number
  readonly rows: () => number
}

/** The size of a terminal, in characters. */
export interface Size {
  readonly columns: number
  readonly rows: number
}

/** The live area of standard error. `sync` draws the area, and the log prints above it. */
export class LiveArea extends Context.Service<
  LiveArea,
  {
    /** Replaces the lines of the area. No lines clear the area. The lines are encoded. */
    readonly draw: (lines: ReadonlyArray<string>) => void
    /** Writes one line above the area. The line is encoded. */
    readonly print: (line: string) => void
    readonly size: () => Size
  }
>()("skopeo-operator/cli/LiveArea") {
  static readonly make = ({ columns, rows, write }: Screen): LiveArea["Service"] => {
    let drawn: ReadonlyArray<string> = []
    /** Moves the cursor to the start of the area. A narrower window has broken the lines of the area into more lines. */
    const erase = (): string => {
      const height = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / Math.max(1, columns()))), 0)
      return height === 0 ? "" : `\u001B[${height}A\r\u001B[J`
    }
    const shown = (lines: ReadonlyArray<string>): string => lines.map((line) => `${line}\n`).join("")
    return {
      draw: (asked) => {
        const lines = asked.map(oneLine)
        if (lines.length === drawn.length && lines.every((line, index) => line === drawn[index])) return
        // One write, so that the terminal does not flicker.
        write(erase() + shown(lines))
        drawn = lines
      },
      print: (line) => write(erase() + shown([oneLine(line)]) + shown(drawn)),
      size: () => ({ columns: columns(), rows: rows() })
    }
  }
}
