/** The last lines of a terminal, drawn again and again below what is printed. */
import { Context } from "effect"

/** What it is drawn on. */
export interface Screen {
  readonly write: (text: string) => void
  readonly columns: () => number
  readonly rows: () => number
}

/** Standard error, drawn on by `sync` and printed on by the log. */
export class LiveArea extends Context.Service<
  LiveArea,
  {
    /** Shows these lines in place of those before; none clears the area. */
    readonly draw: (lines: ReadonlyArray<string>) => void
    /** Writes whole lines above the area. */
    readonly print: (text: string) => void
    readonly size: () => { readonly columns: number; readonly rows: number }
  }
>()("skopeo-operator/cli/LiveArea") {
  static readonly make = ({ columns, rows, write }: Screen): LiveArea["Service"] => {
    let drawn: ReadonlyArray<string> = []
    /** Goes back to where the area begins. A window made narrower since has broken its lines into more. */
    const erase = (): string => {
      const height = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / Math.max(1, columns()))), 0)
      return height === 0 ? "" : `\u001B[${height}A\r\u001B[J`
    }
    const shown = (lines: ReadonlyArray<string>): string => lines.map((line) => `${line}\n`).join("")
    return {
      draw: (lines) => {
        if (lines.length === drawn.length && lines.every((line, index) => line === drawn[index])) return
        // In one piece, so that nothing flickers.
        write(erase() + shown(lines))
        drawn = lines
      },
      print: (text) => write(erase() + text + shown(drawn)),
      size: () => ({ columns: columns(), rows: rows() })
    }
  }
}
