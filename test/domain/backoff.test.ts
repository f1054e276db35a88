import { assert, describe, it } from "@effect/vitest"
import { LONGEST_DEFERRAL, pauseAfter, retryAt } from "../../src/domain/backoff.ts"

const HOUR = 3_600_000

describe("the pause after a number of failures in a row", () => {
  const backoff = { baseMillis: 750, maximumMillis: 900_000 }
  it.each<readonly [failures: number, millis: number]>([
    [1, 750],
    [2, 1_500],
    [3, 3_000],
    [11, 768_000],
    [12, 900_000],
    [1_000, 900_000],
    [2 ** 53, 900_000]
  ])("the pause doubles from 750 ms to 15 minutes: after %i failures %i ms", (failures, millis) => {
    assert.strictEqual(pauseAfter(backoff, failures), millis)
  })

  it.each<readonly [failures: number, millis: number]>([
    [1, 2_000],
    [2, 2_000],
    [3, 4_000],
    [7, 60_000]
  ])("the pause is at least the minimum: after %i failures %i ms", (failures, millis) => {
    assert.strictEqual(pauseAfter({ baseMillis: 1_000, minimumMillis: 2_000, maximumMillis: 60_000 }, failures), millis)
  })
})

describe("the jitter of pauses", () => {
  it("a pause is shortened by up to a fifth", () => {
    const backoff = { baseMillis: 10_000, maximumMillis: 900_000 }
    assert.deepStrictEqual(
      [0, 0.5, 1].map((fraction) => pauseAfter(backoff, 2, fraction)),
      [20_000, 18_000, 16_000]
    )
    assert.strictEqual(pauseAfter(backoff, 100, 1), 720_000)
  })
})

describe("the time at which something deferred by a registry is tried again", () => {
  it.each<readonly [what: string, afterMillis: number, position: number, millis: number]>([
    ["is the registry's own", 90_000, 0, 90_000],
    ["is a second later for each that waits for longer", 900_000, 3, 903_000],
    ["is spread over 5 % of the wait at most", 60_000, 100, 63_000],
    ["is a second away at least", 0, 0, 1_000],
    ["is six hours away at most, before it is spread", 365 * 24 * HOUR, 0, 6 * HOUR]
  ])("the time of a retry that a registry deferred %s", (_, afterMillis, position, millis) => {
    assert.strictEqual(retryAt(7, 7 + afterMillis, position), 7 + millis)
    assert.isAtMost(millis, LONGEST_DEFERRAL)
  })
})
