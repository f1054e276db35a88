/** The interval of checks: a sum of amounts such as `15m`, `1h30m` or `1d12h`. */
import { Result } from "effect"

/** The pattern in the CRD's schema. {@link parseFrequency} checks the minimum, because a pattern cannot add. */
export const FREQUENCY_PATTERN = /^([0-9]+(s|m|h|d|w))+$/u

/** The default of `spec.frequency`. */
export const DEFAULT_FREQUENCY = "5m"

/** The shortest interval. */
export const MINIMUM_FREQUENCY_MILLIS = 10_000

/** The longest interval. A longer one is probably a typing error, and sums of this size are exact integers. */
export const MAXIMUM_FREQUENCY_MILLIS = 520 * 7 * 86_400_000

const UNIT_MILLIS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000
}

/**
 * Parses a frequency to milliseconds. All amounts are added, so `1d12h` is 36 hours. The failure says the remedy, and
 * is read after the text.
 *
 * @example
 * parseFrequency("1h30m") // succeeds with 5_400_000
 */
export const parseFrequency = (text: string): Result.Result<number, string> => {
  if (!FREQUENCY_PATTERN.test(text)) {
    return Result.fail("is not a duration; use for example 15m, 1h30m or 1d12h")
  }
  let millis = 0
  for (const [, amount, unit] of text.matchAll(/([0-9]+)([smhdw])/gu)) {
    millis += Number(amount) * (UNIT_MILLIS[unit ?? ""] ?? 0)
  }
  if (millis < MINIMUM_FREQUENCY_MILLIS) {
    return Result.fail("is shorter than the minimum of 10s; write 10s or more")
  }
  if (millis > MAXIMUM_FREQUENCY_MILLIS) {
    return Result.fail("is longer than the maximum of 520w; write 520w or less")
  }
  return Result.succeed(millis)
}
