/**
 * What a candidate does next to lead, or to go on leading: a pure function of what the candidate knows of the Lease. The rules
 * are those of client-go's leaderelection, with these differences: the leader counts its deadline from the moment a renewal was sent, a
 * candidate whose wait ends with the lease wakes then, and a Lease that was deleted is respected as long as it would have lasted.
 *
 * Why there is one leader at most: a leader's last renewal was sent at `s` and reached the API server at `w >= s`. The leader
 * stops at `s + renewMillis` at the latest, and has {@link Timing.leaseMillis} - `renewMillis` for that. A candidate sees that
 * renewal at `o >= w`, and takes the Lease at `o + leaseMillis` at the earliest. The clocks of both need only run at the same
 * speed: no time that another machine has written is ever compared.
 */
import { Data, Option } from "effect"
import type { LeaseObject } from "../kube/Resources.ts"

/** In milliseconds. The values are client-go's defaults. */
export interface Timing {
  /** How long a candidate leaves a Lease to its holder after the last change that the candidate has seen. */
  readonly leaseMillis: number
  /** How long a leader leads after its last renewal was sent. */
  readonly renewMillis: number
  /** From one attempt to the next, and up to a fifth more: candidates that started together do not stay together. */
  readonly retryMillis: number
}

export const TIMING: Timing = { leaseMillis: 15_000, renewMillis: 10_000, retryMillis: 2_000 }

const JITTER = 0.2

/** What a process knows. Times are milliseconds of a clock that only goes forward. */
export interface Candidacy {
  /** Tells this process from all others, earlier ones of the same pod included. */
  readonly identity: string
  /** The Lease as it was last seen, and when this version of it was seen first. */
  readonly seen?: Seen
  /** Until when this process leads, unless it renews; absent if it does not lead. */
  readonly leadsUntil?: number
}

interface Seen {
  readonly lease: LeaseObject
  readonly since: number
}

export type Observation = Data.TaggedEnum<{
  /** A pause is over. */
  Woken: {}
  Read: { readonly lease: Option.Option<LeaseObject> }
  /** A write of this process was carried out; the request was sent at `sentAt`. */
  Written: { readonly lease: LeaseObject; readonly sentAt: number }
  /** A write was not carried out: the Lease is not what it was when it was read. */
  Refused: { readonly sentAt: number }
  /** A read or a write had no answer or another error. A write may have been carried out. */
  Failed: { readonly sentAt: number }
  /** `leadsUntil` has come. */
  Expired: {}
}>
export const Observation = Data.taggedEnum<Observation>()

export type Action = Data.TaggedEnum<{
  Pause: { readonly until: number }
  Read: {}
  /** Make the Lease, with this process as its holder. */
  Create: {}
  /** Write this process into this version of the Lease as its holder: to take it, or to renew it. */
  Hold: { readonly lease: LeaseObject }
}>
export const Action = Data.taggedEnum<Action>()

export interface Step {
  readonly candidacy: Candidacy
  readonly action: Action
}

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
      // A leader has to know at once who holds the Lease. A candidate has lost a race, and the winner has just begun.
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
    // An answer that comes after the deadline finds the work ended, or about to be.
    candidacy: leadsUntil > moment.now ? { ...known, leadsUntil } : known,
    action: retryAfter(sentAt, moment)
  }
}

const afterNone = (candidacy: Candidacy, moment: Moment): Step => {
  const { seen } = candidacy
  // The holder of the Lease that was deleted leads on until its next renewal, and makes the Lease again.
  if (!isLeading(candidacy) && seen !== undefined && isHeldByAnother(candidacy, seen, moment)) {
    return { candidacy, action: awaitExpiry(seen, moment) }
  }
  return { candidacy, action: Action.Create() }
}

const afterRead = (before: Candidacy, lease: LeaseObject, moment: Moment): Step => {
  const isKnown = before.seen !== undefined && isSameVersion(before.seen.lease, lease)
  const seen = isKnown ? before.seen : { lease, since: moment.now }
  const isOurs = holderOf(lease) === before.identity
  // Another name in the Lease, or none, ends the lead: this process has written neither.
  const candidacy = { ...(isOurs ? before : withoutLead(before)), seen }
  return isHeldByAnother(candidacy, seen, moment)
    ? { candidacy, action: awaitExpiry(seen, moment) }
    : { candidacy, action: Action.Hold({ lease }) }
}

const isHeldByAnother = ({ identity }: Candidacy, seen: Seen, moment: Moment): boolean => {
  const holder = holderOf(seen.lease)
  return holder !== "" && holder !== identity && moment.now < expiryOf(seen, moment)
}

/** The holder's own promise counts: another version of this program may promise another time. */
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

/** What a holder writes over a Lease, or into a new one. `wallMillis` is for people: milliseconds since the epoch. */
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

/** What a holder writes that needs the Lease no longer: any candidate may take the Lease at once. */
export const releasedSpec = ({ spec }: LeaseObject, wallMillis: number): LeaseSpec => {
  const at = microTime(wallMillis)
  return {
    holderIdentity: "",
    // The API server refuses 0.
    leaseDurationSeconds: 1,
    acquireTime: at,
    renewTime: at,
    leaseTransitions: spec?.leaseTransitions ?? 0
  }
}

/** Kubernetes' MicroTime, which has six digits and is refused with three. */
const microTime = (millis: number): string => new Date(millis).toISOString().replace("Z", "000Z")
