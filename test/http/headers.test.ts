import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { tokenize } from "../../src/http/headers.ts"

/** Made of what has a meaning in headers, so that much of it is never closed. */
const Header = Schema.Array(Schema.Literals(["<", ">", '"', "\\", "=", ",", ";", " ", "a", "rel", "\n", "é", "😀"]))

describe("tokenize", () => {
  it.prop("has each character of a header in one token", { header: Header }, ({ header }) => {
    const text = header.join("")
    assert.strictEqual(Array.from(tokenize(text), (token) => token.text).join(""), text)
  })
})
