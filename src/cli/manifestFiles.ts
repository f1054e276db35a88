/** Reads the files of `--file`: files, directories and standard input, bounded in number and bytes. */
import { constants, createReadStream, type Dirent, openSync } from "node:fs"
import { readdir } from "node:fs/promises"
import { Socket } from "node:net"
import type { Readable } from "node:stream"
import { NodeStream } from "@effect/platform-node"
import { Effect, FileSystem, Path, type PlatformError, Result, Stdio, Stream } from "effect"
import type { ManifestProblem } from "./manifests.ts"

/** The most bytes of one file. An Image has about 500. */
export const FILE_BYTES = 8 * 1_048_576
/** The most bytes of all files. */
export const TOTAL_BYTES = 64 * 1_048_576
/** The most files and directories. */
export const MOST_FILES = 10_000

/** The name of standard input on the command line, and in problems. */
export const STANDARD_INPUT = "-"
const SHOWN_INPUT = "stdin"

const EXTENSIONS = new Set([".yaml", ".yml", ".json"])

export interface ManifestFile {
  readonly name: string
  /** Whether the command line names the file itself, and not its directory. */
  readonly isNamed: boolean
  readonly text: string
}

export interface ManifestFiles {
  readonly files: ReadonlyArray<ManifestFile>
  readonly problems: ReadonlyArray<ManifestProblem>
}

/**
 * Reads files in the given order. Of a directory the files `*.yaml`, `*.yml` and `*.json` are read in the order of their names; with
 * `recursive` those of its directories too, except hidden ones and symbolic links. A file that is named twice is read once.
 */
export const readFiles = Effect.fn("manifestFiles.read")(function* (
  names: ReadonlyArray<string>,
  { recursive }: { readonly recursive: boolean }
): Effect.fn.Return<ManifestFiles, never, FileSystem.FileSystem | Path.Path | Stdio.Stdio> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { stdin } = yield* Stdio.Stdio
  const files: Array<ManifestFile> = []
  const problems: Array<ManifestProblem> = []
  let entries = 0
  let bytes = 0

  const readFile = Effect.fnUntraced(function* (
    name: string,
    isNamed: boolean,
    content: Stream.Stream<Uint8Array, string>
  ) {
    const text = yield* Effect.result(boundedText(content))
    if (Result.isFailure(text)) return void problems.push({ file: name, message: text.failure })
    bytes += Buffer.byteLength(text.success)
    if (bytes > TOTAL_BYTES) return
    files.push({ name, isNamed, text: text.success })
  })

  const read = Effect.fnUntraced(function* (name: string, isNamed: boolean): Effect.fn.Return<void> {
    entries += 1
    if (entries > MOST_FILES || bytes > TOTAL_BYTES) return
    const info = yield* Effect.result(fs.stat(name))
    if (Result.isFailure(info)) return void problems.push({ file: name, message: whyUnreadable(info.failure) })
    if (info.success.type === "File") {
      return yield* readFile(name, isNamed, Stream.mapError(fs.stream(name), whyUnreadable))
    }
    if (info.success.type !== "Directory") return yield* readFile(name, isNamed, contentOf(name, info.success.type))
    const listed = yield* Effect.result(entriesOf(name))
    if (Result.isFailure(listed)) return void problems.push({ file: name, message: listed.failure })
    const before = files.length + problems.length
    for (const entry of listed.success) {
      const isFile = EXTENSIONS.has(path.extname(entry.name))
      // The type is that of the entry itself. A link to a directory could lead back to its parent.
      if (isFile || (recursive && !entry.name.startsWith(".") && entry.isDirectory())) {
        yield* read(path.join(name, entry.name), false)
      }
    }
    if (isNamed && files.length + problems.length === before) {
      const remedy = recursive ? "name another directory" : "add -R to read the directories in it"
      problems.push({ file: name, message: `has no file *.yaml, *.yml or *.json; ${remedy}` })
    }
  })

  for (const name of new Set(names)) {
    yield* name === STANDARD_INPUT
      ? readFile(SHOWN_INPUT, true, Stream.mapError(stdin, whyUnreadable))
      : read(path.normalize(name), true)
  }
  const all = names.join(", ")
  if (entries > MOST_FILES) problems.push({ file: all, message: `has more than ${MOST_FILES} files; name fewer` })
  if (bytes > TOTAL_BYTES) {
    const message = `has more than ${TOTAL_BYTES / 1_048_576} MiB in all files; name fewer files`
    return { files: [], problems: [...problems, { file: all, message }] }
  }
  return { files, problems }
})

/** The entries of a directory, sorted by name. Their types come with the names: a call for each of 100,000 files would take long. */
const entriesOf = (directory: string): Effect.Effect<ReadonlyArray<Dirent>, string> =>
  Effect.tryPromise({ try: () => readdir(directory, { withFileTypes: true }), catch: whyFailed }).pipe(
    Effect.map((entries) => entries.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
  )

/** The content of a pipe or a device. FileSystem reads at positions, which these do not have. */
const contentOf = (path: string, type: FileSystem.File.Type): Stream.Stream<Uint8Array, string> =>
  Stream.unwrap(
    Effect.map(
      Effect.try({ try: () => (type === "FIFO" ? openPipe(path) : createReadStream(path)), catch: whyFailed }),
      (readable) => NodeStream.fromReadable<Uint8Array, string>({ evaluate: () => readable, onError: whyFailed })
    )
  )

/** Opens a pipe. A read of the file system would keep a process that a signal ends, until the pipe has data. */
const openPipe = (path: string): Readable =>
  new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false })

const whyFailed = (cause: unknown): string => WHY[codeOf(cause)] ?? `cannot be read (${codeOf(cause)})`

const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "unknown"

const WHY: Readonly<Record<string, string>> = {
  EACCES: "cannot be read: permission denied",
  EPERM: "cannot be read: permission denied",
  ENOENT: "does not exist"
}

const whyUnreadable = ({ reason: { _tag } }: PlatformError.PlatformError): string =>
  _tag === "NotFound"
    ? "does not exist"
    : `cannot be read${_tag === "PermissionDenied" ? ": permission denied" : ` (${_tag})`}`

/** Collects the text of one file. */
const boundedText = Effect.fnUntraced(function* (
  content: Stream.Stream<Uint8Array, string>
): Effect.fn.Return<string, string> {
  const chunks: Array<Uint8Array> = []
  let size = 0
  yield* Stream.runForEach(content, (chunk) => {
    size += chunk.length
    if (size > FILE_BYTES) return Effect.fail(`has more than ${FILE_BYTES / 1_048_576} MiB; split the file`)
    chunks.push(chunk)
    return Effect.void
  })
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    return yield* Effect.fail("is not valid UTF-8; save the file as UTF-8")
  }
})
