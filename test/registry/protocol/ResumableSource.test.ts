import { assert, describe, it } from "@effect/vitest"
import { skip } from "../../../src/registry/protocol/ResumableSource.ts"

/** Comes in one buffer, as from a socket that is read into the same memory again and again. */
async function* inOneBuffer(...pieces: ReadonlyArray<string>): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.alloc(16)
  for (const piece of pieces) {
    const size = buffer.write(piece)
    yield buffer.subarray(0, size)
    buffer.fill("#")
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

const CASES: ReadonlyArray<readonly [number, ReadonlyArray<string>]> = [
  [0, ["abcd", "efgh", "ijkl"]],
  [2, ["cd", "efgh", "ijkl"]],
  [4, ["efgh", "ijkl"]],
  [7, ["h", "ijkl"]],
  [12, []]
]

describe("skip", () => {
  for (const [offset, expected] of CASES) {
    it(`leaves out the first ${offset} bytes`, async () => {
      const found: Array<string> = []
      for await (const piece of skip(inOneBuffer("abcd", "efgh", "ijkl"), offset)) found.push(text(piece))
      assert.deepStrictEqual(found, [...expected])
    })
  }

  it("brings what is left of a piece to be kept, for it may wait in a socket while its buffer is used again", async () => {
    const kept: Array<Uint8Array> = []
    for await (const piece of skip(inOneBuffer("abcd", "efgh"), 2)) kept.push(piece)
    assert.strictEqual(text(kept[0] ?? Buffer.of()), "cd")
  })
})
