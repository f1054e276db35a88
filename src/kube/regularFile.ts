/** The files that this program keeps in a directory of its user. Others may have put something else in their place. */
import { Cause, Effect, FileSystem, Option, type PlatformError, Schema } from "effect"

/** A path has no file that this program has written. */
class NotRegularFile extends Schema.TaggedError<NotRegularFile>()("NotRegularFile", {
  path: Schema.String,
  maxBytes: Schema.Int
}) {
  override get message(): string {
    return `${this.path} is not a file of at most ${this.maxBytes} bytes`
  }
}

/** Reads the text of a file. A pipe or a device is not read, because the read would not end. */
export const readRegularFile = Effect.fnUntraced(function* (
  path: string,
  maxBytes: number
): Effect.fn.Return<string, NotRegularFile | PlatformError.PlatformError, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const { size, type } = yield* fs.stat(path)
  if (type !== "File" || size > maxBytes) return yield* new NotRegularFile({ path, maxBytes })
  return yield* fs.readFileString(path)
})

const isAlreadyThere = (cause: Cause.Cause<PlatformError.PlatformError>): boolean =>
  Option.exists(Cause.findErrorOption(cause), ({ reason }) => reason._tag === "AlreadyExists")

/**
 * Replaces a file in one step: a process that is killed leaves the file before or after. Only this user may read the file. `draft`
 * is the path of the new file until it is complete. A link at either path is replaced, and not followed.
 */
export const replaceFile = Effect.fnUntraced(function* (
  path: string,
  text: string,
  draft: string
): Effect.fn.Return<void, PlatformError.PlatformError, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  yield* fs.remove(draft, { force: true })
  yield* fs.writeFileString(draft, text, { flag: "wx", mode: 0o600 }).pipe(
    Effect.andThen(fs.rename(draft, path)),
    // A draft that is there already is another writer's, which replaces the file.
    Effect.onError((cause) => (isAlreadyThere(cause) ? Effect.void : Effect.ignore(fs.remove(draft))))
  )
})
