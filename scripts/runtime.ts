/**
 * `node scripts/runtime.ts DIRECTORY`: makes the file system of the container image, without the program: this Node.js, and the
 * shared libraries that it has loaded. The report of the process names them and their loader with any libc, on any processor.
 * The Dockerfile runs this file before `npm ci`, so it imports no package.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, utimesSync } from "node:fs"
import { dirname, isAbsolute, join } from "node:path"

/** Where the Dockerfile starts Node.js. */
const NODE = "/usr/local/bin/node"

/**
 * From this glibc on, names of hosts are resolved without libraries that are loaded at the first question, and without
 * /etc/nsswitch.conf /etc/hosts comes before DNS. An older one would find no host in the image. musl has no such libraries.
 */
const GLIBC_MINOR = 35

const sharedLibraries = (): ReadonlyArray<string> => {
  const report = process.report.getReport()
  const paths: unknown = "sharedObjects" in report ? report.sharedObjects : undefined
  if (!Array.isArray(paths)) throw new Error("the report of Node.js names no shared objects")
  const header: unknown = "header" in report ? report.header : undefined
  const glibc =
    typeof header === "object" && header !== null && "glibcVersionRuntime" in header && header.glibcVersionRuntime
  if (typeof glibc === "string" && Number(glibc.split(".")[1]) < GLIBC_MINOR) {
    throw new Error(`the base has glibc ${glibc}; the image needs 2.${GLIBC_MINOR} or later, which Debian 12 has`)
  }
  // Without the kernel's vDSO, which has no path. With musl the list has the program itself.
  return paths.filter(
    (path): path is string => typeof path === "string" && isAbsolute(path) && path !== process.execPath
  )
}

/** The licences of Node.js and of the libraries, where images of Node.js and Debian have them. They have to go with the copies. */
const LICENCES = [
  "/usr/local/LICENSE",
  ...["libc6", "libgcc-s1", "libstdc++6"].map((name) => `/usr/share/doc/${name}/copyright`)
]

/** Equal files make an equal layer, which a node that runs the last release does not pull again. */
const resetTimes = (path: string): void => {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name)
    if (entry.isDirectory()) resetTimes(inner)
    else utimesSync(inner, 0, 0)
  }
  utimesSync(path, 0, 0)
}

const [, , directory] = process.argv
if (directory === undefined) {
  console.error("usage: node scripts/runtime.ts DIRECTORY")
  process.exit(2)
}
const copy = (from: string, to = from): void => {
  mkdirSync(dirname(join(directory, to)), { recursive: true })
  copyFileSync(from, join(directory, to))
}
copy(process.execPath, NODE)
for (const path of [...sharedLibraries(), ...LICENCES.filter((file) => existsSync(file))]) copy(path)
resetTimes(directory)
