/** The file of a policy in memory, which a test changes. */
import { ByteSize, Effect, FileSystem, Layer, Option, PlatformError } from "effect"
import { Policy, type PolicyFileOptions } from "../../src/credentials/Policy.ts"

/** A file whose text a function gives. `undefined`: the file does not exist. */
export const memoryFile = (textOf: () => string | undefined): Layer.Layer<FileSystem.FileSystem> => {
  const current = (method: string) =>
    Effect.suspend(() => {
      const text = textOf()
      return text === undefined
        ? Effect.fail(PlatformError.systemError({ module: "FileSystem", _tag: "NotFound", method }))
        : Effect.succeed(text)
    })
  return FileSystem.layerNoop({
    stat: () =>
      Effect.map(current("stat"), (text) => ({
        type: "File",
        mtime: Option.none(),
        atime: Option.none(),
        birthtime: Option.none(),
        dev: 0n,
        ino: Option.none(),
        mode: 0o644,
        nlink: Option.none(),
        uid: Option.none(),
        gid: Option.none(),
        rdev: Option.none(),
        size: ByteSize.bytes(text.length),
        blksize: Option.none(),
        blocks: Option.none()
      })),
    readFileString: () => current("readFileString")
  })
}

export const makePolicyFile = (first: string, options: PolicyFileOptions = {}) => {
  let text: string | undefined = first
  const fallible = Policy.layerFile("/etc/policy.yaml", options).pipe(Layer.provide(memoryFile(() => text)))
  return {
    /** Writes the file. `undefined` removes the file. */
    write: (next: string | undefined): void => {
      text = next
    },
    fallible,
    /** The policy of a file that is valid at first. */
    layer: Layer.orDie(fallible)
  }
}
