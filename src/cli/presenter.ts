/** Prints help, the version, and the mistakes of a command line. */
import { Console, Effect, Layer, Stdio, Terminal } from "effect"
import { CliOutput, TerminalCapabilities } from "effect/cli"
import { CommandTree } from "./CommandTree.ts"
import { formatHelp } from "./helpText.ts"
import { formatUsageError } from "./usageError.ts"

/** The width of help in a file or a pipe, and the widest help. */
const WIDTH = 80
const WIDEST = 100

/** Help goes to standard output. Mistakes go to standard error only, so that a pipe gets no help in the place of data. */
export const layer = (args: ReadonlyArray<string>) =>
  Layer.effect(
    CliOutput.Presenter,
    Effect.gen(function* () {
      const tree = yield* CommandTree
      const terminal = yield* Terminal.Terminal
      const { stdoutIsTerminal } = yield* Stdio.Stdio
      const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
      const bold = (text: string) => (canColor ? `\u001B[1m${text}\u001B[0m` : text)
      const columns = Effect.gen(function* () {
        if (!(yield* stdoutIsTerminal)) return WIDTH
        return Math.min(WIDEST, (yield* terminal.columns) || WIDTH)
      })
      return {
        present: (event) => {
          switch (event._tag) {
            case "Help":
              return Effect.flatMap(columns, (width) => Console.log(formatHelp(event.helpDoc, { tree, width, bold })))
            case "InvalidInvocation":
              return Console.error(formatUsageError(event.errors, { tree, path: event.commandPath, args }))
            case "Version":
              return Console.log(`${event.name} v${event.version}`)
          }
        }
      }
    })
  )
