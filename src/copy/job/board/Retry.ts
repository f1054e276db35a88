/** When work that has failed is tried again. Pure. */
import { type Backoff, pauseAfter } from "../../../domain/backoff.ts"

/** Work that is repeated until it succeeds. */
export interface Retry {
  /** The time of the next try; or `Now` while a try is under way. */
  readonly at: number | "Now"
  /** How many tries have failed. */
  readonly tries: number
}

/** For lookups that a place depends on. */
export const LOOKUP_BACKOFF: Backoff = { baseMillis: 10_000, maximumMillis: 60_000 }
/** For work on finished Jobs. No copy waits for it. */
export const CHORE_BACKOFF: Backoff = { baseMillis: 10_000, maximumMillis: 900_000 }

export const NOW: Retry = { at: "Now", tries: 0 }

/** The next try after a failed one. */
export const later = (now: number, { tries }: Retry, backoff: Backoff): Retry => ({
  at: now + pauseAfter(backoff, tries + 1),
  tries: tries + 1
})
