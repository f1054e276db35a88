/** Durations as kubectl prints ages: one unit, or two while the second one still matters. Pure. */

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const YEAR = 365 * DAY

/** For durations shorter than `below`: the unit, and the smaller unit that is printed after a rest. */
const STEPS: ReadonlyArray<{
  readonly below: number
  readonly unit: readonly [millis: number, letter: string]
  readonly rest?: readonly [millis: number, letter: string]
}> = [
  { below: 2 * MINUTE, unit: [SECOND, "s"] },
  { below: 10 * MINUTE, unit: [MINUTE, "m"], rest: [SECOND, "s"] },
  { below: 3 * HOUR, unit: [MINUTE, "m"] },
  { below: 8 * HOUR, unit: [HOUR, "h"], rest: [MINUTE, "m"] },
  { below: 2 * DAY, unit: [HOUR, "h"] },
  { below: 8 * DAY, unit: [DAY, "d"], rest: [HOUR, "h"] },
  { below: 2 * YEAR, unit: [DAY, "d"] },
  { below: 8 * YEAR, unit: [YEAR, "y"], rest: [DAY, "d"] },
  { below: Number.POSITIVE_INFINITY, unit: [YEAR, "y"] }
]

/**
 * Formats a duration in milliseconds as kubectl does. A negative one is `0s`, because two clocks may differ.
 *
 * @example
 * formatAge(330_000) // "5m30s"
 */
export const formatAge = (millis: number): string => {
  const duration = Math.max(0, millis)
  const step = STEPS.find(({ below }) => duration < below)
  if (step === undefined) return "?"
  const [size, letter] = step.unit
  const text = `${Math.floor(duration / size)}${letter}`
  if (step.rest === undefined) return text
  const [smaller, smallerLetter] = step.rest
  const rest = Math.floor((duration % size) / smaller)
  return rest === 0 ? text : `${text}${rest}${smallerLetter}`
}
