import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as ListText from "../../src/kube/ListText.ts"

/** Reads a text in pieces of the given number of characters. */
const inPieces = (text: string, size: number) => {
  const items: Array<string> = []
  let state = ListText.empty
  let held = 0
  for (let at = 0; at < text.length; at += size) {
    const next = ListText.read(state, text.slice(at, at + size))
    items.push(...next.items)
    state = next.text
    held = Math.max(held, state.item.length)
  }
  return { items, rest: state.rest, held }
}

const tricky = [
  { metadata: { name: 'a"b', annotations: { a: "]}", b: "{[", c: '\\"', d: "\\", "]": "" } }, spec: [[], [{}], [[1]]] },
  {},
  { text: "Schlüssel-🔑", empty: [] }
]

describe("ListText", () => {
  it.prop(
    "the items and the metadata of a list are read wherever its text is cut",
    { items: Schema.Array(Schema.Record(Schema.String, Schema.Json)), size: Schema.Literals([1, 2, 7, 1_000]) },
    ({ items, size }) => {
      const list = { kind: "List", metadata: { resourceVersion: "7", nested: { a: [1] } }, items, apiVersion: "v1" }
      // The texts are compared, and not the items: V8 of Node.js 24 and 26 parses {"":null,"\n":[]} to another key if it parsed
      // {"":null,"\\":[]} before.
      for (const [indent, margin] of [
        [0, ""],
        [2, "    "]
      ] as const) {
        const read = inPieces(JSON.stringify(list, undefined, indent), size)
        const expected = items.map((item) => JSON.stringify(item, undefined, indent).replaceAll("\n", `\n${margin}`))
        assert.deepStrictEqual(read.items, expected)
        assert.deepStrictEqual(JSON.parse(read.rest), { ...list, items: [] })
      }
    },
    { arbitrary: { runs: 200 } }
  )

  it("brackets in strings end no item, and items may come before the metadata", () => {
    for (const list of [
      { metadata: { continue: '[{"' }, items: tricky },
      { items: tricky, metadata: {} }
    ]) {
      const text = JSON.stringify(list)
      for (let size = 1; size <= text.length; size++) {
        const read = inPieces(text, size)
        assert.deepStrictEqual(
          read.items,
          tricky.map((item) => JSON.stringify(item))
        )
        assert.deepStrictEqual(JSON.parse(read.rest), { ...list, items: [] })
      }
    }
  })

  it("at most the beginning of one item is held in memory", () => {
    const item = { text: "x".repeat(50) }
    const text = JSON.stringify({ items: Array.from({ length: 100 }, () => item) })
    const { held, items, rest } = inPieces(text, 7)
    assert.lengthOf(items, 100)
    assert.isBelow(held, JSON.stringify(item).length)
    assert.strictEqual(rest, '{"items":[]}')
  })

  it("a list has no items if Go writes null for them", () => {
    assert.deepStrictEqual(inPieces('{"items":null}', 3), { items: [], rest: '{"items":null}', held: 0 })
  })

  it("a list that breaks off is broken JSON without its items too", () => {
    const text = JSON.stringify({ metadata: {}, items: tricky })
    for (let length = 0; length < text.length; length++) {
      assert.throws(() => JSON.parse(inPieces(text.slice(0, length), 7).rest))
    }
    assert.throws(() => JSON.parse(inPieces("<html>[{}]</html>", 7).rest))
  })
})
