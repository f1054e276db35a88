#!/usr/bin/env node
/** Checks the version of Node.js, then starts the program. An old Node.js has to parse this file, so the syntax is of 2009. */
"use strict"
var version = process.versions.node.split(".").map(Number)
if (version[0] > 22 || (version[0] === 22 && version[1] >= 19)) {
  require("./start.cjs")
} else {
  process.stderr.write("skopeo-operator needs Node.js 22.19 or later; this is " + process.version + "\n")
  process.exit(2)
}
