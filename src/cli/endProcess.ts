/** How a command that was not stopped ends its process: at once, and with all it has said. */

/** Calls back when the stream has nothing left to write, or nobody to write it to. */
const drained = (stream: NodeJS.WriteStream, then: () => void): void => {
  if (stream.writableLength === 0) then()
  else stream.write("", then)
}

/** Node.js would end by itself, but takes its heap apart before; and `process.exit` alone drops what a pipe had no room for. */
export const endProcess = (code: number): void =>
  drained(process.stdout, () => drained(process.stderr, () => process.exit(code)))
