/**
 * A lock of a directory, so that one process at a time writes the files in it. The lock is a file that its holder renews. A lock is
 * stale if its process has ended, or if it was not renewed for a while: a container that starts again has another host name, and a
 * machine that starts again may give the number of the process to another.
 */
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import {
  Clock,
  Duration,
  Effect,
  FileSystem,
  Option,
  Path,
  type PlatformError,
  Schedule,
  Schema,
  type Scope
} from "effect"
import { innermostCause } from "../text/Cause.ts"
import { readRegularFile, replaceFile } from "./regularFile.ts"

/** The directory is used by another process, or cannot be used. The message has the directory and the remedy. */
export class DirectoryLockError extends Schema.TaggedError<DirectoryLockError>()("DirectoryLockError", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

const Lock = Schema.Struct({
  /** Distinguishes the holders. */
  id: Schema.String,
  host: Schema.String,
  pid: Schema.Int,
  /** Milliseconds since the epoch. */
  renewedAt: Schema.Int
})
export type Lock = typeof Lock.Type

/** How often a holder renews its lock. */
const RENEWED = Duration.seconds(10)

/** The age of a lock that is stale, in milliseconds. */
const STALE = 60_000

/** The process that asks for a lock. */
export interface Asking {
  readonly now: number
  readonly host: string
  readonly pid: number
  /** Whether this host has a process of the number. */
  readonly isAlive: (pid: number) => boolean
}

/** Whether another process may take over a lock. Pure. */
export const isStale = (lock: Lock, { host, isAlive, now, pid }: Asking): boolean =>
  // The clock may have been set back since.
  Math.abs(now - lock.renewedAt) > STALE || (lock.host === host && (lock.pid === pid || !isAlive(lock.pid)))

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (cause) {
    // Another user's process lives too.
    return typeof cause === "object" && cause !== null && "code" in cause && cause.code === "EPERM"
  }
}

/** The name of the file. */
const FILE = "lock"
const LOCK_BYTES = 4_096

/**
 * Creates and locks a directory until the Scope closes. `lost` never completes, and fails once another process has taken the lock.
 * `setting` names the directory for the user, such as `--state-dir`.
 */
export const lockDirectory = Effect.fn("lockDirectory")(function* (
  directory: string,
  setting: string
): Effect.fn.Return<
  { readonly lost: Effect.Effect<never, DirectoryLockError> },
  DirectoryLockError,
  FileSystem.FileSystem | Path.Path | Scope.Scope
> {
  const fs = yield* FileSystem.FileSystem
  const file = (yield* Path.Path).join(directory, FILE)
  const id = randomUUID()
  const unusable = (error: PlatformError.PlatformError) =>
    new DirectoryLockError({
      detail: `${setting}: ${directory} cannot be written (${innermostCause(error)}); name a directory that this user may write, on a disk with free space`
    })
  const used = (holder: string) =>
    new DirectoryLockError({
      detail: `${setting}: ${directory} is used by ${holder}; end that process, or name another directory`
    })
  const read = readRegularFile(file, LOCK_BYTES).pipe(
    Effect.provideService(FileSystem.FileSystem, fs),
    Effect.map((text) => Schema.decodeUnknownOption(Schema.fromJsonString(Lock))(text))
  )
  const held = Effect.orElseSucceed(read, () => Option.none<Lock>())
  const textNow = Effect.map(Clock.currentTimeMillis, (renewedAt) =>
    JSON.stringify({ id, host: hostname(), pid: process.pid, renewedAt } satisfies Lock)
  )
  const create = Effect.flatMap(textNow, (text) => fs.writeFileString(file, text, { flag: "wx", mode: 0o600 })).pipe(
    // A full disk leaves an empty file.
    Effect.tapError(({ reason }) => (reason._tag === "AlreadyExists" ? Effect.void : Effect.ignore(fs.remove(file))))
  )

  /** Whether a process has created or renewed the lock lately. A renewal replaces the file. */
  const isRecent = Effect.gen(function* () {
    const { mtime } = yield* fs.stat(file)
    const now = yield* Clock.currentTimeMillis
    return Option.exists(mtime, (time) => Math.abs(now - time.getTime()) <= STALE)
  }).pipe(Effect.orElseSucceed(() => false))

  const acquire = Effect.gen(function* () {
    yield* Effect.mapError(fs.makeDirectory(directory, { recursive: true, mode: 0o700 }), unusable)
    if (yield* Effect.isSuccess(create)) return
    const lock = yield* Effect.catch(read, (error) => {
      // The lock of another user cannot be read. Its process may have ended.
      const isOther = error._tag === "PlatformError" && error.reason._tag === "PermissionDenied"
      return Effect.flatMap(isOther ? isRecent : Effect.succeed(false), (isUsed) =>
        isUsed ? Effect.fail(used("a process of another user")) : Effect.succeedNone
      )
    })
    const asking = { now: yield* Clock.currentTimeMillis, host: hostname(), pid: process.pid, isAlive }
    if (Option.isSome(lock) && !isStale(lock.value, asking)) {
      return yield* used(`process ${lock.value.pid} on ${lock.value.host}`)
    }
    // A file that is no lock was written in part, by a process that ended.
    yield* Effect.mapError(fs.remove(file, { force: true }), unusable)
    yield* Effect.mapError(create, unusable)
  })
  const isMine = Effect.map(held, (lock) => Option.isSome(lock) && lock.value.id === id)
  yield* Effect.acquireRelease(acquire, () =>
    Effect.flatMap(isMine, (mine) => (mine ? Effect.ignore(fs.remove(file)) : Effect.void))
  )

  const lost = new DirectoryLockError({
    detail: `${setting}: another process has taken ${directory}; let one process use a directory`
  })
  const renew = Effect.gen(function* () {
    const lock = yield* held
    if (Option.isSome(lock) && lock.value.id !== id) return yield* lost
    const text = yield* textNow
    // Without a renewal the lock becomes stale, and the next process takes over.
    yield* Effect.ignore(replaceFile(file, text, `${file}.new`))
  })
  return {
    lost: Effect.provideService(renew, FileSystem.FileSystem, fs).pipe(
      Effect.repeat(Schedule.spaced(RENEWED)),
      Effect.andThen(Effect.never)
    )
  }
})
