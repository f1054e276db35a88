import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { tokenize } from "../../src/http/headers.ts"

/** Headers made of the characters with a meaning in headers. Many quotes and brackets in them are never closed. */
const Header = Schema.Array(Schema.Literals(["<", ">", '"', "\\", "=", ",", ";", " ", "a", "rel", "\n", "é", "😀"]))

describe("tokenize", () => {
  it.prop("tokenize puts each character of a header into one token", { header: Header }, ({ header }) => {
    const text = header.join("")
    assert.strictEqual(Array.from(tokenize(text), (token) => token.text).join(""), text)
  })
})
