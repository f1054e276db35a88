/** How a command's end is told: one line for what went wrong, and the exit code that goes with it. */
import { Cause, Config, Exit, Option, Schema, SchemaIssue } from "effect"
import { CliError } from "effect/cli"
import { BAD_USAGE, CommandFailure, FAILED } from "./CommandFailure.ts"

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** A variable's name, and what it should have been; never its value, which may be a secret. */
const describeConfig = (error: Config.ConfigError): string =>
  Schema.isSchemaError(error.cause)
    ? issuesOf(error.cause.issue)
        .issues.map(({ message, path = [] }) => `${path.map(String).join("_")}: ${message}; correct the variable`)
        .join("; ")
    : error.cause.message

/** What to print of a failure; empty if the user has been told already. */
export const describeFailure = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return ""
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (CliError.isCliError(error)) return ""
  if (error instanceof Config.ConfigError) return describeConfig(error)
  return error instanceof Error ? error.message : Cause.pretty(cause)
}

/** The exit code of a program that was not interrupted. */
export const exitCodeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error instanceof CommandFailure) return error.exitCode
  return CliError.isCliError(error) || error instanceof Config.ConfigError ? BAD_USAGE : FAILED
}
