/**
 * The program as npm installs it, with the code that V8 compiled: a process starts in a sixth of the time that the sources take.
 * The bundle is kept for later runs of the tests until a source changes.
 */
import { createHash } from "node:crypto"
import {
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync
} from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { bundle } from "../../scripts/bundle/bundle.ts"
import { warm } from "../../scripts/bundle/warm.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const kept = join(root, "node_modules/.cache/skopeo-operator-tests")

/** The files that the bundle is made from. */
const SOURCES = ["package-lock.json", "scripts/bundle/*", "src/**/*.ts"]

/** How often a worker looks for the bundle of another one. After that, the lock is of a killed worker with a number that is in use again. */
const MOST_LOOKS = 2_000
const LOOK_MILLIS = 50

/** How long an unused bundle stays: tests that started before a source changed still run the bundle of the earlier source. */
const KEPT_MILLIS = 3_600_000

const keyOfSources = (): string => {
  const hash = createHash("sha256").update(process.version)
  for (const file of globSync(SOURCES, { cwd: root }).toSorted()) {
    hash.update(`${file} ${statSync(join(root, file)).mtimeMs}\n`)
  }
  return hash.digest("hex").slice(0, 16)
}

const isExisting = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && (cause.code === "EEXIST" || cause.code === "ENOTEMPTY")

/** Takes a lock: a link that names this process, because a link is made with its content at once. `false` if the lock is taken. */
const takes = (lock: string): boolean => {
  try {
    symlinkSync(String(process.pid), lock)
    return true
  } catch (cause) {
    if (isExisting(cause)) return false
    throw cause
  }
}

/** Whether the process that took a lock has ended without the end of its work. */
const isAbandoned = (lock: string): boolean => {
  try {
    process.kill(Number(readlinkSync(lock)), 0)
    return false
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code === "ESRCH"
  }
}

/** Builds the bundle in a directory of this process, so that two that build at once do not disturb each other. */
const build = async (directory: string): Promise<void> => {
  const draft = `${directory}.${process.pid}`
  try {
    await bundle(draft)
    await warm(draft, { node: process.execPath, flags: [] })
    renameSync(draft, directory)
  } catch (cause) {
    // Another process was first.
    if (!isExisting(cause)) throw cause
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

/** Removes bundles, drafts and locks that are much older than the lock that this process has taken. */
const removeOld = (lock: string): void => {
  const oldest = lstatSync(lock).mtimeMs - KEPT_MILLIS
  for (const name of readdirSync(kept)) {
    const path = join(kept, name)
    if ((lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? oldest) < oldest) {
      rmSync(path, { recursive: true, force: true })
    }
  }
}

/** Gives the directory of the bundle. One worker builds the bundle if no earlier run has, and the others wait. */
const built = async (): Promise<string> => {
  const directory = join(kept, keyOfSources())
  const lock = `${directory}.lock`
  mkdirSync(kept, { recursive: true })
  for (let looks = 1; !existsSync(directory); looks += 1) {
    if (takes(lock)) {
      try {
        removeOld(lock)
        await build(directory)
      } finally {
        rmSync(lock, { force: true })
      }
    } else if (isAbandoned(lock) || looks % MOST_LOOKS === 0) rmSync(lock, { force: true })
    else await setTimeout(LOOK_MILLIS)
  }
  const now = new Date()
  utimesSync(directory, now, now)
  return directory
}

/** The directory of the bundle. */
export const builtProgram = await built()
