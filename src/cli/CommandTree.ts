/** The commands and flags of a program, as data: for short flags, for hints, for help and for completions. */
import { Context } from "effect"
import { Command, Completions, type Flag } from "effect/cli"

export type CommandDescriptor = Completions.CommandDescriptor
export type FlagDescriptor = Completions.FlagDescriptor

/** The flags of Effect that every command has. */
const BUILT_IN: ReadonlyArray<FlagDescriptor> = [
  { name: "help", aliases: ["h"], description: "Shows this help", type: { _tag: "Boolean" }, negation: false },
  { name: "version", aliases: [], description: "Shows the version", type: { _tag: "Boolean" }, negation: false }
]

/** The flags whose value is a path. A Flag.Path would make `-`, which means standard input, a path too. */
const PATHS = new Set(["file", "policy", "kubeconfig", "state-dir"])

const withPaths = (flag: FlagDescriptor): FlagDescriptor =>
  PATHS.has(flag.name) ? { ...flag, type: { _tag: "Path", pathType: "either" } } : flag

/** The first sentence of a description, for lists of commands. */
export const firstSentence = (text: string): string => text.split(/(?<=\.) /u)[0] ?? text

const withFlags = (tree: CommandDescriptor, flags: ReadonlyArray<FlagDescriptor>): CommandDescriptor => ({
  ...tree,
  description: firstSentence(tree.description ?? ""),
  flags: [...tree.flags.map(withPaths), ...flags],
  subcommands: tree.subcommands.map((command) => withFlags(command, flags))
})

/** The arguments that name a command have its names as their choices. */
const withCommands = (command: CommandDescriptor, values: ReadonlyArray<string>): CommandDescriptor => ({
  ...command,
  arguments: command.arguments.map((argument) =>
    argument.name === "COMMAND" ? { ...argument, type: { _tag: "Choice", values } } : argument
  )
})

/** Describes a program. Each command has the flags of every command too. */
export const describe = (
  root: Command.Command.Any,
  globalFlags: Readonly<Record<string, Flag.Flag<unknown>>>
): CommandDescriptor => {
  const { flags } = Completions.fromCommand(Command.make("global", globalFlags))
  const tree = withFlags(Completions.fromCommand(root), [...flags, ...BUILT_IN])
  const values = tree.subcommands.map(({ name }) => name)
  return { ...tree, subcommands: tree.subcommands.map((command) => withCommands(command, values)) }
}

/** The command at a path that begins with the root, or the nearest of its parents. */
export const commandAt = (root: CommandDescriptor, path: ReadonlyArray<string>): CommandDescriptor =>
  path.slice(1).reduce((command, name) => command.subcommands.find((one) => one.name === name) ?? command, root)

/** The tree of the running program. */
export class CommandTree extends Context.Service<CommandTree, CommandDescriptor>()("skopeo-operator/cli/CommandTree") {}
