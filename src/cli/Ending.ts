/** What a signal that stops the process means to the command that runs, and the exit code that follows. */
import { Context, Effect, Exit } from "effect"
import { exitCodeOf } from "./report.ts"

export type StopSignal = "SIGINT" | "SIGTERM"

/** 128 and the number of the signal, by which shells know it. */
const CUT_SHORT: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 }

/** How one run of the program ends. A signal cuts a command short, unless the command has said otherwise. */
export class Ending extends Context.Service<
  Ending,
  {
    /** Says that the command has no other end than a signal, which is then its success. */
    readonly runsUntilStopped: Effect.Effect<void>
    /** The exit code of the process; `signal` is the one that stopped it, if one did. */
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
        return isStopSuccess ? 0 : CUT_SHORT[signal]
      }
    }
  }
}

/** Said by a command before its layers are built: a signal may come while they are. */
export const runsUntilStopped = Effect.flatMap(Ending, (ending) => ending.runsUntilStopped)
