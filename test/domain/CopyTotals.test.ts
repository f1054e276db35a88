import { assert, describe, it } from "@effect/vitest"
import type { Copy, CopyProgress } from "../../src/domain/Copy.ts"
import { type CopyTotals, movedIn, NO_COPIES, progressIn, withCopies, withCopy } from "../../src/domain/CopyTotals.ts"
import { copyOf } from "../support/copies.ts"

const running = (id: string, done: number, total: number, sent: number): Copy =>
  copyOf(id, { _tag: "Running", progress: { done, total, sent } })
const failed = (id: string, progress: CopyProgress): Copy =>
  copyOf(id, { _tag: "Failed", at: 0, reason: "CopyFailed", message: "x", progress })

/** The totals after an engine has reported each of these lists of copies. */
const after = (...said: ReadonlyArray<ReadonlyArray<Copy>>): CopyTotals => said.reduce(withCopies, NO_COPIES)

describe("CopyTotals", () => {
  it.each<
    readonly [
      what: string,
      totals: CopyTotals,
      moved: readonly [sent: number, present: number],
      progress: readonly [done: number, total: number]
    ]
  >([
    ["totals without copies are zero", NO_COPIES, [0, 0], [0, 0]],
    ["totals distinguish sent bytes from present bytes", after([running("a", 40, 100, 30)]), [30, 10], [40, 100]],
    ["totals add up all copies", after([running("a", 40, 100, 30), running("b", 5, 5, 5)]), [35, 10], [45, 105]],
    [
      "a repeated report counts no byte twice",
      after([running("a", 40, 100, 30)], [running("a", 40, 100, 30)]),
      [30, 10],
      [40, 100]
    ],
    [
      "bytes that a copy takes back stay in the moved bytes, and leave the progress",
      after([running("a", 40, 100, 30)], [running("a", 20, 100, 10)]),
      [30, 10],
      [20, 100]
    ],
    [
      "a copy that started over and sent more bytes than are done has no present bytes",
      after([running("a", 20, 100, 90)]),
      [90, 0],
      [20, 100]
    ],
    [
      "the bytes of a released copy stay, and the copy counts as complete",
      after([running("a", 40, 100, 30)], []),
      [30, 10],
      [100, 100]
    ],
    [
      "another attempt at the same tag counts separately",
      after([failed("a-1", { done: 7, total: 9, sent: 7 })], [running("a-2", 2, 9, 2)]),
      [9, 0],
      [11, 18]
    ],
    [
      "moved bytes stay if the engine no longer reports progress",
      after([running("a", 40, 100, 30)], [copyOf("a", { _tag: "Succeeded", at: 0 })]),
      [30, 10],
      [40, 100]
    ],
    ["a waiting copy counts nothing", after([copyOf("a", { _tag: "Waiting", reason: "full" })]), [0, 0], [0, 0]]
  ])("%s", (_, totals, [sent, present], [done, total]) => {
    assert.deepStrictEqual(movedIn(totals), { sent, present })
    const progress = progressIn(totals)
    assert.deepStrictEqual([progress.done, progress.total], [done, total])
  })

  it("one copy at a time gives the same totals as all copies together", () => {
    const both = [running("a", 40, 100, 30), running("b", 5, 5, 5)]
    assert.deepStrictEqual(both.reduce(withCopy, NO_COPIES), after(both))
  })

  it("totals keep no entry for a released copy", () => {
    const said = Array.from({ length: 1_000 }, (_, index) => [running(`copy-${index}`, 1, 1, 1)])
    const totals = after(...said)
    assert.strictEqual(totals.copies.size, 1)
    assert.deepStrictEqual(movedIn(totals), { sent: 1_000, present: 0 })
  })
})
