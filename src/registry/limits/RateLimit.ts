/**
 * What is known of one registry's budget, and what follows from it. Pure: {@link judge} says whether a request may go,
 * {@link sent} and {@link answered} keep the account. There is one for each registry and credential.
 */
import { instant } from "../../text/instant.ts"
import { type Asked, describeQuota, type Head, isCounted, isOfUser, type Quota, quotaAfter, RECHECK } from "./Quota.ts"
import type { RegistryLimit } from "./RegistryLimits.ts"
import { retryAfterMillis } from "./RetryAfter.ts"

export interface BudgetState {
  /** The token bucket's level at a time. */
  readonly tokens: number
  readonly filledAt: number
  readonly inFlight: number
  /** Of those, the ones that a quota of pulls counts. */
  readonly pullsInFlight: number
  /** Nothing is sent before. */
  readonly heldUntil: number
  /** The status that it was told to wait with. */
  readonly heldBy: number
  /** Refusals in a row. Until a request is answered well, one goes at a time. */
  readonly refusals: number
  /** When that one was sent. */
  readonly probedAt: number
  readonly quota: Quota | undefined
  /** Whether an answer about a manifest has come: only then does the lack of a quota mean that there is none. */
  readonly heardOfManifests: boolean
  /** Pulls that others make, Jobs, from this budget. */
  readonly promises: ReadonlyArray<Promised>
}

export interface Promised {
  readonly id: number
  readonly at: number
  readonly pulls: number
  /** Whether they may not all have been made yet. */
  readonly open: boolean
}

/** A request under way. */
export interface Ticket {
  readonly asked: Asked
  readonly sentAt: number
}

export interface Refused {
  readonly _tag: "Refused"
  readonly until: number
  /** To be read after the registry's name. */
  readonly why: string
}

export type Verdict =
  | { readonly _tag: "Go" }
  /** To be asked again then, or when something has been answered. */
  | { readonly _tag: "Later"; readonly at: number }
  /** Too long to wait for within a request. */
  | Refused

/** A hold that is no longer than this is waited for within the request. */
export const PATIENCE = 5_000
/** A Retry-After of zero, or of microseconds, must not make a loop. */
const SHORTEST_HOLD = 1_000
/** Docker Hub's window is the longest there is; a registry that names more time has slipped. */
const LONGEST_HOLD = 6 * 3_600_000
/** A refusal that names no time is believed for a second, doubled each time up to this. */
const LONGEST_GUESS = 15 * 60_000
/** How long a lone request after a refusal keeps the others back. */
const PROBE = 5_000
const NEVER = Number.NEGATIVE_INFINITY
/** A clock that is corrected may step back a little; one that was set back by more says nothing of what has passed. */
const LONGEST_STEP = 60_000
/** What divisions leave of a token. */
const EPSILON = 1e-9

const GO: Verdict = { _tag: "Go" }
const ONCE_ANSWERED: Verdict = { _tag: "Later", at: Number.POSITIVE_INFINITY }

export const initial = (limit: RegistryLimit, now: number): BudgetState => ({
  tokens: limit.rate?.burst ?? 0,
  filledAt: now,
  inFlight: 0,
  pullsInFlight: 0,
  heldUntil: 0,
  heldBy: 0,
  refusals: 0,
  probedAt: NEVER,
  quota: undefined,
  heardOfManifests: false,
  promises: []
})

/** Whether a request may be sent now. */
export const judge = (state: BudgetState, limit: RegistryLimit, asked: Asked, now: number): Verdict => {
  if (isHeld(state, now)) return waitUntil(state.heldUntil, describeHold(state), now)
  const quota = judgeQuota(state, asked, now)
  if (quota._tag !== "Go") return quota
  if (limit.concurrent !== undefined && state.inFlight >= limit.concurrent) return ONCE_ANSWERED
  if (state.refusals > 0 && state.probedAt <= now && state.probedAt + PROBE > now) {
    return { _tag: "Later", at: state.probedAt + PROBE }
  }
  if (limit.rate === undefined) return GO
  const missing = 1 - levelAt(state, limit, now)
  return missing <= EPSILON ? GO : { _tag: "Later", at: now + Math.ceil((missing * 1_000) / limit.rate.perSecond) }
}

const judgeQuota = (state: BudgetState, asked: Asked, now: number): Verdict => {
  const { quota } = state
  if (quota === undefined || !isCounted(quota, asked)) return GO
  const underWay = quota.counts === "Pulls" ? state.pullsInFlight : state.inFlight
  if (quota.remaining <= 0 && isAhead(quota.askAgainAt, now)) {
    return waitUntil(quota.askAgainAt, describeUsedUp(quota, 0, quota.askAgainAt), now)
  }
  // What is under way may be the last, or find out whether there is something left again.
  return underWay > 0 && underWay + openPulls(state) >= quota.remaining ? ONCE_ANSWERED : GO
}

/** A request goes. */
export const sent = (state: BudgetState, limit: RegistryLimit, asked: Asked, now: number): BudgetState => ({
  ...state,
  tokens: limit.rate === undefined ? 0 : levelAt(state, limit, now) - 1,
  filledAt: now,
  inFlight: state.inFlight + 1,
  pullsInFlight: state.pullsInFlight + (asked === "Pull" ? 1 : 0),
  probedAt: state.refusals > 0 ? now : NEVER
})

/** A request was answered, or came to nothing. */
export const answered = (state: BudgetState, ticket: Ticket, head: Head | undefined, now: number): BudgetState => {
  const landed: BudgetState = {
    ...state,
    inFlight: state.inFlight - 1,
    pullsInFlight: state.pullsInFlight - (ticket.asked === "Pull" ? 1 : 0)
  }
  return head === undefined ? landed : heard(landed, ticket, head, now)
}

const heard = (before: BudgetState, ticket: Ticket, head: Head, now: number): BudgetState => {
  const { headers, status } = head
  const quota = quotaAfter(ticket.asked, head, before.quota, now)
  const state: BudgetState = {
    ...before,
    quota,
    heardOfManifests: before.heardOfManifests || (ticket.asked !== "Other" && status < 400)
  }
  const named = status === 429 || status >= 500 ? retryAfterMillis(headers["retry-after"], now) : undefined
  if (status !== 429 && named === undefined) {
    // An answer to what was sent before a refusal does not take that back.
    return status >= 500 || ticket.sentAt < state.heldUntil ? state : { ...state, refusals: 0 }
  }
  const until = named === undefined ? undefined : now + Math.min(LONGEST_HOLD, Math.max(SHORTEST_HOLD, named))
  // A quota of pulls that is used up holds back pulls alone.
  if (status === 429 && quota?.counts === "Pulls" && quota.remaining <= 0) {
    return { ...state, quota: until === undefined ? quota : { ...quota, askAgainAt: until } }
  }
  // Requests that were under way together are refused together: that is one refusal, with the longest of its times.
  if (isHeld(state, now)) return { ...state, heldUntil: Math.max(state.heldUntil, until ?? 0) }
  const guess = Math.min(LONGEST_GUESS, SHORTEST_HOLD * 2 ** Math.min(state.refusals, 20))
  return { ...state, refusals: state.refusals + 1, probedAt: NEVER, heldBy: status, heldUntil: until ?? now + guess }
}

/** What holds requests back does so for longer, if it was said in words: those are read after the answer. */
export const holdLonger = (state: BudgetState, millis: number, now: number): BudgetState =>
  isHeld(state, now) ? { ...state, heldUntil: Math.max(state.heldUntil, now + Math.min(LONGEST_HOLD, millis)) } : state

/** Whether nothing is sent at a time. */
export const isHeld = ({ heldUntil }: BudgetState, now: number): boolean => isAhead(heldUntil, now)

/** A time past any wait is from before the clock was set back. */
const isAhead = (time: number, now: number): boolean => time > now && time <= now + LONGEST_HOLD

const waitUntil = (until: number, why: string, now: number): Verdict =>
  until - now <= PATIENCE ? { _tag: "Later", at: until } : { _tag: "Refused", until, why }

const levelAt = ({ filledAt, tokens }: BudgetState, { rate }: RegistryLimit, now: number): number => {
  if (rate === undefined) return 0
  const passed = filledAt > now + LONGEST_STEP ? Number.POSITIVE_INFINITY : Math.max(0, now - filledAt)
  return Math.min(rate.burst, tokens + (passed * rate.perSecond) / 1_000)
}

/** Whole seconds, and none too early. */
const instantAfter = (millis: number): string => instant(Math.ceil(millis / 1_000) * 1_000)

/** When a request that comes now may go by the rate alone, behind others that wait. */
export const turnAfter = (state: BudgetState, limit: RegistryLimit, ahead: number, now: number): number =>
  limit.rate === undefined
    ? now
    : now + Math.ceil((Math.max(0, ahead + 1 - levelAt(state, limit, now) - EPSILON) * 1_000) / limit.rate.perSecond)

/** That the turn of a request is too far away, behind others that wait. */
export const tooFar = (ahead: number, until: number): Refused => ({
  _tag: "Refused",
  until,
  why:
    ahead === 0
      ? `its limit allows the next request at ${instantAfter(until)}`
      : `its limit allows the next request at ${instantAfter(until)}, for ${ahead} wait already`
})

/** Until when nothing more may be asked for, or no more pulls, and why. */
export const shortageOf = (
  state: BudgetState,
  now: number
): { readonly until: number; readonly why: string } | undefined => {
  if (isHeld(state, now)) return { until: state.heldUntil, why: describeHold(state) }
  const { quota } = state
  if (quota === undefined || quota.remaining > 0 || !isAhead(quota.askAgainAt, now)) return undefined
  return { until: quota.askAgainAt, why: describeUsedUp(quota, 0, quota.askAgainAt) }
}

const describeHold = ({ heldBy, heldUntil }: BudgetState): string =>
  heldBy === 429
    ? `the registry limits how often it may be asked; it is left alone until ${instantAfter(heldUntil)}`
    : `the registry answered ${heldBy} and asked to be left alone, until ${instantAfter(heldUntil)}`

const describeUsedUp = (quota: Quota, left: number, until: number): string =>
  `${describeQuota(quota, left)}; no more are made until ${instantAfter(until)}`

/** Pulls that others are going to make: those of a user are the user's wherever they come from. */
const openPulls = ({ promises, quota }: BudgetState): number =>
  quota !== undefined && isOfUser(quota) ? promises.reduce((sum, { open, pulls }) => (open ? sum + pulls : sum), 0) : 0

/**
 * Takes pulls that somebody else is going to make, a Job, which reports nothing. A user's quota is the user's wherever
 * the pulls come from, and the registry's answers to this process tell of them. An address's is another one in a Job:
 * what is left of that is estimated, from the registry's limit and what was taken.
 */
export const promise = (state: BudgetState, id: number, pulls: number, now: number): BudgetState | Refused => {
  const next = { ...state, promises: [...state.promises, { id, at: now, pulls, open: true }] }
  const { quota } = state
  if (isHeld(state, now)) return { _tag: "Refused", until: state.heldUntil, why: describeHold(state) }
  if (quota === undefined || quota.counts !== "Pulls") return next
  // What is more than the registry ever allows is tried when all of it is there.
  const needed = Math.min(pulls, quota.limit)
  const known = quota.remaining - state.pullsInFlight - openPulls(state)
  if (known < needed) {
    const until = quota.remaining <= 0 && isAhead(quota.askAgainAt, now) ? quota.askAgainAt : now + RECHECK
    return { _tag: "Refused", until, why: describeUsedUp(quota, known, until) }
  }
  if (isOfUser(quota)) return next
  const window = quota.windowMillis ?? LONGEST_HOLD
  const recent = state.promises.filter(({ at }) => at + window > now)
  let left = quota.limit - recent.reduce((sum, taken) => sum + taken.pulls, 0)
  if (left >= needed) return { ...next, promises: [...recent, { id, at: now, pulls, open: true }] }
  const estimated = left
  for (const { at, pulls: back } of recent) {
    left += back
    if (left < needed) continue
    const until = at + window
    return { _tag: "Refused", until, why: `an estimated ${describeUsedUp(quota, estimated, until)}` }
  }
  return next
}

/** The pulls have been made, or will not be. */
export const settle = (state: BudgetState, id: number): BudgetState => {
  const { quota } = state
  const own = state.promises.find((promised) => promised.id === id)
  if (own === undefined) return state
  if (quota !== undefined && !isOfUser(quota)) {
    const promises = state.promises.map((promised) => (promised === own ? { ...own, open: false } : promised))
    return { ...state, promises }
  }
  // Until an answer says so.
  const spent = quota === undefined ? undefined : { ...quota, remaining: Math.max(0, quota.remaining - own.pulls) }
  return { ...state, quota: spent, promises: state.promises.filter((promised) => promised !== own) }
}
