/** The failure of a command. */
import { Schema } from "effect"

/** The exit code of a copy or a request that failed. */
export const FAILED = 1
/** The exit code of a command line, a file or a manifest that cannot be used. */
export const BAD_USAGE = 2

/** A command failed with an exit code. `detail` is a text for the user; empty if the command has printed the failure. */
export class CommandFailure extends Schema.TaggedError<CommandFailure>()("CommandFailure", {
  exitCode: Schema.Int,
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}
