/** The flags of every command. */
import { Config, Effect, Layer, type LogLevel, Option, References } from "effect"
import { Flag, GlobalFlag } from "effect/cli"
import { choice } from "../Variable.ts"

/** When output has colours. */
export type ColorChoice = "auto" | "always" | "never"

const LEVELS = [
  ["all", "All"],
  ["trace", "Trace"],
  ["debug", "Debug"],
  ["info", "Info"],
  ["warn", "Warn"],
  ["error", "Error"],
  ["fatal", "Fatal"],
  ["none", "None"]
] as const satisfies ReadonlyArray<readonly [string, LogLevel.LogLevel]>

/** The flags that set how a command works. Their names are those that users know from kubectl, crane and regctl. */
export const flags = {
  verbose: Flag.Boolean("verbose").pipe(
    Flag.withAlias("v"),
    Flag.withoutNegation,
    Flag.withDescription("Logs more: the same as --log-level debug"),
    Flag.atLeast(0)
  ),
  quiet: Flag.Boolean("quiet").pipe(
    Flag.withAlias("q"),
    Flag.withoutNegation,
    Flag.withDescription("Logs only errors, and shows no progress"),
    Flag.withDefault(false)
  ),
  logLevel: Flag.ChoiceWithValue("log-level", LEVELS).pipe(
    Flag.withMetavar("LEVEL"),
    Flag.withDescription("Logs from this level: debug, info, warn, error, none"),
    Flag.optional
  ),
  color: Flag.Literals("color", ["auto", "always", "never"]).pipe(
    Flag.withMetavar("WHEN"),
    Flag.withDescription("Colours: auto, always or never. auto: on a terminal, unless NO_COLOR is set"),
    Flag.withDefault("auto" as const)
  )
}

const Verbose = GlobalFlag.Setting("verbose")({ flag: flags.verbose })
const Quiet = GlobalFlag.Setting("quiet")({ flag: flags.quiet })
const LogLevelFlag = GlobalFlag.Setting("log-level")({ flag: flags.logLevel })
const Color = GlobalFlag.Setting("color")({ flag: flags.color })

/** For `Command.withGlobalFlags` of a root command. */
export const globalFlags = [Verbose, Quiet, LogLevelFlag, Color] as const

/** `--version` without an alias: other tools take `-v` for verbose. */
const Version = GlobalFlag.Action({
  flag: Flag.Boolean("version").pipe(
    Flag.withoutNegation,
    Flag.withDescription("Shows the version"),
    Flag.withDefault(false)
  ),
  run: GlobalFlag.Version.run
})

const Help = GlobalFlag.Action({
  flag: Flag.Boolean("help").pipe(
    Flag.withAlias("h"),
    Flag.withoutNegation,
    Flag.withDescription("Shows this help"),
    Flag.withDefault(false)
  ),
  run: GlobalFlag.Help.run
})

/** The flags of Effect that stay: no wizard, and completions are a command. */
export const builtIns: ReadonlyArray<GlobalFlag.BuiltIn> = [Help, Version]

/** The log level of a process without a flag for it, by the variable of its environment. */
export const logLevelConfig = Config.map(
  choice("LOG_LEVEL", ["info", "debug", "warn", "error", "none", "all", "trace", "fatal"]),
  (word): LogLevel.LogLevel => LEVELS.find(([known]) => known === word)?.[1] ?? "Info"
)

/** The log level of a command: by `--log-level`, by `--quiet`, by `--verbose`, or by the variable, in this order. */
export const layerLogLevel = Layer.effect(
  References.MinimumLogLevel,
  Effect.gen(function* () {
    const isQuiet = yield* Quiet
    const isVerbose = (yield* Verbose).some(Boolean)
    const ofVariable = yield* logLevelConfig
    return Option.getOrElse(yield* LogLevelFlag, () => (isQuiet ? "Error" : isVerbose ? "Debug" : ofVariable))
  })
)

/** The choice of colours in arguments. Help and usage errors need it even if the arguments cannot be parsed. */
export const colorIn = (args: ReadonlyArray<string>): ColorChoice => {
  const at = args.findLastIndex((arg) => arg === "--color" || arg.startsWith("--color="))
  const given = args[at]?.split("=")[1] ?? args[at + 1]
  return at !== -1 && (given === "always" || given === "never") ? given : "auto"
}
