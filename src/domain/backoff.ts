/** The pauses before retries. */

/** The pauses between attempts: a base, doubled after each failure. */
export interface Backoff {
  readonly baseMillis: number
  /** The shortest pause. Default the base. */
  readonly minimumMillis?: number
  /** The longest pause. */
  readonly maximumMillis: number
}

/** A pause is shortened by up to this share, so that what failed together is not retried together. */
const JITTER = 0.2

/**
 * The pause after a number of failures in a row, in milliseconds.
 *
 * @param fraction which share of the jitter the pause is shortened by, from 0 to 1
 */
export const pauseAfter = (
  { baseMillis, maximumMillis, minimumMillis = 0 }: Backoff,
  failures: number,
  fraction = 0
): number => {
  // The exponent is bounded, because any client with permission to write a status can write any count into it.
  const pause = Math.min(maximumMillis, Math.max(minimumMillis, baseMillis * 2 ** Math.min(failures - 1, 20)))
  return Math.round(pause * (1 - JITTER * fraction))
}

/**
 * The bounds of a time that a registry names: zero must not cause a busy loop, and a registry's mistake must not stop
 * an Image for days. No limit that registries publish has a longer window.
 */
const SHORTEST = 1_000
const LONGEST = 6 * 3_600_000
/** Waiting Images of one namespace are retried a second apart, within this share of their wait. */
const STEP = 1_000
const SPREAD = 0.05

/** The longest wait that a registry can cause. */
export const LONGEST_DEFERRAL = LONGEST * (1 + SPREAD)

/**
 * The time of a retry that a registry deferred until `until`. `position` is the number of Images in the same namespace
 * that have waited longer. The first Image of each namespace comes first, then the second of each.
 */
export const retryAt = (now: number, until: number, position: number): number => {
  const wait = Math.min(LONGEST, Math.max(SHORTEST, until - now))
  return now + wait + Math.floor(Math.min(position * STEP, wait * SPREAD))
}
