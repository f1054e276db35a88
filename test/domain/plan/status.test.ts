import { assert, describe, it } from "@effect/vitest"
import type { Copy } from "../../../src/domain/Copy.ts"
import type { ImageStatus } from "../../../src/domain/Image.ts"
import { sameStatus } from "../../../src/domain/plan/status.ts"
import {
  A,
  at,
  B,
  COPYING,
  copyOf,
  decisionOf,
  existing,
  HOUR,
  imageOf,
  MINUTE,
  PATTERN,
  READY,
  SECOND,
  situationOf,
  SUCCEEDED
} from "./fixtures.ts"

describe("the history", () => {
  const entries = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ performedAt: at(-HOUR - i * MINUTE), tag: `0.${i}`, digest: B }))
  const historyOf = (history: ImageStatus["history"], copies: ReadonlyArray<Copy>) =>
    decisionOf(
      situationOf(
        imageOf({ ...PATTERN, status: { ...READY, ...(history === undefined ? {} : { history }) } }),
        [existing("1.1")],
        copies
      )
    ).status.history

  it("the history has the newest copies first, at most 20", () => {
    const history = historyOf(entries(20), [copyOf("1.1", A, SUCCEEDED)])
    assert.deepStrictEqual(history, [{ performedAt: at(-5 * SECOND), tag: "1.1", digest: A }, ...entries(19)])
  })

  it("the history has a copy once, however often it is reported", () => {
    const copies = [copyOf("1.1", A, SUCCEEDED)]
    const once = historyOf([], copies)
    assert.strictEqual(once?.length, 1)
    assert.deepStrictEqual(historyOf(once, copies), once)
  })

  it("the history of an earlier release, which is unbounded with the oldest first, is cut to the newest", () => {
    assert.deepStrictEqual(historyOf(entries(300).toReversed(), []), entries(20))
  })
})

describe("statuses", () => {
  const { conditions = [], ...rest } = COPYING
  it.each<readonly [what: string, other: ImageStatus, same: boolean]>([
    ["if they are equal", structuredClone(COPYING), true],
    [
      "whatever the order of their fields",
      { ...Object.fromEntries(Object.entries(rest).toReversed()), conditions },
      true
    ],
    ["whatever the order of their conditions", { ...rest, conditions: conditions.toReversed() }, true],
    ["not if a time moved", { ...COPYING, lastCheckedAt: at(0) }, false],
    ["not if a condition went", { ...rest, conditions: conditions.slice(1) }, false],
    ["not if a message changed", { ...rest, conditions: conditions.map((one) => ({ ...one, message: "new" })) }, false],
    ["not if a field went", { conditions }, false]
  ])("two statuses are equal: %s", (_, other, same) => {
    assert.strictEqual(sameStatus(COPYING, other), same)
    assert.strictEqual(sameStatus(other, COPYING), same)
  })

  it("two statuses differ if the order of the history changed", () => {
    const history = [{ performedAt: at(0) }, { performedAt: at(-1) }, { performedAt: at(-MINUTE) }]
    assert.isFalse(sameStatus({ history }, { history: history.toReversed() }))
    assert.isTrue(sameStatus({}, {}))
  })
})
