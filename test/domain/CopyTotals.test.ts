import { assert, describe, it } from "@effect/vitest"
import type { Copy, CopyProgress, CopyState } from "../../src/domain/Copy.ts"
import { type CopyTotals, movedIn, NO_COPIES, progressIn, withCopies, withCopy } from "../../src/domain/CopyTotals.ts"
import { endpoint } from "../support/endpoints.ts"

const copyIn = (id: string, state: CopyState): Copy => ({
  id,
  image: { namespace: "team", name: "app", uid: "1" },
  generation: 1,
  source: endpoint("source.test", "app"),
  digest: `sha256:${"a".repeat(64)}`,
  destinationDigest: `sha256:${"a".repeat(64)}`,
  platforms: [],
  referrers: false,
  onlyIfMissing: false,
  destination: endpoint("dest.test", "app"),
  tag: id,
  state
})

const running = (id: string, done: number, total: number, sent: number): Copy =>
  copyIn(id, { _tag: "Running", progress: { done, total, sent } })
const failed = (id: string, progress: CopyProgress): Copy =>
  copyIn(id, { _tag: "Failed", at: 0, reason: "CopyFailed", message: "x", progress })

/** What is counted after an engine has said each of these of its copies. */
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
    ["counts nothing before there is a copy", NO_COPIES, [0, 0], [0, 0]],
    ["tells what was sent from what was present", after([running("a", 40, 100, 30)]), [30, 10], [40, 100]],
    ["adds up copies", after([running("a", 40, 100, 30), running("b", 5, 5, 5)]), [35, 10], [45, 105]],
    ["counts no byte twice", after([running("a", 40, 100, 30)], [running("a", 40, 100, 30)]), [30, 10], [40, 100]],
    [
      "keeps what an attempt moved that is taken back, and shows that it is",
      after([running("a", 40, 100, 30)], [running("a", 20, 100, 10)]),
      [30, 10],
      [20, 100]
    ],
    [
      "knows of no present bytes where a copy began again and sent more than is done",
      after([running("a", 20, 100, 90)]),
      [90, 0],
      [20, 100]
    ],
    [
      "keeps the bytes of a copy that is gone, and takes it for ended",
      after([running("a", 40, 100, 30)], []),
      [30, 10],
      [100, 100]
    ],
    [
      "counts another attempt at the same tag for itself",
      after([failed("a-1", { done: 7, total: 9, sent: 7 })], [running("a-2", 2, 9, 2)]),
      [9, 0],
      [11, 18]
    ],
    [
      "keeps what a copy moved when the engine cannot tell any more",
      after([running("a", 40, 100, 30)], [copyIn("a", { _tag: "Succeeded", at: 0 })]),
      [30, 10],
      [40, 100]
    ],
    ["counts nothing of a copy that waits", after([copyIn("a", { _tag: "Waiting", reason: "full" })]), [0, 0], [0, 0]]
  ])("%s", (_, totals, [sent, present], [done, total]) => {
    assert.deepStrictEqual(movedIn(totals), { sent, present })
    const progress = progressIn(totals)
    assert.deepStrictEqual([progress.done, progress.total], [done, total])
  })

  it("takes one copy as it takes all of them", () => {
    const both = [running("a", 40, 100, 30), running("b", 5, 5, 5)]
    assert.deepStrictEqual(both.reduce(withCopy, NO_COPIES), after(both))
  })

  it("remembers no copy that is gone", () => {
    const said = Array.from({ length: 1_000 }, (_, index) => [running(`copy-${index}`, 1, 1, 1)])
    const totals = after(...said)
    assert.strictEqual(totals.copies.size, 1)
    assert.deepStrictEqual(movedIn(totals), { sent: 1_000, present: 0 })
  })
})
