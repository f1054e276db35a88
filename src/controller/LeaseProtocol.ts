/**
 * Decides the next action of a process that takes part in a leader election. Pure. The rules are those of client-go's
 * leaderelection with three differences:
 *
 * - A leader counts its deadline from the time when it sent a renewal.
 * - A candidate wakes as soon as the lease of the holder expires.
 * - A candidate respects a deleted Lease until the lease would have expired.
 *
 * There is at most one leader at any time. A leader sends its last renewal at `s`, and the API server stores the renewal at
 * `w >= s`. The leader starts to stop at `s + renewMillis` at the latest, and has `leaseMillis - renewMillis` to stop. A
 * candidate reads the renewal at `o >= w`, and takes the Lease at `o + leaseMillis` at the earliest. The proof needs only
 * clocks of the same speed: a process never compares its clock with a time that another process wrote.
 */
import { Data, Option } from "effect"
import type { LeaseObject } from "../kube/Resources.ts"

/** In milliseconds. The values are client-go's defaults. */
export interface Timing {
  /** How long a candidate waits after the last change of the Lease that it read, before it takes the Lease. */
  readonly leaseMillis: number
  /** How long a leader leads after it sent its last renewal. */
  readonly renewMillis: number
  /** The pause between two attempts. Up to a fifth is added at random, so that candidates do not write at the same time. */
  readonly retryMillis: number
}

export const TIMING: Timing = { leaseMillis: 15_000, renewMillis: 10_000, retryMillis: 2_000 }

const JITTER = 0.2

/** The state of a process in the election. Times are milliseconds of a monotonic clock. */
export interface Candidacy {
  /** The unique name of this process. A restarted process of the same pod has another name. */
  readonly identity: string
  /** The last version of the Lease that this process read or wrote. */
  readonly seen?: Seen
  /** The end of this process's leadership unless it renews the Lease. Absent if this process does not lead. */
  readonly leadsUntil?: number
}

interface Seen {
  readonly lease: LeaseObject
  /** When this process first read or wrote this version of the Lease. */
  readonly since: number
}

/** The result of an action. `sentAt` is the time when the action's request was sent. */
export type Observation = Data.TaggedEnum<{
  /** A pause is over. */
  Woken: {}
  Read: { readonly lease: Option.Option<LeaseObject> }
  /** The API server stored a write of this process. */
  Written: { readonly lease: LeaseObject; readonly sentAt: number }
  /** The API server refused a write, because the Lease has changed since it was read. */
  Refused: { readonly sentAt: number }
  /** A read or a write got no answer or another error. The API server may have stored the write. */
  Failed: { readonly sentAt: number }
  /** The time `leadsUntil` has passed. */
  Expired: {}
}>
export const Observation = Data.taggedEnum<Observation>()

export type Action = Data.TaggedEnum<{
  Pause: { readonly until: number }
  Read: {}
  /** Create the Lease with this process as the holder. */
  Create: {}
  /** Write this process as the holder into this version of the Lease. The write takes or renews the Lease. */
  Hold: { readonly lease: LeaseObject }
}>
export const Action = Data.taggedEnum<Action>()

export interface Step {
  readonly candidacy: Candidacy
  readonly action: Action
}

/** The time of a step, and its random number. */
export interface Moment {
  readonly now: number
  /** In [0, 1). */
  readonly random: number
  readonly timing: Timing
}

export const isLeading = ({ leadsUntil }: Candidacy): boolean => leadsUntil !== undefined

export const holderOf = ({ spec }: LeaseObject): string => spec?.holderIdentity ?? ""

/** One step of a candidate. The first observation of a process is `Woken`. */
export const step = (candidacy: Candidacy, observation: Observation, moment: Moment): Step => {
  switch (observation._tag) {
    case "Woken":
      return candidacy.seen !== undefined && isLeading(candidacy)
        ? { candidacy, action: Action.Hold({ lease: candidacy.seen.lease }) }
        : { candidacy, action: Action.Read() }
    case "Read":
      return Option.match(observation.lease, {
        onNone: () => afterNone(candidacy, moment),
        onSome: (lease) => afterRead(candidacy, lease, moment)
      })
    case "Written":
      return afterWritten(candidacy, observation, moment)
    case "Refused":
      // A leader reads the Lease at once, because another process may hold it. A candidate pauses, because another
      // candidate has just taken the Lease.
      return isLeading(candidacy)
        ? { candidacy, action: Action.Read() }
        : { candidacy, action: retryAfter(observation.sentAt, moment) }
    case "Failed":
      return { candidacy, action: retryAfter(observation.sentAt, moment) }
    case "Expired":
      return { candidacy: withoutLead(candidacy), action: retryAfter(moment.now, moment) }
  }
}

const afterWritten = (
  candidacy: Candidacy,
  { lease, sentAt }: Extract<Observation, { readonly _tag: "Written" }>,
  moment: Moment
): Step => {
  const leadsUntil = sentAt + moment.timing.renewMillis
  const known = { ...withoutLead(candidacy), seen: { lease, since: moment.now } }
  return {
    // A renewal whose answer comes after the deadline does not extend the leadership, because the work already stops.
    candidacy: leadsUntil > moment.now ? { ...known, leadsUntil } : known,
    action: retryAfter(sentAt, moment)
  }
}

const afterNone = (candidacy: Candidacy, moment: Moment): Step => {
  const { seen } = candidacy
  // The holder of a deleted Lease leads until its next renewal, and then creates the Lease again.
  if (!isLeading(candidacy) && seen !== undefined && isHeldByAnother(candidacy, seen, moment)) {
    return { candidacy, action: awaitExpiry(seen, moment) }
  }
  return { candidacy, action: Action.Create() }
}

const afterRead = (before: Candidacy, lease: LeaseObject, moment: Moment): Step => {
  const isKnown = before.seen !== undefined && isSameVersion(before.seen.lease, lease)
  const seen = isKnown ? before.seen : { lease, since: moment.now }
  const isOurs = holderOf(lease) === before.identity
  // A leader stops if the Lease has another holder or no holder, because another client wrote that Lease.
  const candidacy = { ...(isOurs ? before : withoutLead(before)), seen }
  return isHeldByAnother(candidacy, seen, moment)
    ? { candidacy, action: awaitExpiry(seen, moment) }
    : { candidacy, action: Action.Hold({ lease }) }
}

const isHeldByAnother = ({ identity }: Candidacy, seen: Seen, moment: Moment): boolean => {
  const holder = holderOf(seen.lease)
  return holder !== "" && holder !== identity && moment.now < expiryOf(seen, moment)
}

/** The expiry of a lease. The holder's own duration counts, because another version of the operator may use another one. */
const expiryOf = ({ lease, since }: Seen, { timing }: Moment): number =>
  since + (lease.spec?.leaseDurationSeconds ?? timing.leaseMillis / 1_000) * 1_000

const pauseOf = ({ random, timing }: Moment): number => Math.round(timing.retryMillis * (1 + JITTER * random))

const retryAfter = (sentAt: number, moment: Moment): Action =>
  Action.Pause({ until: Math.max(moment.now, sentAt + pauseOf(moment)) })

const awaitExpiry = (seen: Seen, moment: Moment): Action =>
  Action.Pause({ until: Math.min(moment.now + pauseOf(moment), expiryOf(seen, moment)) })

const withoutLead = ({ identity, seen }: Candidacy): Candidacy => ({
  identity,
  ...(seen === undefined ? {} : { seen })
})

const isSameVersion = (a: LeaseObject, b: LeaseObject): boolean =>
  a.metadata.uid === b.metadata.uid && a.metadata.resourceVersion === b.metadata.resourceVersion

type LeaseSpec = NonNullable<LeaseObject["spec"]>

/** The spec that a holder writes, over an existing Lease or into a new one. People read the times; no process compares them. */
export const heldSpec = (
  identity: string,
  lease: Option.Option<LeaseObject>,
  wallMillis: number,
  timing: Timing
): LeaseSpec => {
  const before = Option.getOrUndefined(lease)
  const renewTime = microTime(wallMillis)
  const isRenewal = before !== undefined && holderOf(before) === identity
  const transitions = before?.spec?.leaseTransitions ?? 0
  return {
    holderIdentity: identity,
    leaseDurationSeconds: timing.leaseMillis / 1_000,
    acquireTime: isRenewal ? (before.spec?.acquireTime ?? renewTime) : renewTime,
    renewTime,
    leaseTransitions: before === undefined || isRenewal ? transitions : transitions + 1
  }
}

/** The spec that a leader writes when it stops. Any candidate may take a Lease with this spec at once. */
export const releasedSpec = ({ spec }: LeaseObject, wallMillis: number): LeaseSpec => {
  const at = microTime(wallMillis)
  return {
    holderIdentity: "",
    // The API server refuses a duration of 0.
    leaseDurationSeconds: 1,
    acquireTime: at,
    renewTime: at,
    leaseTransitions: spec?.leaseTransitions ?? 0
  }
}

/** A time in Kubernetes' MicroTime format. The API server refuses fractions of a second with fewer than six digits. */
const microTime = (millis: number): string => new Date(millis).toISOString().replace("Z", "000Z")
