/** Whether the results of commands are coloured, and their colours. */
import { Effect } from "effect"
import { TerminalCapabilities } from "effect/cli"

/** The colours of results. `none` for texts that are neither good nor bad. */
export type Color = "good" | "bad" | "busy" | "none"

const CODES: Readonly<Record<Exclude<Color, "none">, number>> = { good: 32, bad: 31, busy: 33 }

const ESC = String.fromCodePoint(0x1b)

/** Gives a text its colour. The text must be encoded before. */
export type Paint = (text: string, color: Color) => string

export const PLAIN: Paint = (text) => text

const COLOURED: Paint = (text, color) =>
  color === "none" || text === "" ? text : `${ESC}[${CODES[color]}m${text}${ESC}[0m`

/** Colours the results on a terminal, as the flag `--color` and the variable NO_COLOR (https://no-color.org) say. */
export const paintOutput = Effect.map(TerminalCapabilities.TerminalCapabilities, ({ canColor }) =>
  canColor ? COLOURED : PLAIN
)
