/** A command did not do what it was asked. What there is to say has been said; `exitCode` is what its caller sees. */
import { Schema } from "effect"

/** Something could not be brought in sync. */
export const FAILED = 1
/** The command line, a file or a manifest cannot be used as it is. */
export const BAD_USAGE = 2

export class CommandFailure extends Schema.TaggedError<CommandFailure>()("CommandFailure", {
  exitCode: Schema.Int,
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}
