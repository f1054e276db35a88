/**
 * Starts the program from its files, each with the code that V8 compiled in an earlier run. Compiling again would take longer.
 *
 * The container image brings the compiled code (`NAME.cache`). V8 refuses the code of another version or of other flags, and
 * the npm package is for many versions. So where no code was brought, the process writes its own at its end, to `compiled/` in
 * the user's cache directory, and the next start takes that.
 */
"use strict"
const { readFileSync } = require("node:fs")
const { join } = require("node:path")
const { compiledCode } = require("./compiledCode.cjs")
const { load, scripts } = require("./parts.cjs")

exports.scripts = scripts
const code = compiledCode(__dirname)
// Before the program, which may end while it is loaded.
code.keepAtExit(scripts)
load({
  directory: __dirname,
  // Parts are ASCII, of which Latin-1 is the faster reading.
  readText: (name) => readFileSync(join(__dirname, name), "latin1"),
  readCode: code.read,
  require
})
