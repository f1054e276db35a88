/** Ends the process of a finished command: at once, and after all output is written. */
import { DONE, FAILED } from "./exitCodes.ts"

/** Why an output could not be written. A reader that is gone, such as `head`, has read what it wanted. */
let failure: string | undefined

/** Listens to failed writes of both outputs, which Node.js would otherwise ignore. Call this at the start of the process. */
export const watchOutput = (): void => {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", ({ code = "unknown" }: NodeJS.ErrnoException) => {
      if (code !== "EPIPE") failure ??= code
    })
  }
}

/** Calls back when the stream has written everything, or has lost its reader. */
const drained = (stream: NodeJS.WriteStream, then: () => void): void => {
  if (stream.writableLength === 0) then()
  else stream.write("", then)
}

/**
 * Exits with a code, or with {@link FAILED} in the place of {@link DONE} if an output could not be written. Without this call
 * Node.js would spend time on its heap before it ends. `process.exit` alone would drop output that a full pipe has not taken yet.
 */
export const endProcess = (code: number): void =>
  drained(process.stdout, () =>
    drained(process.stderr, () =>
      // The last write may have failed just now. Its error is reported after the current callbacks.
      setImmediate(() => {
        if (failure === undefined || code !== DONE) process.exit(code)
        process.stderr.write(`skopeo-operator: the output cannot be written (${failure})\n`, () => process.exit(FAILED))
      })
    )
  )
