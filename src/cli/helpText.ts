/** Formats the help of a command. No line is longer than the width, and no word is broken. Pure. */
import type { HelpDoc } from "effect/cli"
import { Option } from "effect"
import { commandAt, type CommandDescriptor, firstSentence } from "./CommandTree.ts"
import { EXIT_CODES } from "./exitCodes.ts"
import { wrapped } from "./table.ts"

/** Where the documents are. */
export const DOCUMENTS = "https://github.com/tchoupinax/skopeo-operator"

export interface HelpOptions {
  readonly tree: CommandDescriptor
  readonly width: number
  readonly bold: (text: string) => string
}

/** A term and its explanation. */
type Row = readonly [term: string, text: string]

const INDENT = "  "
/** The widest column of terms. A longer term has its explanation on the next line. */
const WIDEST = 28

export const formatHelp = (doc: HelpDoc.HelpDoc, { bold, tree, width }: HelpOptions): string => {
  const path = doc.commandPath ?? [tree.name]
  const command = commandAt(tree, path)
  const flags = doc.flags.map((flag) => flagRow(flag, command))
  const globals = (doc.globalFlags ?? []).map((flag) => flagRow(flag, command))
  const commands = (doc.subcommands ?? []).flatMap((group) =>
    group.commands.map(({ description, name, shortDescription }): Row => [
      name,
      shortDescription ?? firstSentence(description)
    ])
  )
  const args = (doc.args ?? []).map(({ description, name, required, variadic }): Row => [
    variadic ? `${name}...` : name,
    `${Option.getOrElse(description, () => "")}${required ? "" : " (optional)"}`
  ])
  const examples = (doc.examples ?? []).flatMap(({ command, description }) => [
    ...(description === undefined ? [] : wrapped(`# ${description}`, width - INDENT.length)),
    command
  ])
  const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
    lines.length === 0 ? [] : ["", bold(title), ...lines]
  const hasCommands = commands.length > 0
  return [
    ...doc.description.split("\n").flatMap((line) => wrapped(line, width)),
    ...section("USAGE", [INDENT + usageOf(doc, path, command)]),
    ...section("COMMANDS", table(commands, width)),
    ...section("ARGUMENTS", table(args, width)),
    ...section("FLAGS", table(flags, width)),
    ...section("GLOBAL FLAGS", table(globals, width)),
    ...section(
      "EXAMPLES",
      examples.map((line) => INDENT + line)
    ),
    ...section("EXIT CODES", table(EXIT_CODES, width)),
    "",
    ...(hasCommands ? [`Help of a command: ${path.join(" ")} help COMMAND`] : []),
    `Documents: ${DOCUMENTS}`
  ].join("\n")
}

const usageOf = (
  { args = [], flags, subcommands = [] }: HelpDoc.HelpDoc,
  path: ReadonlyArray<string>,
  command: CommandDescriptor
): string =>
  [
    ...path,
    ...(subcommands.length === 0 ? [] : ["COMMAND"]),
    ...flags
      .filter(({ required }) => required)
      .map((flag) => `${flag.aliases[0] ?? `--${flag.name}`} ${valueOf(flag, command)}`),
    "[flags]",
    ...args.map(({ name, required, variadic }) => {
      const shown = variadic ? `${name}...` : name
      return required ? shown : `[${shown}]`
    })
  ].join(" ")

const flagRow = (doc: HelpDoc.FlagDoc, command: CommandDescriptor): Row => {
  // Effect's text repeats the choices, which the term shows.
  const descriptor = command.flags.find(({ name }) => name === doc.name)
  const value = valueOf(doc, command)
  const text = descriptor?.description ?? Option.getOrElse(doc.description, () => "")
  const names = [...doc.aliases.filter((alias) => !alias.startsWith("--")), `--${doc.name}`].join(", ")
  const term = `${doc.aliases.length === 0 ? "    " : ""}${names}${value === "" ? "" : ` ${value}`}`
  return [term, doc.required ? `${text} (required)` : text]
}

/** The word for the value of a flag: that of the flag's definition, or else one by its type. */
const valueOf = (doc: HelpDoc.FlagDoc, { flags }: CommandDescriptor): string => {
  const type = flags.find(({ name }) => name === doc.name)?.type
  if (type === undefined || type._tag === "Boolean") return ""
  if (doc.type === doc.type.toUpperCase()) return doc.type
  if (type._tag === "Choice") return type.values.join("|")
  return type._tag === "Int" ? "N" : doc.name.toUpperCase().replaceAll("-", "_")
}

const table = (rows: ReadonlyArray<Row>, width: number): ReadonlyArray<string> => {
  const column =
    Math.min(
      WIDEST,
      rows.reduce((most, [term]) => Math.max(most, term.length), 0)
    ) + INDENT.length
  const indent = INDENT + " ".repeat(column)
  return rows.flatMap(([term, text]) => {
    const [first = "", ...others] = wrapped(text, Math.max(20, width - indent.length))
    const continued = others.map((line) => indent + line)
    return term.length > column - INDENT.length
      ? [INDENT + term, indent + first, ...continued]
      : [`${INDENT}${term.padEnd(column)}${first}`, ...continued]
  })
}
