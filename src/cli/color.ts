/** Whether the results of commands are coloured, and their colours. */
import { Config, Effect, Stdio } from "effect"

/** The colours of results. `none` for texts that are neither good nor bad. */
export type Color = "good" | "bad" | "busy" | "none"

const CODES: Readonly<Record<Exclude<Color, "none">, number>> = { good: 32, bad: 31, busy: 33 }

const ESC = String.fromCodePoint(0x1b)

/** Gives a text its colour. The text must be encoded before. */
export type Paint = (text: string, color: Color) => string

export const PLAIN: Paint = (text) => text

const COLOURED: Paint = (text, color) =>
  color === "none" || text === "" ? text : `${ESC}[${CODES[color]}m${text}${ESC}[0m`

/** Colours the results on a terminal, unless NO_COLOR (https://no-color.org) is set or the terminal is `dumb`. */
export const paintOutput = Effect.gen(function* () {
  const { stdoutIsTerminal } = yield* Stdio.Stdio
  const [noColor, term] = yield* Effect.all([
    Config.String("NO_COLOR").pipe(Config.withDefault("")),
    Config.String("TERM").pipe(Config.withDefault(""))
  ])
  return (yield* stdoutIsTerminal) && noColor === "" && term !== "dumb" ? COLOURED : PLAIN
}).pipe(Effect.orElseSucceed(() => PLAIN))
