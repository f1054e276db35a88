/** Ends the process of a command that a signal has stopped. */
import { Effect } from "effect"
import { endProcess } from "./endProcess.ts"

/** How long a stopped process waits until its last output is read. */
const WAIT = "500 millis"

/** Exits with a code as {@link endProcess} does. A reader that reads nothing does not keep the process. */
export const endStoppedProcess = (code: number): void => {
  Effect.runFork(
    Effect.delay(
      Effect.sync(() => process.exit(code)),
      WAIT
    )
  )
  endProcess(code)
}
