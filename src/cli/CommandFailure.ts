/** The failure of a command. */
import { Schema } from "effect"

/** A command failed with an exit code. `detail` is a text for the user; empty if the command has printed the failure. */
export class CommandFailure extends Schema.TaggedError<CommandFailure>()("CommandFailure", {
  exitCode: Schema.Int,
  detail: Schema.String
}) {
  /** The failure of a command that has said why. */
  static printed(exitCode: number): CommandFailure {
    return new CommandFailure({ exitCode, detail: "" })
  }

  override get message(): string {
    return this.detail
  }
}
