import { assert, describe, it } from "@effect/vitest"
import { median, ratioOfMedians } from "./copy/statistics.ts"

describe("median", () => {
  it("the median is the middle value, or the mean of the two middle values, in any order", () => {
    assert.strictEqual(median([3, 1, 2]), 2)
    assert.strictEqual(median([4, 1, 3, 2]), 2.5)
    assert.strictEqual(median([7]), 7)
  })

  it("the median of no values is NaN", () => {
    assert.isNaN(median([]))
  })
})

describe("ratioOfMedians", () => {
  const own = [1.1, 0.9, 1, 1.2, 1, 0.8, 1, 1.1, 0.9, 1]
  const other = own.map((value) => value * 2)

  it("the interval is the same for the same runs", () => {
    assert.deepStrictEqual(ratioOfMedians(own, other), ratioOfMedians(own, other))
  })

  it("values of the same run are drawn together", () => {
    const { high, low, value } = ratioOfMedians(own, other)
    for (const bound of [high, low, value]) assert.closeTo(bound, 0.5, 1e-9)
  })

  it("the ratio is within its interval, and differing runs make the interval wider", () => {
    const steady = ratioOfMedians(own, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    const unsteady = ratioOfMedians([0.2, 1.8, 1, 0.5, 1.5, 0.3, 1.7, 1, 0.6, 1.4], [2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    for (const { high, low, value } of [steady, unsteady]) {
      assert.isAtMost(low, value)
      assert.isAtLeast(high, value)
    }
    assert.isAbove(unsteady.high - unsteady.low, steady.high - steady.low)
  })
})
