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

/** V8 runs kept code as it is. So the directory must belong to this user, and nobody else may write to it. */
const isTrusted = (directory) => {
  try {
    const { mode, uid } = fs.statSync(directory)
    return process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0)
  } catch {
    return false
  }
}

/** Replaces a file at once, so that another process reads the old or the new content. */
const replace = (path, content) => {
  const draft = `${path}.${process.pid}`
  fs.writeFileSync(draft, content, { mode: 0o600 })
  fs.renameSync(draft, path)
}

/** Removes the files that are much older than one that was just written. */
const removeOld = (directory, written) => {
  const oldest = fs.statSync(written).mtimeMs - KEPT_MILLIS
  for (const entry of fs.readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && fs.statSync(path).mtimeMs < oldest) fs.rmSync(path, { force: true })
  }
}

/** The compiled code that was brought with the program. */
const brought = (bundle) => ({ read: (name) => contentOf(join(bundle, `${name}.cache`)), keepAtExit: () => {} })

/** The compiled code that this user's processes keep for one another. */
const kept = (cache) => {
  const all = join(cache, "compiled")
  const directory = join(all, `${process.version}-${process.arch}`)
  const list = join(directory, "commands")
  const trusted = isTrusted(directory)
  const pathOf = (name) => join(directory, `${name}.cache`)

  /** Functions are compiled when they are first called. So the code is written again at the end of a command's first run. */
  const keep = (parts) => {
    const commands = (trusted && contentOf(list)?.toString().split("\n")) || []
    const command = process.argv[2] ?? ""
    const isNew = /^[a-z]{1,20}$/u.test(command) && !commands.includes(command)
    const isMissing = [...parts.values()].some(({ script }) => script.cachedDataRejected !== false)
    if (!isNew && !isMissing) return
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
    if (!isTrusted(directory)) return
    for (const [name, { script }] of parts) replace(pathOf(name), script.createCachedData())
    // Code that was missing is of another release, whose commands are not this one's.
    replace(list, [...(isMissing ? [] : commands), command].join("\n"))
    removeOld(all, list)
  }

  return {
    read: (name) => (trusted ? contentOf(pathOf(name)) : undefined),
    keepAtExit: (parts) =>
      process.once("exit", (exitCode) => {
        try {
          if (exitCode === 0) keep(parts)
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
