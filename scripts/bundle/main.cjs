/** Starts the program, with what V8 made of it when it ran while the image was built: to compile it anew would take longer. */
const { readFileSync } = require("node:fs")
const { join } = require("node:path")
const { Script } = require("node:vm")

const read = (name, encoding) => readFileSync(join(__dirname, name), encoding)

/** None, or one that V8 refuses because it is of another Node.js or of other flags, only means a slower start. */
const compiled = () => {
  try {
    return read("program.cache")
  } catch {
    return undefined
  }
}

const filename = join(__dirname, "program.js")
const program = new Script(read("program.js", "utf8"), { filename, cachedData: compiled() })
exports.program = program
program.runInThisContext()(require, filename)
