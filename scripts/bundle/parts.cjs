/** Loads the program's parts: functions that take their `require`, each with the code that V8 compiled in an earlier run. */
"use strict"
const { join } = require("node:path")
const { Script } = require("node:vm")

/** The parts that this process has loaded: their scripts and exports, by name. */
const parts = new Map()
exports.parts = parts

/**
 * Loads the main part and the parts that it requires. `readText` and `readCode` give the text and the compiled code of a part,
 * `directory` is the directory that stack traces name, and `require` loads the modules of Node.js.
 */
exports.load = ({ directory, readCode, readText, require }) => {
  const load = (name) => {
    const known = parts.get(name)
    if (known !== undefined) return known.module.exports
    const filename = join(directory, name)
    const script = new Script(readText(name), { filename, cachedData: readCode(name) })
    const module = { exports: {} }
    parts.set(name, { script, module })
    const requirePart = (id) => (id.startsWith("./") ? load(id.slice(2)) : require(id))
    script.runInThisContext()(requirePart, module, module.exports, filename, directory)
    return module.exports
  }
  load("main.js")
}
