/** When work that has failed is tried again. Pure. */

/** Work that is repeated until it succeeds. */
export interface Retry {
  /** The time of the next try; or `Now` while a try is under way. */
  readonly at: number | "Now"
  /** How many tries have failed. */
  readonly tries: number
}

interface Backoff {
  readonly baseMillis: number
  readonly maximumMillis: number
}

/** For lookups that a place depends on. */
export const LOOKUP_BACKOFF: Backoff = { baseMillis: 10_000, maximumMillis: 60_000 }
/** For work on finished Jobs. No copy waits for it. */
export const CHORE_BACKOFF: Backoff = { baseMillis: 10_000, maximumMillis: 900_000 }

export const NOW: Retry = { at: "Now", tries: 0 }

/** The next try after a failed one. */
export const later = (now: number, { tries }: Retry, { baseMillis, maximumMillis }: Backoff): Retry => ({
  at: now + Math.min(maximumMillis, baseMillis * 2 ** Math.min(tries, 20)),
  tries: tries + 1
})
