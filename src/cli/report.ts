/** Reports the end of a command: one line for the failure, and the exit code. */
import { Cause, Config, Exit, Option, Schema, SchemaIssue } from "effect"
import { CliError } from "effect/cli"
import { BAD_USAGE, CommandFailure, FAILED } from "./CommandFailure.ts"

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** The variable's name and the expected value. The actual value is not shown, because it may be a secret. */
const describeConfig = (error: Config.ConfigError): string =>
  Schema.isSchemaError(error.cause)
    ? issuesOf(error.cause.issue)
        .issues.map(({ message, path = [] }) => `${path.map(String).join("_")}: ${message}; correct the variable`)
        .join("; ")
    : error.cause.message

/** The text to print for a failure; empty if the failure has been printed. */
export const describeFailure = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return ""
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (CliError.isCliError(error)) return ""
  if (error instanceof Config.ConfigError) return describeConfig(error)
  return error instanceof Error ? error.message : Cause.pretty(cause)
}

/** The exit code of a program that no signal has interrupted. */
export const exitCodeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error instanceof CommandFailure) return error.exitCode
  return CliError.isCliError(error) || error instanceof Config.ConfigError ? BAD_USAGE : FAILED
}
