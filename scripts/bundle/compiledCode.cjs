/** The code that V8 compiled from the parts of the program: brought beside them, or kept in the user's cache directory. */
"use strict"
const fs = require("node:fs")
const { join } = require("node:path")

/** How long kept code stays that no process has written again, such as that of an earlier release. */
const KEPT_MILLIS = 30 * 24 * 3_600_000

/** A file's content. A missing or unreadable file only makes the start slower. */
const contentOf = (path) => {
  try {
    return fs.readFileSync(path)
  } catch {
    return undefined
  }
}

/** `SKOPEO_OPERATOR_CACHE` is a directory, or `off`. Default: `skopeo-operator` in `$XDG_CACHE_HOME` or `~/.cache`. */
const cacheDirectory = ({ HOME, SKOPEO_OPERATOR_CACHE: own, XDG_CACHE_HOME: caches }) => {
  if (own) return own === "off" ? undefined : own
  if (caches) return join(caches, "skopeo-operator")
  return HOME ? join(HOME, ".cache", "skopeo-operator") : undefined
}

const isOwn = ({ mode, uid }) => process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0)

/**
 * V8 runs compiled code as it is, and its own check finds accidents only. So each directory from the cache on must be a
 * directory, not a link to one, that belongs to this user and that nobody else may write to.
 */
const areTrusted = (directories) => {
  try {
    return directories.every((directory) => {
      const stats = fs.lstatSync(directory)
      return stats.isDirectory() && isOwn(stats)
    })
  } catch {
    return false
  }
}

/** The content of a kept file, which must be the user's own too: a directory may have been open to others before. */
const ownContentOf = (path) => {
  try {
    const stats = fs.lstatSync(path)
    return stats.isFile() && isOwn(stats) ? fs.readFileSync(path) : undefined
  } catch {
    return undefined
  }
}

/** Replaces a file at once, so that another process reads the old or the new content. A draft never writes through a link. */
const replace = (path, content) => {
  const draft = `${path}.${process.pid}`
  fs.rmSync(draft, { force: true })
  fs.writeFileSync(draft, content, { flag: "wx", mode: 0o600 })
  fs.renameSync(draft, path)
}

/** The exit codes of a command that has done all its work: `plan` ends with 3 if there are changes. */
const DONE = new Set([0, 3])

/** The directories of versions of Node.js, and the files in them. A user's own files are never removed. */
const VERSION = /^v\d+\.\d+\.\d+[\w.+-]*$/
const FILE = /^commands(?:\.\d+)?$|\.cache(?:\.\d+)?$/

/** Removes the files that are much older than one that was just written. */
const removeOld = (all, written) => {
  const oldest = fs.statSync(written).mtimeMs - KEPT_MILLIS
  for (const version of fs.readdirSync(all, { withFileTypes: true })) {
    if (!version.isDirectory() || !VERSION.test(version.name)) continue
    const directory = join(all, version.name)
    for (const name of fs.readdirSync(directory)) {
      const path = join(directory, name)
      if (FILE.test(name) && fs.lstatSync(path).mtimeMs < oldest) fs.rmSync(path, { force: true })
    }
  }
}

/** The compiled code that was brought with the program. */
const brought = (bundle) => ({ read: (name) => contentOf(join(bundle, `${name}.cache`)), keepAtExit: () => {} })

/** The compiled code that this user's processes keep for one another. */
const kept = (cache) => {
  const all = join(cache, "compiled")
  const directory = join(all, `${process.version}-${process.arch}`)
  const list = join(directory, "commands")
  const directories = [cache, all, directory]
  const trusted = areTrusted(directories)
  const pathOf = (name) => join(directory, `${name}.cache`)

  /** Functions are compiled when they are first called. So the code is written again at the end of a command's first run. */
  const keep = (scripts) => {
    const commands = (trusted && ownContentOf(list)?.toString().split("\n")) || []
    const command = process.argv[2] ?? ""
    const isNew = /^[a-z]{1,20}$/u.test(command) && !commands.includes(command)
    const isMissing = [...scripts.values()].some(({ cachedDataRejected }) => cachedDataRejected !== false)
    if (!isNew && !isMissing) return
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
    if (!areTrusted(directories)) return
    for (const [name, script] of scripts) replace(pathOf(name), script.createCachedData())
    // Code that was missing is of another release, whose commands are not this one's.
    replace(list, [...(isMissing ? [] : commands), command].join("\n"))
    removeOld(all, list)
  }

  return {
    read: (name) => (trusted ? ownContentOf(pathOf(name)) : undefined),
    keepAtExit: (scripts) =>
      process.once("exit", (exitCode) => {
        try {
          if (DONE.has(exitCode)) keep(scripts)
        } catch {
          // A read-only or full file system: the next start compiles again.
        }
      })
  }
}

exports.compiledCode = (bundle) => {
  if (fs.readdirSync(bundle).some((name) => name.endsWith(".cache"))) return brought(bundle)
  const cache = cacheDirectory(process.env)
  return cache === undefined ? { read: () => undefined, keepAtExit: () => {} } : kept(cache)
}
