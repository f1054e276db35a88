/**
 * The program as npm installs it, with the code that V8 compiled: a process starts in a sixth of the time that the sources take.
 * The bundle is kept for later runs of the tests until a source changes.
 */
import { createHash } from "node:crypto"
import { existsSync, globSync, readdirSync, renameSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { bundle } from "../../scripts/bundle/bundle.ts"
import { warm } from "../../scripts/bundle/warm.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const kept = join(root, "node_modules/.cache/skopeo-operator-tests")

/** The files that the bundle is made from. */
const SOURCES = ["package-lock.json", "scripts/bundle/*", "src/**/*.ts"]

/** How many bundles stay: tests that started before a source changed still run the bundle of the earlier source. */
const KEPT_BUNDLES = 5

const keyOfSources = (): string => {
  const hash = createHash("sha256").update(process.version)
  for (const file of globSync(SOURCES, { cwd: root }).toSorted()) {
    hash.update(`${file} ${statSync(join(root, file)).mtimeMs}\n`)
  }
  return hash.digest("hex").slice(0, 16)
}

/**
 * Builds the bundle in a directory of this process, and then gives the bundle its name. Two processes that build at once do not
 * disturb each other: a lock would save seconds of a first run, and could outlive the process that has taken the lock.
 */
const build = async (directory: string): Promise<void> => {
  const draft = `${directory}.${process.pid}`
  try {
    await bundle(draft)
    await warm(draft, { node: process.execPath, flags: [] })
    renameSync(draft, directory)
  } catch (cause) {
    // Another process was first.
    if (!existsSync(directory)) throw cause
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

/** Removes all but the newest bundles and drafts. */
const removeOld = (): void => {
  const ages = readdirSync(kept).flatMap((name) => {
    const path = join(kept, name)
    const stat = statSync(path, { throwIfNoEntry: false })
    return stat === undefined ? [] : [{ path, modified: stat.mtimeMs }]
  })
  for (const { path } of ages.toSorted((a, b) => b.modified - a.modified).slice(KEPT_BUNDLES)) {
    rmSync(path, { recursive: true, force: true })
  }
}

const built = async (): Promise<string> => {
  const directory = join(kept, keyOfSources())
  if (!existsSync(directory)) {
    await build(directory)
    removeOld()
  }
  return directory
}

/** The directory of the bundle. */
export const builtProgram = await built()
