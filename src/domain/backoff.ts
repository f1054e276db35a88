/** When something that failed is tried again. */

/** The pauses between attempts: a base, doubled after each failure. */
export interface Backoff {
  readonly baseMillis: number
  /** No pause is shorter. Default: the base. */
  readonly minimumMillis?: number
  /** No pause is longer. */
  readonly maximumMillis: number
}

/** The pause after so many failures in a row, in milliseconds. */
export const pauseAfter = ({ baseMillis, maximumMillis, minimumMillis = 0 }: Backoff, failures: number): number =>
  // The exponent is bounded: anybody who may write a status can write any count into it.
  Math.min(maximumMillis, Math.max(minimumMillis, baseMillis * 2 ** Math.min(failures - 1, 20)))

/**
 * A registry's own time is taken within these: a zero must not make a loop, and a slip of a registry must not silence an
 * Image for days. No limit that registries publish has a longer window.
 */
const SHORTEST = 1_000
const LONGEST = 6 * 3_600_000
/** Those of one namespace that wait come a second apart, within this part of the time they wait. */
const STEP = 1_000
const SPREAD = 0.05

/** The longest that a registry can defer something. */
export const LONGEST_DEFERRAL = LONGEST * (1 + SPREAD)

/**
 * When something is tried again that a registry has deferred until a time. `position` is how many of the same namespace
 * wait for longer: the first of each namespace come first, then the second.
 */
export const retryAt = (now: number, until: number, position: number): number => {
  const wait = Math.min(LONGEST, Math.max(SHORTEST, until - now))
  return now + wait + Math.floor(Math.min(position * STEP, wait * SPREAD))
}
