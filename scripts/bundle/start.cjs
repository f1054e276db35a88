/**
 * Starts the program from its parts, each with the code that V8 compiled in an earlier run. Compiling again would take longer.
 *
 * The container image and the binaries bring the compiled code (`NAME.cache`). V8 refuses the code of another version or of other
 * flags, and the npm package is for many versions. So where no code was brought, the process writes its own at its end, to
 * `compiled/` in the user's cache directory, and the next start takes that.
 */
"use strict"
const fs = require("node:fs")
const { join } = require("node:path")
const { Script } = require("node:vm")
const { compiledCode } = require("./compiledCode.cjs")

const code = compiledCode(__dirname)
/** The parts that this process has loaded: their scripts and exports, by name. Exported first, as the program may end while it is loaded. */
const parts = new Map()
exports.parts = parts

const load = (name) => {
  const known = parts.get(name)
  if (known !== undefined) return known.module.exports
  const filename = join(__dirname, name)
  // Parts are ASCII, of which Latin-1 is the faster reading.
  const script = new Script(fs.readFileSync(filename, "latin1"), { filename, cachedData: code.read(name) })
  const module = { exports: {} }
  parts.set(name, { script, module })
  const requirePart = (id) => (id.startsWith("./") ? load(id.slice(2)) : require(id))
  script.runInThisContext()(requirePart, module, module.exports, filename, __dirname)
  return module.exports
}

code.keepAtExit(parts)
load("main.js")
