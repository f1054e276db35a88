/**
 * The program as npm installs it, with the code that V8 compiled: a process starts in a sixth of the time that the sources take.
 * The bundle is kept for later runs of the tests until a source changes.
 */
import { createHash } from "node:crypto"
import { existsSync, globSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { bundle } from "../../scripts/bundle/bundle.ts"
import { warm } from "../../scripts/bundle/warm.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const kept = join(root, "node_modules/.cache/skopeo-operator-tests")

/** The files that the bundle is made from. */
const SOURCES = ["package-lock.json", "scripts/bundle/*", "src/**/*.ts"]

/** How often a worker looks for the bundle of another one. Then that worker was killed while it built. */
const MOST_LOOKS = 2_000
const LOOK_MILLIS = 50

const keyOfSources = (): string => {
  const hash = createHash("sha256").update(process.version)
  for (const file of globSync(SOURCES, { cwd: root }).toSorted()) {
    hash.update(`${file} ${statSync(join(root, file)).mtimeMs}\n`)
  }
  return hash.digest("hex").slice(0, 16)
}

/** Makes a directory. `false` if the directory is there. */
const made = (directory: string): boolean => {
  try {
    mkdirSync(directory)
    return true
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") return false
    throw cause
  }
}

/** Gives the directory of the bundle. One worker builds the bundle if no earlier run has, and the others wait. */
const built = async (): Promise<string> => {
  const directory = join(kept, keyOfSources())
  const draft = `${directory}.draft`
  mkdirSync(kept, { recursive: true })
  for (let looks = 1; !existsSync(directory); looks += 1) {
    if (made(draft)) {
      for (const name of readdirSync(kept)) {
        if (!name.endsWith(".draft")) rmSync(join(kept, name), { recursive: true, force: true })
      }
      try {
        await bundle(draft)
        await warm(draft, { node: process.execPath, flags: [] })
        renameSync(draft, directory)
      } finally {
        rmSync(draft, { recursive: true, force: true })
      }
    } else if (looks % MOST_LOOKS === 0) rmSync(draft, { recursive: true, force: true })
    else await setTimeout(LOOK_MILLIS)
  }
  return directory
}

/** The directory of the bundle. */
export const builtProgram = await built()
