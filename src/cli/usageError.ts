/** Formats a command line that cannot be used: the mistake with its remedy, and where help is. Two lines. Pure. */
import type { CliError } from "effect/cli"
import { nearestOf } from "../domain/suggestion.ts"
import { boundedLine, cell } from "../text/line.ts"
import { commandAt, type CommandDescriptor, type FlagDescriptor } from "./CommandTree.ts"

/** A command line that cannot be used. */
export interface Invocation {
  readonly tree: CommandDescriptor
  /** The command that the parser has reached, beginning with the root. */
  readonly path: ReadonlyArray<string>
  readonly args: ReadonlyArray<string>
}

/** A map by words that users write. An object has `constructor` and others too. */
const mapOf = <A>(entries: Readonly<Record<string, A>>): ReadonlyMap<string, A> => new Map(Object.entries(entries))

const LOGIN = "log in first, such as with docker login"

/** The commands of other tools that mean the same. A hint is given only if this program has the command. */
const COMMANDS: ReadonlyMap<string, ReadonlyArray<string>> = mapOf({
  apply: ["sync"],
  run: ["sync"],
  once: ["sync"],
  server: ["sync"],
  mirror: ["sync"],
  ls: ["tags", "get"],
  list: ["tags", "get"],
  "list-tags": ["tags"],
  cp: ["copy"],
  pull: ["copy"],
  push: ["copy"],
  diff: ["plan"],
  check: ["plan"],
  "dry-run": ["plan"],
  describe: ["get"],
  show: ["get"],
  status: ["get"],
  logs: ["events"],
  log: ["events"],
  pause: ["suspend"],
  unsuspend: ["resume"],
  trigger: ["reconcile"],
  refresh: ["reconcile"],
  completions: ["completion"],
  install: ["crd"],
  start: ["operator"]
})

/** The flags of other tools that mean the same: flags, or commands. */
const FLAGS: ReadonlyMap<string, ReadonlyArray<string>> = mapOf({
  filename: ["--file"],
  config: ["--file"],
  manifest: ["--file"],
  "dry-run": ["plan"],
  insecure: ["--tls-verify=false"],
  "insecure-skip-tls-verify": ["--tls-verify=false"],
  "tls-skip-verify": ["--tls-verify=false"],
  "plain-http": ["--tls-verify=false"],
  format: ["--output"],
  label: ["--selector"],
  labels: ["--selector"],
  ns: ["--namespace"],
  debug: ["--verbose"],
  silent: ["--quiet"],
  verbosity: ["--log-level"],
  completions: ["completion"],
  "no-color": ["--color=never"]
})

/** Flags of other tools that this program does not need, and what serves instead. Only for commands that ask registries. */
const NEEDLESS: ReadonlyMap<string, string> = mapOf({
  all: "all platforms are copied",
  "multi-arch": "all platforms are copied",
  "preserve-digests": "a copy keeps its digest",
  creds: LOGIN,
  "src-creds": LOGIN,
  "dest-creds": LOGIN,
  username: LOGIN,
  password: LOGIN,
  authfile: "set REGISTRY_AUTH_FILE",
  "cert-dir": "set REGISTRY_CA_FILE",
  "retry-times": "requests that fail are sent again",
  concurrency: "set COPIES_AT_ONCE",
  jobs: "set COPIES_AT_ONCE",
  parallel: "set COPIES_AT_ONCE"
})
const ASKS_REGISTRIES: ReadonlySet<string> = new Set(["copy", "sync", "plan", "tags"])

/** Formats the first mistake in the order of the arguments. Later ones may only follow from that one. */
export const formatUsageError = (errors: ReadonlyArray<CliError.CliError>, invocation: Invocation): string => {
  const [first] = errors
  const mistake = first === undefined ? "the command line cannot be used" : describeError(first, invocation)
  return `${boundedLine(`error: ${mistake}`)}\nSee '${invocation.path.join(" ")} --help'`
}

const describeError = (error: CliError.CliError, invocation: Invocation): string => {
  switch (error._tag) {
    case "UnknownSubcommand":
      return `unknown command ${cell(error.subcommand)}; ${commandHint(error.subcommand, invocation)}`
    case "UnrecognizedOption":
      return [`unknown flag ${cell(error.option)}`, ...flagHint(error.option, invocation)].join("; ")
    case "InvalidValue":
      return describeValue(error, invocation)
    case "UnexpectedArgument":
      return `unexpected argument ${error.arguments.map((value) => JSON.stringify(cell(value))).join(", ")}; ${argumentHint(invocation)}`
    case "MissingOption":
      return `missing flag --${error.option}; ${missingHint(error.option, invocation)}`
    case "MissingArgument":
      return `missing argument ${error.argument}`
    case "DuplicateOption":
    case "ShowHelp":
    case "UserError":
    case "ValidationError":
      return error.message
  }
}

const commandHint = (written: string, { tree }: Invocation): string => {
  const names = tree.subcommands.map(({ name }) => name)
  const meant = COMMANDS.get(written.toLowerCase())?.find((name) => names.includes(name)) ?? nearestOf(written, names)
  if (meant !== undefined) return `did you mean ${meant}?`
  return isFile(written) ? `did you mean sync -f ${cell(written)}?` : `the commands are ${names.join(", ")}`
}

const isFile = (word: string): boolean => /\.(?:ya?ml|json)$/u.test(word)

/** No hint for one letter: each flag is near to each other one. */
const flagHint = (option: string, { path, tree }: Invocation): ReadonlyArray<string> => {
  const name = option.replace(/^--?/u, "")
  const command = commandAt(tree, path)
  const others = tree.subcommands.filter(({ flags }) =>
    flags.some((flag) => [flag.name, ...flag.aliases].includes(name))
  )
  if (command === tree && others.length > 0) {
    return [`write the command first, such as ${tree.name} ${others[0]?.name ?? ""} ${option}`]
  }
  const needless = ASKS_REGISTRIES.has(command.name) ? NEEDLESS.get(name) : undefined
  if (needless !== undefined) return [needless]
  const known = command.flags.map((flag) => flag.name)
  const meant = FLAGS.get(name)?.find((text) =>
    text.startsWith("--")
      ? known.includes(text.slice(2).split("=")[0] ?? "")
      : tree.subcommands.some((one) => one.name === text)
  )
  if (meant !== undefined) return [`did you mean ${meant.startsWith("--") ? meant : `the command ${meant}`}?`]
  if (others.length > 0) {
    const names = others.map((one) => one.name).join(", ")
    return [`${names} ${others.length === 1 ? "has" : "have"} this flag`]
  }
  const nearest = option.startsWith("--") ? nearestOf(name, known) : undefined
  return nearest === undefined ? [] : [`did you mean --${nearest}?`]
}

const argumentHint = ({ path, tree }: Invocation): string => {
  const { arguments: taken, name } = commandAt(tree, path)
  return taken.length === 0
    ? `${name} takes no arguments`
    : `${name} takes ${taken.map((one) => one.name).join(" ")}, and a value with spaces needs quotes`
}

const describeValue = (
  { expected, kind, option, value }: CliError.InvalidValue,
  { args, path, tree }: Invocation
): string => {
  const command = commandAt(tree, path)
  const flag = kind === "flag" ? command.flags.find(({ name }) => name === option) : undefined
  const type = flag?.type ?? command.arguments.find(({ name }) => name === option)?.type
  const what = kind === "flag" ? `--${option}` : option
  const choices = type?._tag === "Choice" ? type.values : []
  if (flag !== undefined && value === "") {
    return `the flag ${what} needs a value${choices.length === 0 ? "" : `: ${choices.join(", ")}`}`
  }
  // The parser reports a number of occurrences in the place of a value.
  if (flag !== undefined && !args.some((arg) => arg === value || arg.endsWith(`=${value}`))) {
    const names = new Set([`--${option}`, ...flag.aliases.map((alias) => `-${alias}`)])
    const count = args.filter((arg) => names.has(arg.split("=")[0] ?? "")).length
    if (count > 1) return `the flag ${what} is given ${count} times; give it once`
  }
  const written = `${what}: ${JSON.stringify(cell(value))}`
  if (choices.length > 0) {
    const meant = nearestOf(value, choices)
    return `${written} must be one of ${choices.join(", ")}${meant === undefined ? "" : `; did you mean ${meant}?`}`
  }
  const mistake = type === undefined ? undefined : TYPES[type._tag]
  // The message of a flag's own rule names the value.
  return mistake === undefined ? `${what}: ${expected}` : `${written} ${mistake}`
}

const TYPES: Partial<Record<FlagDescriptor["type"]["_tag"], string>> = {
  Int: "is not a whole number",
  Boolean: "is neither true nor false"
}

/** `sync image.yaml`: the file was meant for --file. */
const missingHint = (option: string, { args, path, tree }: Invocation): string => {
  const file = option === "file" ? args.find((arg) => isFile(arg) && !arg.startsWith("-")) : undefined
  const [short] = commandAt(tree, path).flags.find(({ name }) => name === option)?.aliases ?? []
  const flag = short === undefined ? `--${option}` : `-${short}`
  return `write ${flag} ${file === undefined ? option.toUpperCase() : cell(file)}`
}
