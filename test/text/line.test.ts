import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  boundedLine,
  cell,
  colouredLines,
  excerpt,
  jsonText,
  lines,
  oneLine,
  shortenBytes
} from "../../src/text/line.ts"

const sizeOf = (text: string): number => new TextEncoder().encode(text).length

describe("a text that is cut to a number of bytes", () => {
  it("a text that fits stays unchanged", () => {
    assert.strictEqual(shortenBytes("é".repeat(512), 1_024), "é".repeat(512))
  })

  it.each(["x", "é", "語", "🦊"])("a longer text of %s is cut between two characters, and fits", (character) => {
    for (let maximum = 3; maximum < 40; maximum += 1) {
      const cut = shortenBytes(character.repeat(50), maximum)
      assert.isAtMost(sizeOf(cut), maximum)
      assert.isAbove(sizeOf(cut), maximum - 4)
      assert.match(cut, new RegExp(`^(?:${character})*…$`, "u"))
    }
  })
})

/** Characters that a terminal obeys, or that no reader sees. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/u

describe("the encoder of strangers' texts", () => {
  it.each([
    ["a line break is a space", "one\r\n\ttwo\u2028three\u2029four", "one two three four"],
    ["ESC is visible", "\u001B]0;title\u0007", "\\u{1b}]0;title\\u{7}"],
    ["a C1 control is visible", "\u009B2J", "\\u{9b}2J"],
    ["NUL, DEL and backspace are visible", "\0\u007F\b", "\\u{0}\\u{7f}\\u{8}"],
    ["a bidirectional override is visible", "\u202Egpj.exe", "\\u{202e}gpj.exe"],
    ["a zero-width space and a byte order mark are visible", "a\u200Bb\uFEFF", "a\\u{200b}b\\u{feff}"],
    ["a tag character is visible", "\u{E0041}", "\\u{e0041}"],
    ["a Hangul filler is visible", "\u3164", "\\u{3164}"],
    ["half of a surrogate pair is visible", "a\uD83Eb", "a\\u{d83e}b"],
    ["other writing stays", "grüße 語 🦊 «…»", "grüße 語 🦊 «…»"]
  ])("%s", (_, text, encoded) => {
    assert.strictEqual(oneLine(text), encoded)
  })

  /** A text of any code points, and often of those that are encoded. */
  const Anything = Schema.Array(
    Schema.Union([
      Schema.Literals([0x0, 0x9, 0xa, 0xd, 0x1b, 0x7f, 0x85, 0x9b, 0x200b, 0x2028, 0x202e, 0x2066, 0xd83e, 0xfeff]),
      Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0x10ffff }))
    ])
  )
  const textOf = (points: ReadonlyArray<number>): string => points.map((point) => String.fromCodePoint(point)).join("")

  it.prop(
    "No encoded text has an unseen character, a line break or too many characters",
    { Anything },
    ({ Anything }) => {
      const text = textOf(Anything)
      for (const encode of [oneLine, boundedLine, cell, excerpt]) assert.notMatch(encode(text), UNSEEN)
      assert.isAtMost(cell(text).length, 128)
      assert.isAtMost(excerpt(text).length, 300)
      assert.notMatch(lines(text).replaceAll("\n", ""), UNSEEN)
      assert.strictEqual(oneLine(oneLine(text)), oneLine(text))
    }
  )

  it("A message, an excerpt and a cell have a bounded length", () => {
    const long = "\u202E".repeat(10_000)
    assert.deepStrictEqual([boundedLine(long).length, excerpt(long).length, cell(long).length], [4_000, 300, 128])
  })

  it("Only the colours of this program pass to a terminal", () => {
    const colours = "\u001B[1m\u001B[31mERROR\u001B[0m\n  no"
    assert.strictEqual(colouredLines(colours), colours)
    assert.strictEqual(colouredLines("\u001B[8mhidden\u001B[2J"), "\\u{1b}[8mhidden\\u{1b}[2J")
  })

  it.prop("JSON has the same value, and no unseen character", { Anything }, ({ Anything }) => {
    const text = textOf(Anything)
    const json = jsonText({ [text]: [text] })
    assert.notMatch(json, UNSEEN)
    assert.deepStrictEqual(JSON.parse(json), { [text]: [text] })
  })

  it("JSON escapes a character beyond 16 bits as two units", () => {
    assert.strictEqual(jsonText("\u009B\u202E\u{E0041}"), `"\\u009b\\u202e\\udb40\\udc41"`)
  })
})
