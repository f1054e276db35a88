/** The console of the commands, on which no stranger's text steers the terminal. */
import { Console, Effect, Layer } from "effect"
import { colouredLines } from "../text/line.ts"

type Print = (...parts: ReadonlyArray<unknown>) => void

const encoded =
  (print: Print): Print =>
  (...parts) =>
    print(...parts.map((part) => (typeof part === "string" ? colouredLines(part) : part)))

/** The same console, whose texts are encoded. Commands, Effect's help and its usage errors print by `log` and `error` alone. */
const encoding = (console: Console.Console): Console.Console =>
  Object.assign(Object.create(console), {
    log: encoded(console.log.bind(console)),
    error: encoded(console.error.bind(console))
  })

/** Encodes the texts of the console. */
export const layer: Layer.Layer<never> = Layer.effect(Console.Console, Effect.map(Console.Console, encoding))
