/** Starts the program with the code that V8 compiled while the image was built. Compiling again would take longer. */
const { readFileSync } = require("node:fs")
const { join } = require("node:path")
const { Script } = require("node:vm")

const read = (name, encoding) => readFileSync(join(__dirname, name), encoding)

/** Without compiled code, or if V8 refuses it because of another Node.js or other flags, the start is only slower. */
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
