import { assert, it } from "@effect/vitest"
import { WaitingList } from "../../src/controller/WaitingList.ts"

it("a waiting list counts who waits for longer in the same namespace, and keeps each place until its owner leaves", () => {
  const list = new WaitingList()
  assert.deepStrictEqual([list.join("a", "1"), list.join("a", "2"), list.join("b", "1")], [0, 1, 0])
  assert.deepStrictEqual([list.join("a", "2"), list.join("a", "3")], [1, 2])
  list.leave("a", "1")
  assert.deepStrictEqual([list.join("a", "2"), list.join("a", "3"), list.join("a", "1")], [0, 1, 2])
  list.leave("nobody", "1")
})
