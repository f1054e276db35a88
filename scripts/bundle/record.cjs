/**
 * Runs the bundle in the directory of the first argument with the following arguments. At its end the code that V8 has
 * compiled is written beside the bundle. (Node.js' own compile cache is made before the program runs, and lacks most
 * functions.)
 */
const { writeFileSync } = require("node:fs")
const { join } = require("node:path")

const [directory = ""] = process.argv.splice(2, 1)
const start = () => require(join(directory, "main.cjs"))

process.once("exit", () => writeFileSync(join(directory, "program.cache"), start().program.createCachedData()))
start()
