/**
 * The state and the rules of one registry's limit for one credential. Pure: {@link judge} decides whether a request
 * may be sent, and {@link afterSend} and {@link afterAnswer} give the next state.
 */
import { instant } from "../../text/instant.ts"
import type { HttpHead } from "../../http/Http.ts"
import { describeQuota, isCounted, isOfUser, type Quota, quotaAfter, RECHECK, type RequestKind } from "./Quota.ts"
import type { RegistryLimit } from "./configured.ts"
import { retryAfterMillis } from "../../text/retryAfter.ts"

export interface RateLimit {
  /** The level of the token bucket at the time `filledAt`. */
  readonly tokens: number
  readonly filledAt: number
  readonly inFlight: number
  /** The number of requests in flight that a quota of pulls counts. */
  readonly pullsInFlight: number
  /** No request is sent before this time. */
  readonly heldUntil: number
  /** The status of the answer that set the hold. */
  readonly heldBy: number
  /** Refusals in a row. Until a request succeeds, one request is sent at a time. */
  readonly refusals: number
  /** When the last single request after a refusal was sent. */
  readonly probedAt: number
  readonly quota: Quota | undefined
  /** Whether an answer about a manifest has come. Only then does a missing quota mean that there is no limit. */
  readonly hasSeenManifest: boolean
  /** Pulls that Jobs make from the same quota. */
  readonly reservations: ReadonlyArray<Reservation>
}

export interface Reservation {
  readonly id: number
  readonly at: number
  readonly pulls: number
  /** Whether some of the pulls may still be made. */
  readonly open: boolean
}

/** A request in flight. */
export interface Permit {
  readonly kind: RequestKind
  readonly sentAt: number
}

export interface Refused {
  readonly _tag: "Refused"
  readonly until: number
  /** Read after the registry's name. */
  readonly why: string
}

export type Verdict =
  | { readonly _tag: "Go" }
  /** Judge the request again at this time, or when a request has been answered. */
  | { readonly _tag: "Later"; readonly at: number }
  /** The wait is too long for a request. */
  | Refused

/** The request itself waits for a hold that is no longer than this. */
export const PATIENCE = 5_000
/** `Retry-After: 0`, or a few microseconds, must not cause a busy loop. */
const SHORTEST_HOLD = 1_000
/** Docker Hub's window of 6 hours is the longest known. A longer time that a registry names is cut to it. */
const LONGEST_HOLD = 6 * 3_600_000
/** A refusal without a time holds for one second, doubled each time up to this. */
const LONGEST_GUESS = 15 * 60_000
/** How long a single request after a refusal holds back the others. */
const PROBE = 5_000
const NEVER = Number.NEGATIVE_INFINITY
/** A corrected clock may step back a little. If the clock steps back further, the elapsed time is unknown. */
const LONGEST_STEP = 60_000
/** The rounding error of a division. */
const EPSILON = 1e-9

const GO: Verdict = { _tag: "Go" }
const ONCE_ANSWERED: Verdict = { _tag: "Later", at: Number.POSITIVE_INFINITY }

export const initial = (limit: RegistryLimit, now: number): RateLimit => ({
  tokens: limit.rate?.burst ?? 0,
  filledAt: now,
  inFlight: 0,
  pullsInFlight: 0,
  heldUntil: 0,
  heldBy: 0,
  refusals: 0,
  probedAt: NEVER,
  quota: undefined,
  hasSeenManifest: false,
  reservations: []
})

/** Whether a request may be sent now. */
export const judge = (state: RateLimit, limit: RegistryLimit, kind: RequestKind, now: number): Verdict => {
  if (isHeld(state, now)) return waitUntil(state.heldUntil, describeHold(state), now)
  const quota = judgeQuota(state, kind, now)
  if (quota._tag !== "Go") return quota
  if (limit.concurrent !== undefined && state.inFlight >= limit.concurrent) return ONCE_ANSWERED
  if (state.refusals > 0 && state.probedAt <= now && state.probedAt + PROBE > now) {
    return { _tag: "Later", at: state.probedAt + PROBE }
  }
  if (limit.rate === undefined) return GO
  const missing = 1 - levelAt(state, limit, now)
  return missing <= EPSILON ? GO : { _tag: "Later", at: now + Math.ceil((missing * 1_000) / limit.rate.perSecond) }
}

const judgeQuota = (state: RateLimit, kind: RequestKind, now: number): Verdict => {
  const { quota } = state
  if (quota === undefined || !isCounted(quota, kind)) return GO
  const inFlight = quota.counts === "Pulls" ? state.pullsInFlight : state.inFlight
  if (quota.remaining <= 0 && isAhead(quota.askAgainAt, now)) {
    return waitUntil(quota.askAgainAt, describeUsedUp(quota, 0, quota.askAgainAt), now)
  }
  // A request in flight may take the last pull, or find out whether the quota has been renewed.
  return inFlight > 0 && inFlight + openPulls(state) >= quota.remaining ? ONCE_ANSWERED : GO
}

/** The state after a request is sent. */
export const afterSend = (state: RateLimit, limit: RegistryLimit, kind: RequestKind, now: number): RateLimit => ({
  ...state,
  tokens: limit.rate === undefined ? 0 : levelAt(state, limit, now) - 1,
  filledAt: now,
  inFlight: state.inFlight + 1,
  pullsInFlight: state.pullsInFlight + (kind === "Pull" ? 1 : 0),
  probedAt: state.refusals > 0 ? now : NEVER
})

/** The state after a request was answered or failed. */
export const afterAnswer = (state: RateLimit, permit: Permit, head: HttpHead | undefined, now: number): RateLimit => {
  const landed: RateLimit = {
    ...state,
    inFlight: state.inFlight - 1,
    pullsInFlight: state.pullsInFlight - (permit.kind === "Pull" ? 1 : 0)
  }
  return head === undefined ? landed : record(landed, permit, head, now)
}

const record = (before: RateLimit, permit: Permit, head: HttpHead, now: number): RateLimit => {
  const { headers, status } = head
  const quota = quotaAfter(permit.kind, head, before.quota, now)
  const state: RateLimit = {
    ...before,
    quota,
    hasSeenManifest: before.hasSeenManifest || (permit.kind !== "Other" && status < 400)
  }
  const named = status === 429 || status >= 500 ? retryAfterMillis(headers["retry-after"], now) : undefined
  if (status !== 429 && named === undefined) {
    // The answer to a request that was sent before a refusal does not end the refusal.
    return status >= 500 || permit.sentAt < state.heldUntil ? state : { ...state, refusals: 0 }
  }
  const until = named === undefined ? undefined : now + Math.min(LONGEST_HOLD, Math.max(SHORTEST_HOLD, named))
  // An exhausted quota of pulls holds back only pulls.
  if (status === 429 && quota?.counts === "Pulls" && quota.remaining <= 0) {
    return { ...state, quota: until === undefined ? quota : { ...quota, askAgainAt: until } }
  }
  // Requests in flight together are refused together. They count as one refusal, with the longest of their times.
  if (isHeld(state, now)) return { ...state, heldUntil: Math.max(state.heldUntil, until ?? 0) }
  const guess = Math.min(LONGEST_GUESS, SHORTEST_HOLD * 2 ** Math.min(state.refusals, 20))
  return { ...state, refusals: state.refusals + 1, probedAt: NEVER, heldBy: status, heldUntil: until ?? now + guess }
}

/** Extends a hold. The text of a refusal may name a longer time than its header. */
export const holdUntil = (state: RateLimit, until: number, now: number): RateLimit =>
  isHeld(state, now) ? { ...state, heldUntil: Math.max(state.heldUntil, Math.min(now + LONGEST_HOLD, until)) } : state

/** Whether all requests are held back at a time. */
export const isHeld = ({ heldUntil }: RateLimit, now: number): boolean => isAhead(heldUntil, now)

/** Whether a time is in the future. A time further ahead than any wait was set before the clock was set back. */
const isAhead = (time: number, now: number): boolean => time > now && time <= now + LONGEST_HOLD

const waitUntil = (until: number, why: string, now: number): Verdict =>
  until - now <= PATIENCE ? { _tag: "Later", at: until } : { _tag: "Refused", until, why }

const levelAt = ({ filledAt, tokens }: RateLimit, { rate }: RegistryLimit, now: number): number => {
  if (rate === undefined) return 0
  const passed = filledAt > now + LONGEST_STEP ? Number.POSITIVE_INFINITY : Math.max(0, now - filledAt)
  return Math.min(rate.burst, tokens + (passed * rate.perSecond) / 1_000)
}

/** Formats a time rounded up to whole seconds. */
const instantAfter = (millis: number): string => instant(Math.ceil(millis / 1_000) * 1_000)

/** When the rate admits a request that is queued now behind `ahead` others. */
export const admittedAt = (state: RateLimit, limit: RegistryLimit, ahead: number, now: number): number =>
  limit.rate === undefined
    ? now
    : now + Math.ceil((Math.max(0, ahead + 1 - levelAt(state, limit, now) - EPSILON) * 1_000) / limit.rate.perSecond)

/** The refusal of a request because the queue is too long. */
export const queueTooLong = (ahead: number, until: number): Refused => ({
  _tag: "Refused",
  until,
  why:
    ahead === 0
      ? `its limit allows the next request at ${instantAfter(until)}`
      : `its limit allows the next request at ${instantAfter(until)}; ${ahead === 1 ? "1 request is" : `${ahead} requests are`} queued before it`
})

/** Until when no request, or no pull, may be sent, and why. */
export const shortageOf = (
  state: RateLimit,
  now: number
): { readonly until: number; readonly why: string } | undefined => {
  if (isHeld(state, now)) return { until: state.heldUntil, why: describeHold(state) }
  const { quota } = state
  if (quota === undefined || quota.remaining > 0 || !isAhead(quota.askAgainAt, now)) return undefined
  return { until: quota.askAgainAt, why: describeUsedUp(quota, 0, quota.askAgainAt) }
}

const describeHold = ({ heldBy, heldUntil }: RateLimit): string =>
  heldBy === 429
    ? `rate limited by the registry; next request at ${instantAfter(heldUntil)}`
    : `the registry answered ${heldBy} and named a time to wait; next request at ${instantAfter(heldUntil)}`

const describeUsedUp = (quota: Quota, left: number, until: number): string =>
  `${describeQuota(quota, left)}; no more are made until ${instantAfter(until)}`

/** Pulls that Jobs will still make from a user's quota, which counts pulls from anywhere. */
const openPulls = ({ quota, reservations }: RateLimit): number =>
  quota !== undefined && isOfUser(quota)
    ? reservations.reduce((sum, { open, pulls }) => (open ? sum + pulls : sum), 0)
    : 0

/**
 * Reserves pulls for a Job, which reports nothing. A user's quota counts pulls from anywhere, and the registry's
 * answers to this process include the Job's pulls. A Job with another address has another quota. The remainder of that
 * quota is estimated from the registry's limit and the reservations.
 */
export const reserve = (state: RateLimit, id: number, pulls: number, now: number): RateLimit | Refused => {
  const next = { ...state, reservations: [...state.reservations, { id, at: now, pulls, open: true }] }
  const { quota } = state
  if (isHeld(state, now)) return { _tag: "Refused", until: state.heldUntil, why: describeHold(state) }
  if (quota === undefined || quota.counts !== "Pulls") return next
  // An image with more pulls than the registry's limit is tried once the whole quota is available.
  const needed = Math.min(pulls, quota.limit)
  const known = quota.remaining - state.pullsInFlight - openPulls(state)
  if (known < needed) {
    const until = quota.remaining <= 0 && isAhead(quota.askAgainAt, now) ? quota.askAgainAt : now + RECHECK
    return { _tag: "Refused", until, why: describeUsedUp(quota, known, until) }
  }
  if (isOfUser(quota)) return next
  const window = quota.windowMillis ?? LONGEST_HOLD
  const recent = state.reservations.filter(({ at }) => at + window > now)
  let left = quota.limit - recent.reduce((sum, taken) => sum + taken.pulls, 0)
  if (left >= needed) return { ...next, reservations: [...recent, { id, at: now, pulls, open: true }] }
  const estimated = left
  for (const { at, pulls: back } of recent) {
    left += back
    if (left < needed) continue
    const until = at + window
    return { _tag: "Refused", until, why: `an estimated ${describeUsedUp(quota, estimated, until)}` }
  }
  return next
}

/** Commits a reservation: the Job has ended. */
export const commit = (state: RateLimit, id: number): RateLimit => {
  const { quota } = state
  const own = state.reservations.find((reservation) => reservation.id === id)
  if (own === undefined) return state
  if (quota !== undefined && !isOfUser(quota)) {
    const reservations = state.reservations.map((one) => (one === own ? { ...own, open: false } : one))
    return { ...state, reservations }
  }
  // The registry's next answer corrects this number.
  const spent = quota === undefined ? undefined : { ...quota, remaining: Math.max(0, quota.remaining - own.pulls) }
  return { ...state, quota: spent, reservations: state.reservations.filter((one) => one !== own) }
}
