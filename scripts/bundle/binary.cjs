/** Starts the program in a binary, which has its parts and their compiled code as assets. */
"use strict"
const { getRawAsset } = require("node:sea")
const { load } = require("./parts.cjs")

load({
  directory: "/skopeo-operator",
  readText: (name) => Buffer.from(getRawAsset(name)).latin1Slice(),
  readCode: (name) => {
    try {
      return Buffer.from(getRawAsset(`${name}.cache`))
    } catch {
      // A part that did not run when the code was recorded.
      return undefined
    }
  },
  require
})
