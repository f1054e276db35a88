/**
 * Runs the bundle in the directory that the first argument names with the arguments after it, and when it ends keeps beside
 * it what V8 has compiled by then. (Node.js' own compile cache is made before anything runs, so without most functions.)
 */
const { writeFileSync } = require("node:fs")
const { join } = require("node:path")

const [directory = ""] = process.argv.splice(2, 1)
const start = () => require(join(directory, "main.cjs"))

process.once("exit", () => writeFileSync(join(directory, "program.cache"), start().program.createCachedData()))
start()
