import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { piecesOf } from "../../src/http/HeaderPieces.ts"

/** Made of what has a meaning in headers, so that much of it is never closed. */
const Header = Schema.Array(Schema.Literals(["<", ">", '"', "\\", "=", ",", ";", " ", "a", "rel", "\n", "é", "😀"]))

describe("piecesOf", () => {
  it.prop("has each character of a header in one piece", { header: Header }, ({ header }) => {
    const text = header.join("")
    assert.strictEqual(Array.from(piecesOf(text), (piece) => piece.text).join(""), text)
  })
})
