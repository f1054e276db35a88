/** The exit codes of the process. */

/** The command has done what it was asked for. */
export const DONE = 0
/** A copy or a request failed. */
export const FAILED = 1
/** The command line, a file, an Image or the configuration cannot be used. */
export const BAD_USAGE = 2
/** `plan` found changes. */
export const CHANGES = 3

/** The signals that stop the process. */
export type StopSignal = "SIGHUP" | "SIGINT" | "SIGTERM"

/** The exit codes of interrupted commands: 128 plus the signal's number, as shells have it. */
export const INTERRUPTED: Readonly<Record<StopSignal, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }

/** The table of all exit codes, as the help shows it. */
export const EXIT_CODES: ReadonlyArray<readonly [codes: string, meaning: string]> = [
  [String(DONE), "done; for plan: nothing to do; for operator and sync --watch also: stopped by a signal"],
  [
    String(FAILED),
    "a copy or a request failed, no tag matches, an Image is missing or not ready, or the output could not be written"
  ],
  [String(BAD_USAGE), "the command line, a file, an Image or the configuration cannot be used"],
  [String(CHANGES), "plan found changes"],
  [Object.values(INTERRUPTED).join(", "), `stopped by ${Object.keys(INTERRUPTED).join(", ")}`]
]
