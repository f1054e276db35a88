/**
 * Blob locations in a file of one user, for the commands on a user's machine. The file has a line for each location, the newest
 * last: the day, the namespace, the registry, the repository and the digest. It may be lost or deleted at any time.
 */
import { join } from "node:path"
import { Clock, Effect, FileSystem, Layer, Result, type Scope, Semaphore } from "effect"
import { BoundedMap } from "../collections/BoundedMap.ts"
import { readRegularFile, replaceFile } from "../kube/regularFile.ts"
import { parseRepository, registryHost } from "../oci/Reference.ts"
import { type BlobLocation, BlobLocations } from "./BlobLocations.ts"

const FILE = "blobs"
/** About 28,000 locations. */
const FILE_BYTES = 4 * 1024 * 1024
const KEPT_DAYS = 30
/** The most locations in memory, and the most of one blob. */
const LOCATIONS = { all: 30_000, blob: 10 }
const DAY_MILLIS = 24 * 3_600_000

/** The days on which repositories got a blob. Each key of {@link keyOf} has one. */
type Days = Map<string, number>

const keyOf = ({ digest, namespace, repository }: BlobLocation): string =>
  [namespace, registryHost(repository.registry), digest].join(" ")

const LINE = /^(?<day>\d{1,6}) (?<namespace>\S*) (?<registry>\S+) (?<path>\S+) (?<digest>\S+)$/u

/** Sets the day of a location, as the newest of its blob. */
const setDay = (locations: BoundedMap<string, Days>, key: string, path: string, day: number): void => {
  const days = locations.get(key) ?? new Map<string, number>()
  days.delete(path)
  days.set(path, day)
  for (const oldest of days.keys()) {
    if (days.size <= LOCATIONS.blob) break
    days.delete(oldest)
  }
  locations.set(key, days)
}

const emptyLocations = () => new BoundedMap<string, Days>({ capacity: LOCATIONS.all, weigh: ({ size }) => size })

/** The locations in a file's text that are not too old. Lines that are not valid are left out. */
const parseLocations = (text: string, today: number): BoundedMap<string, Days> => {
  const locations = emptyLocations()
  for (const line of text.split("\n")) {
    const { day = "", digest, namespace, path, registry } = LINE.exec(line)?.groups ?? {}
    if (path === undefined || Number(day) < today - KEPT_DAYS || Number(day) > today) continue
    setDay(locations, [namespace, registry, digest].join(" "), path, Number(day))
  }
  return locations
}

/** The text of locations, the newest last. The oldest are left out of a text that would be too long. */
const formatLocations = (locations: BoundedMap<string, Days>): string => {
  const lines = [...locations.entries()]
    .flatMap(([key, days]) => {
      const [namespace, registry, digest] = key.split(" ")
      return [...days].map(([path, day]) => ({ day, line: [day, namespace, registry, path, digest].join(" ") }))
    })
    .toSorted((a, b) => b.day - a.day)
  let bytes = 0
  return lines
    .filter(({ line }) => (bytes += Buffer.byteLength(line) + 1) <= FILE_BYTES)
    .toReversed()
    .map(({ line }) => `${line}\n`)
    .join("")
}

/** One run of this process saves at a time: the draft has the name of the process. */
const saving = Semaphore.makeUnsafe(1)

const make = Effect.fnUntraced(function* (
  directory: string
): Effect.fn.Return<BlobLocations, never, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const file = join(directory, FILE)
  const today = Effect.map(Clock.currentTimeMillis, (now) => Math.floor(now / DAY_MILLIS))
  const read = readRegularFile(file, FILE_BYTES).pipe(
    Effect.provideService(FileSystem.FileSystem, fs),
    Effect.orElseSucceed(() => ""),
    Effect.flatMap((text) => Effect.map(today, (day) => parseLocations(text, day)))
  )
  // A run that has nothing to copy does not read the file.
  const known = yield* Effect.cached(read)
  const removed = new Set<string>()
  let hasChanged = false

  /** Adds the locations of this process to those that other processes have written meanwhile, and replaces the file. */
  const save = Effect.gen(function* () {
    const locations = yield* read
    for (const [key, days] of locations.entries()) {
      for (const path of days.keys()) if (removed.has(`${key} ${path}`)) days.delete(path)
    }
    for (const [key, days] of (yield* known).entries()) {
      for (const [path, day] of days) setDay(locations, key, path, day)
    }
    yield* fs.makeDirectory(directory, { recursive: true, mode: 0o700 })
    // Other processes may write at the same time, and have drafts of their own.
    yield* replaceFile(file, formatLocations(locations), `${file}.${process.pid}`)
  }).pipe(Effect.provideService(FileSystem.FileSystem, fs), Effect.ignore, saving.withPermit)
  yield* Effect.addFinalizer(() => Effect.suspend(() => (hasChanged ? save : Effect.void)))

  return {
    repositories: Effect.fn("BlobLocations.repositories")(function* (blob) {
      const days = (yield* known).get(keyOf(blob)) ?? new Map<string, number>()
      const { path: own, registry } = blob.repository
      const isPath = (path: string): boolean =>
        Result.match(parseRepository(`${registry}/${path}`), {
          onFailure: () => false,
          onSuccess: (parsed) => parsed.path === path
        })
      return [...days.keys()].filter((path) => path !== own && isPath(path)).toReversed()
    }),

    add: Effect.fn("BlobLocations.add")(function* (location) {
      const [locations, day] = [yield* known, yield* today]
      const [key, { path }] = [keyOf(location), location.repository]
      removed.delete(`${key} ${path}`)
      if (locations.get(key)?.get(path) === day) return
      setDay(locations, key, path, day)
      hasChanged = true
    }),

    remove: Effect.fn("BlobLocations.remove")(function* (location) {
      const [key, { path }] = [keyOf(location), location.repository]
      ;(yield* known).get(key)?.delete(path)
      removed.add(`${key} ${path}`)
      hasChanged = true
    })
  }
})

/** Remembers locations in a directory, which is made if it is missing. A file that cannot be read or written is ignored. */
export const layer = (directory: string): Layer.Layer<never, never, FileSystem.FileSystem> =>
  Layer.effect(BlobLocations, make(directory))
