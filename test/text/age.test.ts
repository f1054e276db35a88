/** Ages as kubectl prints them. */
import { assert, describe, it } from "@effect/vitest"
import { formatAge } from "../../src/text/age.ts"

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

describe("an age", () => {
  // The table is that of HumanDuration in k8s.io/apimachinery.
  for (const [millis, text] of [
    [-5 * MINUTE, "0s"],
    [0, "0s"],
    [999, "0s"],
    [119 * SECOND, "119s"],
    [2 * MINUTE, "2m"],
    [2 * MINUTE + SECOND, "2m1s"],
    [10 * MINUTE - 1, "9m59s"],
    [10 * MINUTE + 30 * SECOND, "10m"],
    [3 * HOUR - 1, "179m"],
    [3 * HOUR, "3h"],
    [3 * HOUR + 20 * MINUTE, "3h20m"],
    [8 * HOUR + 20 * MINUTE, "8h"],
    [2 * DAY - 1, "47h"],
    [2 * DAY + 5 * HOUR, "2d5h"],
    [8 * DAY + 5 * HOUR, "8d"],
    [2 * 365 * DAY - 1, "729d"],
    [2 * 365 * DAY + 10 * DAY, "2y10d"],
    [8 * 365 * DAY + DAY, "8y"]
  ] as const) {
    it(`${millis} milliseconds are ${text}`, () => assert.strictEqual(formatAge(millis), text))
  }
})
