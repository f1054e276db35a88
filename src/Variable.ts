/** How the kinds of environment variables are read. A mistake names the variable, its value and the remedy. */
import { readFile } from "node:fs/promises"
import { Config, ConfigProvider, Effect, Option, Redacted } from "effect"
import { parseBundle } from "./http/certificates.ts"
import { innermostCause } from "./text/Cause.ts"
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

/** A text that messages never show. An empty variable counts as not set. */
export const secret = (name: string): Config.Config<Option.Option<Redacted.Redacted>> =>
  Config.map(
    Config.option(Config.Redacted(name)),
    Option.filter((value) => Redacted.value(value) !== "")
  )

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

/**
 * Parses the address of an HTTP server in a variable. The address may hold a secret, so a mistake does not show the value. A user
 * and a password are refused, because most programs show such an address in their errors.
 */
export const addressOf = (
  name: string,
  text: Redacted.Redacted
): Effect.Effect<Redacted.Redacted<URL>, Config.ConfigError> => {
  const url = URL.parse(Redacted.value(text).trim())
  if (url === null || !/^https?:$/u.test(url.protocol) || url.hostname === "") {
    return Effect.fail(
      mistake(`${name}: the value is not a URL; write http://HOST:PORT or https://HOST:PORT, with a path if needed`)
    )
  }
  return url.username === "" && url.password === ""
    ? Effect.succeed(Redacted.make(url))
    : Effect.fail(mistake(`${name}: the URL has a user or a password before "@", which is not supported; leave it out`))
}

/** The certificates of authorities in the file that a variable names. */
export const certificatesIn = (
  variable: string,
  path: string
): Effect.Effect<ReadonlyArray<string>, Config.ConfigError> =>
  Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (cause) =>
      mistake(
        `${variable}: "${path}" cannot be read (${innermostCause(cause)}); name a readable file of PEM certificates`
      )
  }).pipe(
    Effect.flatMap((text) =>
      Effect.mapError(Effect.fromResult(parseBundle(text)), (problem) => mistake(`${variable}: ${path}: ${problem}`))
    )
  )
