/** Reports the end of a command: one line for the failure, and the exit code. */
import { Cause, Config, Exit, Option } from "effect"
import { CliError } from "effect/cli"
import { PolicyFileError } from "../credentials/Policy.ts"
import { DirectoryLockError } from "../kube/directoryLock.ts"
import { KubeAccessError } from "../kube/KubeAccess.ts"
import { lines } from "../text/line.ts"
import { CommandFailure } from "./CommandFailure.ts"
import { BAD_USAGE, DONE, FAILED } from "./exitCodes.ts"

/** The text to print for a failure; empty if the failure has been printed. */
export const describeFailure = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return ""
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (CliError.isCliError(error)) return ""
  if (error instanceof Config.ConfigError) return lines(error.cause.message)
  return lines(error instanceof Error ? error.message : Cause.pretty(cause))
}

/** The exit code of a program that no signal has interrupted. */
export const exitCodeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return DONE
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error instanceof CommandFailure) return error.exitCode
  // A command line without a command shows the help.
  if (CliError.isCliError(error) && error._tag === "ShowHelp" && error.errors.length === 0) return DONE
  const isUsage =
    CliError.isCliError(error) ||
    error instanceof Config.ConfigError ||
    error instanceof PolicyFileError ||
    error instanceof KubeAccessError ||
    error instanceof DirectoryLockError
  return isUsage ? BAD_USAGE : FAILED
}
