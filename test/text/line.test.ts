import { assert, describe, it } from "@effect/vitest"
import { shortenBytes } from "../../src/text/line.ts"

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
