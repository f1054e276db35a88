/** How often an Image is checked: a sum of amounts such as `15m`, `1h30m` or `1d12h`. */
import { Result } from "effect"

/** The form the schema accepts; the minimum is checked by {@link parseFrequency}, for no pattern can add. */
export const FREQUENCY_PATTERN = /^([0-9]+(s|m|h|d|w))+$/u

/** What an Image without `spec.frequency` gets. */
export const DEFAULT_FREQUENCY = "5m"

/** No registry is asked more often than this. */
export const MINIMUM_FREQUENCY_MILLIS = 10_000

/** Anything longer is more likely a typing error, and sums of this size are exact integers. */
export const MAXIMUM_FREQUENCY_MILLIS = 520 * 7 * 86_400_000

const UNIT_MILLIS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000
}

/**
 * The milliseconds a frequency stands for; every amount counts, so `1d12h` is 36 hours.
 * Fails with a sentence that says what to write instead.
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
