/** Ends the process of a finished command: at once, and after all output is written. */

/** Calls back when the stream has written everything, or has lost its reader. */
const drained = (stream: NodeJS.WriteStream, then: () => void): void => {
  if (stream.writableLength === 0) then()
  else stream.write("", then)
}

/**
 * Exits with a code. Without this call Node.js would spend time on its heap before it ends. `process.exit` alone would drop
 * output that a full pipe has not taken yet.
 */
export const endProcess = (code: number): void =>
  drained(process.stdout, () => drained(process.stderr, () => process.exit(code)))
