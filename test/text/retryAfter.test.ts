import { assert, describe, it } from "@effect/vitest"
import { retryAfterMillis, retryAfterSaid } from "../../src/text/retryAfter.ts"

const NOW = Date.UTC(2026, 10, 24, 12, 0, 0)

describe("Retry-After", () => {
  for (const [header, millis] of [
    ["0", 0],
    ["7", 7_000],
    [" 7 ", 7_000],
    ["1.5", 1_500],
    ["Tue, 24 Nov 2026 12:00:30 GMT", 30_000],
    ["Tue, 24 Nov 2026 11:59:00 GMT", 0],
    ["Tuesday, 24-Nov-26 12:01:00 GMT", 60_000],
    ["Tue Nov 24 12:00:05 2026 GMT", 5_000],
    ["880.092us", 1],
    ["880.092µs", 1],
    ["12ms", 12],
    ["250ns", 1],
    ["1h2m3.5s", 3_723_500],
    ["6h0m0s", 21_600_000],
    ["9".repeat(400), 366 * 86_400_000],
    [undefined, undefined],
    ["", undefined],
    ["soon", undefined],
    ["-5", undefined],
    ["5 minutes", undefined],
    ["5x", undefined],
    ["1m!", undefined],
    ["2026", 2_026_000]
  ] as const) {
    it(`Retry-After ${header === undefined ? "that is missing" : `"${header.slice(0, 40)}"`} is ${millis ?? "not a time"}`, () => {
      assert.strictEqual(retryAfterMillis(header, NOW), millis)
    })
  }

  for (const [words, millis] of [
    ["TOOMANYREQUESTS: retry-after: 880.092us, allowed: 44000/minute", 1],
    ["Retry-After: 1m30s, allowed: 10/minute", 90_000],
    ["retry-after: 12", 12_000],
    ["You have reached your pull rate limit.", undefined],
    ["retry-after: soon", undefined]
  ] as const) {
    it(`the wait in the text "${words}" is ${millis ?? "not a time"}`, () => {
      assert.strictEqual(retryAfterSaid(words, NOW), millis)
    })
  }
})
