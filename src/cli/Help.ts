/** `help`: prints the help of a command, as `COMMAND --help` does. */
import { Effect } from "effect"
import { Argument, CliError, Command } from "effect/cli"
import { commandAt, CommandTree } from "./CommandTree.ts"

export const helpCommand = Command.make(
  "help",
  {
    names: Argument.String("COMMAND").pipe(
      Argument.withDescription("The command. Default all commands"),
      Argument.atLeast(0)
    )
  },
  Effect.fn(function* ({ names }) {
    const tree = yield* CommandTree
    const unknown = names.find(
      (name, index) => commandAt(tree, [tree.name, ...names.slice(0, index + 1)]).name !== name
    )
    const errors =
      unknown === undefined
        ? []
        : [new CliError.UnknownSubcommand({ subcommand: unknown, parent: [tree.name], suggestions: [] })]
    return yield* new CliError.ShowHelp({
      commandPath: unknown === undefined ? [tree.name, ...names] : [tree.name],
      errors
    })
  })
).pipe(Command.withDescription("Prints the help of a command."))
