/** Writes the arguments of a program in the form that Effect's parser reads as POSIX means them. Pure. */
import type { CommandDescriptor, FlagDescriptor } from "./CommandTree.ts"

/** The words that Effect's parser takes for the value of a Boolean flag. Elsewhere they are arguments. */
const WORDS = new Set(["yes", "no", "y", "n", "on", "off", "1", "0"])
const NUMBER = /^-(?:\d+\.?\d*|\.\d+)/u

/** All flags of a program, by name and alias. A name means the same in each command. */
export const flagsByName = (tree: CommandDescriptor): ReadonlyMap<string, FlagDescriptor> =>
  new Map([
    ...tree.subcommands.flatMap((command) => [...flagsByName(command)]),
    ...tree.flags.flatMap((flag) => [flag.name, ...flag.aliases].map((name) => [name, flag] as const))
  ])

/**
 * Separates bundled short flags, and the value that is glued to one: `-vojson` becomes `-v=true -o=json`. A Boolean flag gets its value,
 * so that it does not take the next argument. Unknown flags stay as they are, for the parser's error.
 */
export const normalizeArguments = (
  args: ReadonlyArray<string>,
  flags: ReadonlyMap<string, FlagDescriptor>
): ReadonlyArray<string> => {
  const end = args.indexOf("--")
  const own = end === -1 ? args : args.slice(0, end)
  return [
    ...own.flatMap((arg, index) => {
      if (arg.startsWith("--")) return longFlag(arg, own[index + 1], flags)
      return arg.length > 1 && arg.startsWith("-") && !NUMBER.test(arg) ? shortFlags(arg, flags) : [arg]
    }),
    ...args.slice(own.length)
  ]
}

const isBoolean = (flag: FlagDescriptor | undefined): boolean => flag?.type._tag === "Boolean"

/** `--verbose yes` is a flag and an argument, although Effect's parser takes `yes` for the flag's value. */
const longFlag = (
  arg: string,
  next: string | undefined,
  flags: ReadonlyMap<string, FlagDescriptor>
): ReadonlyArray<string> => {
  if (next === undefined || !WORDS.has(next.toLowerCase())) return [arg]
  const name = arg.slice(2)
  if (isBoolean(flags.get(name))) return [`${arg}=true`]
  const positive = name.startsWith("no-") ? name.slice(3) : ""
  return isBoolean(flags.get(positive)) ? [`--${positive}=false`] : [arg]
}

const shortFlags = (arg: string, flags: ReadonlyMap<string, FlagDescriptor>): ReadonlyArray<string> => {
  const characters = Array.from(arg.slice(1))
  const separate: Array<string> = []
  for (const [index, character] of characters.entries()) {
    const flag = flags.get(character)
    const rest = characters.slice(index + 1).join("")
    if (flag !== undefined && isBoolean(flag) && !rest.startsWith("=")) {
      separate.push(`-${character}=true`)
      continue
    }
    if (flag === undefined || rest === "") return [...separate, `-${character}${rest}`]
    return [...separate, `-${character}=${rest.startsWith("=") ? rest.slice(1) : rest}`]
  }
  return separate
}
