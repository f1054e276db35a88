/**
 * Runs the bundle in the directory of the first argument with the following arguments. At its end the code that V8 has
 * compiled is written beside the bundle. (Node.js' own compile cache is made before the program runs, and lacks most
 * functions.)
 */
const { writeFileSync } = require("node:fs")
const { join } = require("node:path")

const [directory = ""] = process.argv.splice(2, 1)
process.env.SKOPEO_OPERATOR_CACHE = "off"

process.once("exit", () => {
  for (const [name, script] of require(join(directory, "start.cjs")).scripts) {
    writeFileSync(join(directory, `${name}.cache`), script.createCachedData())
  }
})
require(join(directory, "main.cjs"))
