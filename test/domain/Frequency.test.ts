import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import {
  DEFAULT_FREQUENCY,
  FREQUENCY_PATTERN,
  MAXIMUM_FREQUENCY_MILLIS,
  MINIMUM_FREQUENCY_MILLIS,
  parseFrequency
} from "../../src/domain/Frequency.ts"

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const WEEK = 7 * DAY

describe("a frequency", () => {
  it.each<readonly [text: string, millis: number, why: string]>([
    ["1d12h", 36 * HOUR, "every amount counts, not the first alone"],
    ["12h1d", 36 * HOUR, "in any order"],
    ["1h1h", 2 * HOUR, "repeats add"],
    ["1w2d3h4m5s", WEEK + 2 * DAY + 3 * HOUR + 4 * MINUTE + 5 * SECOND, "all units"],
    [DEFAULT_FREQUENCY, 5 * MINUTE, "the default"],
    ["1m", MINUTE, "the specification's example"],
    ["15m", 15 * MINUTE, "the specification's example"],
    ["90m", 90 * MINUTE, "more than the next unit"],
    ["0h15m", 15 * MINUTE, "a zero adds nothing"],
    ["015m", 15 * MINUTE, "leading zeros are decimal"],
    ["10s", 10 * SECOND, "the minimum"],
    ["5s5s", 10 * SECOND, "the minimum as a sum"],
    ["520w", 520 * WEEK, "the maximum"]
  ])("the frequency %s is %i ms: %s", (text, millis) => {
    assert.deepStrictEqual(parseFrequency(text), Result.succeed(millis))
  })

  const SHORT = "is shorter than the minimum of 10s; write 10s or more"
  const LONG = "is longer than the maximum of 520w; write 520w or less"
  const BAD = "is not a duration; use for example 15m, 1h30m or 1d12h"

  it.each<readonly [text: string, message: string]>([
    ["0s", SHORT],
    ["0w0d", SHORT],
    ["9s", SHORT],
    ["520w1s", LONG],
    ["9".repeat(400) + "w", LONG],
    ["", BAD],
    ["15", BAD],
    ["m", BAD],
    ["15 m", BAD],
    ["15m ", BAD],
    ["15m\n", BAD],
    ["1.5h", BAD],
    ["-5m", BAD],
    ["+5m", BAD],
    ["5M", BAD],
    ["5min", BAD],
    ["100ms", BAD],
    ["1h 30m", BAD],
    ["1y", BAD],
    ["PT5M", BAD],
    ["*/5 * * * *", BAD],
    ["٥m", BAD]
  ])("the frequency %j is refused with the remedy", (text, message) => {
    assert.deepStrictEqual(parseFrequency(text), Result.fail(message))
  })

  const UNITS = { s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: WEEK } as const
  const Amount = Schema.Struct({
    amount: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000 })),
    unit: Schema.Literals(["s", "m", "h", "d", "w"])
  })

  it.prop(
    "a frequency is the exact sum of its amounts if the sum is within the bounds, and is refused otherwise",
    { amounts: Schema.NonEmptyArray(Amount) },
    ({ amounts }) => {
      const text = amounts.map(({ amount, unit }) => `${amount}${unit}`).join("")
      const sum = amounts.reduce((total, { amount, unit }) => total + BigInt(amount) * BigInt(UNITS[unit]), 0n)
      const parsed = parseFrequency(text)
      if (sum >= BigInt(MINIMUM_FREQUENCY_MILLIS) && sum <= BigInt(MAXIMUM_FREQUENCY_MILLIS)) {
        assert.deepStrictEqual(parsed, Result.succeed(Number(sum)))
      } else {
        assert.deepStrictEqual(parsed, Result.fail(sum < BigInt(MINIMUM_FREQUENCY_MILLIS) ? SHORT : LONG))
      }
    },
    { arbitrary: { runs: 500 } }
  )

  it.prop("parseFrequency refuses every text that the CRD's pattern refuses", { text: Schema.String }, ({ text }) => {
    if (Result.isSuccess(parseFrequency(text))) assert.match(text, FREQUENCY_PATTERN)
  })
})
