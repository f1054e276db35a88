/** The exit code of the process after a signal, which depends on the command. */
import { Context, Effect, Exit } from "effect"
import { DONE, INTERRUPTED, type StopSignal } from "./exitCodes.ts"
import { exitCodeOf } from "./report.ts"

/** The end of one run of the program. A signal is a failure of a command, unless the command runs until it is stopped. */
export class Ending extends Context.Service<
  Ending,
  {
    /** Declares that only a signal ends the command. A signal then counts as success. */
    readonly runsUntilStopped: Effect.Effect<void>
    /** The exit code of the process. `signal` counts only if the exit is an interrupt. */
    readonly codeOf: (exit: Exit.Exit<unknown, unknown>, signal: StopSignal) => number
  }
>()("skopeo-operator/cli/Ending") {
  static readonly make = (): Ending["Service"] => {
    let isStopSuccess = false
    return {
      runsUntilStopped: Effect.sync(() => {
        isStopSuccess = true
      }),
      codeOf: (exit, signal) => {
        if (!Exit.hasInterrupts(exit)) return exitCodeOf(exit)
        return isStopSuccess ? DONE : INTERRUPTED[signal]
      }
    }
  }
}

/** {@link Ending} of this run. A command calls this before its layers are built, because a signal may come during the build. */
export const runsUntilStopped = Effect.flatMap(Ending, (ending) => ending.runsUntilStopped)
