import { assert, describe, it } from "@effect/vitest"
import { BoundedMap } from "../../src/collections/BoundedMap.ts"

const keysIn = <K, V>(map: BoundedMap<K, V>): ReadonlyArray<K> => [...map.entries()].map(([key]) => key)

describe("a bounded map", () => {
  it("a bounded map drops the entry that was used longest ago", () => {
    const map = new BoundedMap<string, number>({ capacity: 3 })
    for (const [index, key] of ["a", "b", "c"].entries()) map.set(key, index)
    assert.strictEqual(map.get("a"), 0)
    map.set("d", 3)
    assert.deepStrictEqual(keysIn(map), ["c", "a", "d"])
    assert.isUndefined(map.get("b"))
    assert.isFalse(map.has("b"))
  })

  it("a bounded map counts an entry that is set again once, and one that is deleted not at all", () => {
    const map = new BoundedMap<string, number>({ capacity: 2 })
    for (const value of [1, 2, 3]) map.set("a", value)
    map.set("b", 1)
    assert.deepStrictEqual(
      [...map.entries()],
      [
        ["a", 3],
        ["b", 1]
      ]
    )
    map.delete("a")
    map.delete("a")
    map.set("c", 1)
    assert.deepStrictEqual(keysIn(map), ["b", "c"])
  })

  it("a bounded map drops as many entries as a heavy one takes the place of, and does not keep one that is too heavy", () => {
    const map = new BoundedMap<string, string>({ capacity: 10, weigh: ({ length }) => length })
    for (const key of ["a", "b", "c"]) map.set(key, "three")
    assert.deepStrictEqual(keysIn(map), ["b", "c"])
    map.set("d", "eight...")
    assert.deepStrictEqual(keysIn(map), ["d"])
    map.set("e", "more than ten")
    assert.deepStrictEqual(keysIn(map), [])
    map.set("f", "three")
    assert.deepStrictEqual(keysIn(map), ["f"])
  })
})
