/** How the kinds of environment variables are read. A mistake names the variable, its value and the remedy. */
import { Config, ConfigProvider, Effect, Option } from "effect"
import { excerpt } from "./text/line.ts"

/** A mistake in a variable. The message names the variable, the value and the remedy. */
export const mistake = (message: string): Config.ConfigError =>
  new Config.ConfigError(new ConfigProvider.SourceError({ message }))

/** Reads the text of a variable. `undefined` is a mistake, for which `remedy` completes the sentence "X: "value" ...". */
const parsed = <A>(name: string, otherwise: A, parse: (text: string) => A | undefined, remedy: string) =>
  Config.option(Config.NonEmptyString(name)).pipe(
    Config.mapEffect(
      Option.match({
        onNone: () => Effect.succeed(otherwise),
        onSome: (text) => {
          const value = parse(text)
          return value === undefined
            ? Effect.fail(mistake(`${name}: "${excerpt(text, 40)}" ${remedy}`))
            : Effect.succeed(value)
        }
      })
    )
  )

const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ...["true", "yes", "on", "1", "y"].map((word) => [word, true] as const),
  ...["false", "no", "off", "0", "n"].map((word) => [word, false] as const)
])

/** True or false, in the words that Effect's `Config.Boolean` knows. */
export const flag = (name: string, otherwise = false): Config.Config<boolean> =>
  parsed(name, otherwise, (text) => FLAGS.get(text), "is neither true nor false; write true or false")

/** One of several words. The first is the default. */
export const choice = <const Word extends string>(
  name: string,
  words: readonly [Word, ...ReadonlyArray<Word>]
): Config.Config<Word> =>
  parsed<Word>(name, words[0], (text) => words.find((word) => word === text), `must be one of ${words.join(", ")}`)

/** A whole number within bounds, both included. */
export const whole = (
  name: string,
  otherwise: number,
  [least, most]: readonly [least: number, most: number]
): Config.Config<number> =>
  parsed(
    name,
    otherwise,
    (text) => {
      const number = /^[0-9]{1,15}$/u.test(text) ? Number(text) : undefined
      return number !== undefined && number >= least && number <= most ? number : undefined
    },
    `is not a whole number from ${least} to ${most}; write such a number, or leave the variable empty for ${otherwise === Infinity ? "no limit" : otherwise}`
  )
