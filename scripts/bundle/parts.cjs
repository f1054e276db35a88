/**
 * Loads the program's parts. A file of parts is an object of functions that take their `require`, and comes with the code that V8
 * compiled in an earlier run. The file of the main part has all parts that the main part needs at once; other parts have their
 * own.
 */
"use strict"
const { join } = require("node:path")
const { Script } = require("node:vm")

/** The scripts that this process has loaded, by the name of their file. */
const scripts = new Map()
exports.scripts = scripts

/**
 * Loads the main part and the parts that it requires. `readText` and `readCode` give the text and the compiled code of a file,
 * `directory` is the directory that stack traces name, and `require` loads the modules of Node.js.
 */
exports.load = ({ directory, readCode, readText, require }) => {
  const functions = {}
  const modules = new Map()

  const loadFile = (name) => {
    const script = new Script(readText(name), { filename: join(directory, name), cachedData: readCode(name) })
    scripts.set(name, script)
    Object.assign(functions, script.runInThisContext())
  }

  const load = (name) => {
    const known = modules.get(name)
    if (known !== undefined) return known.exports
    if (functions[name] === undefined) loadFile(name)
    const module = { exports: {} }
    modules.set(name, module)
    const requirePart = (id) => (id.startsWith("./") ? load(id.slice(2)) : require(id))
    functions[name](requirePart, module, module.exports, join(directory, name), directory)
    return module.exports
  }

  load(MAIN)
}
