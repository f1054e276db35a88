/** When something is tried again that a registry has put off: after the time it named, one after the other. */

/** A zero must not make a loop, nor a slip of the registry's silence an Image: no limit there is lasts longer. */
const SHORTEST = 1_000
const LONGEST = 6 * 3_600_000
/** Between those of one namespace that wait for their turn, within a part of the time they wait. */
const STEP = 1_000
const SPREAD = 0.05
/** The longest that a registry can put something off. */
export const LONGEST_RETRY_AFTER = LONGEST * (1 + SPREAD)

/**
 * `turn` is how many of the same namespace were put off earlier: those who have waited for longest come first, and of
 * two namespaces the first of each, then the second.
 */
export const retryAt = (now: number, afterMillis: number, turn: number): number => {
  const wait = Math.min(LONGEST, Math.max(SHORTEST, afterMillis))
  return now + wait + Math.floor(Math.min(turn * STEP, wait * SPREAD))
}
