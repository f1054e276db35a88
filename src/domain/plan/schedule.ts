/**
 * When an Image is checked: rules in order, of which the first that speaks decides. They are asked at every reconcile with
 * the status and the clock, so that no timer has to be trusted.
 */
import { Hash } from "effect"
import { millisOf } from "../../text/instant.ts"
import { conditionOf, type FailedCopy, type ImageHeader } from "../Image.ts"
import type { Mirror } from "../Mirror.ts"
import { needsNoCheck, nextAttemptOf } from "./failures.ts"

/** When an Image is reconciled next if nothing happens before, and why. */
export type NextCheck =
  | { readonly _tag: "Never"; readonly why: "Suspended" | "Stalled" | "Done" | "AwaitingCopies" }
  | {
      readonly _tag: "At"
      /** Milliseconds since the epoch. */
      readonly millis: number
      /** `Deferred` is no check: copies that were deferred are tried again on what the last check found. */
      readonly why: "Changed" | "Resumed" | "Retry" | "Interval" | "Deferred"
    }

/** What the rules read. */
export interface ScheduleFacts {
  readonly now: number
  readonly image: ImageHeader
  readonly mirror: Mirror
  /** Whether what the last check found is remembered. */
  readonly remembered: boolean
  /** Tags whose copies wait or run, or come after those of others: their earlier failures ask for no check. */
  readonly underWay: ReadonlySet<string>
}

/** Says when an Image is checked, or leaves that to the next rule. */
export type ScheduleRule = (facts: ScheduleFacts) => NextCheck | undefined

/** A suspended Image asks nothing of anybody. */
const suspended: ScheduleRule = ({ mirror }) => (mirror.suspend ? { _tag: "Never", why: "Suspended" } : undefined)

/** A spec that has not been checked is checked at once; so is one that was Stalled and is accepted now. */
const changed: ScheduleRule = ({ image: { generation, status }, now }) => {
  const ready = conditionOf(status, "Ready")
  const isNew = ready === undefined || ready.observedGeneration !== generation
  const isUnchecked = status.lastCheckedAt === undefined || conditionOf(status, "Stalled") !== undefined
  return isNew || (isUnchecked && status.checkFailure === undefined)
    ? { _tag: "At", millis: now, why: "Changed" }
    : undefined
}

/** A check that failed waits for its time, whatever else is due: a restart neither forgets nor hurries it. */
const checkRetry: ScheduleRule = ({ image: { status }, now }) =>
  status.checkFailure && { _tag: "At", millis: nextAttemptOf(status.checkFailure, now), why: "Retry" }

/** A tag that is copied once is never checked again. */
const done: ScheduleRule = (facts) =>
  !follows(facts) && !isReconciling(facts) && conditionOf(facts.image.status, "Ready")?.status === "True"
    ? { _tag: "Never", why: "Done" }
    : undefined

/** What is under way is known to one process only: a status that speaks of it was written by another. */
const resumed: ScheduleRule = (facts) =>
  isReconciling(facts) && !facts.remembered ? { _tag: "At", millis: facts.now, why: "Resumed" } : undefined

/** The first failed copy whose time comes, unless the regular check comes before it. */
const copyRetry: ScheduleRule = (facts) => {
  const { image, mirror, now, remembered, underWay } = facts
  const failures = (image.status.failures ?? []).filter((failure) => !underWay.has(failure.tag))
  if (failures.length === 0) return undefined
  const earliest = (some: ReadonlyArray<FailedCopy>): number =>
    Math.min(...some.map((failure) => nextAttemptOf(failure, now)))
  const deferred = earliest(failures.filter((failure) => needsNoCheck(mirror, failure)))
  const asking = earliest(failures.filter((failure) => !needsNoCheck(mirror, failure)))
  const millis = Math.min(deferred, asking)
  if (follows(facts) && millis >= intervalEnd(facts)) return undefined
  const isDeferred = remembered && deferred < asking && now < asking
  return { _tag: "At", millis, why: isDeferred ? "Deferred" : "Retry" }
}

/** Where nothing is checked regularly, the end of a copy asks for the next decision. */
const awaitingCopies: ScheduleRule = (facts) =>
  !follows(facts) && facts.underWay.size > 0 ? { _tag: "Never", why: "AwaitingCopies" } : undefined

/** Patterns and Recurrent Images are checked at their frequency; so is an Image that still misses something. */
const interval = (facts: ScheduleFacts): NextCheck => ({ _tag: "At", millis: intervalEnd(facts), why: "Interval" })

/** Every rule but the last, {@link interval}, which always speaks. */
export const SCHEDULE_RULES: ReadonlyArray<ScheduleRule> = [
  suspended,
  changed,
  checkRetry,
  done,
  resumed,
  copyRetry,
  awaitingCopies
]

/** When an Image is to be checked: what the first rule says that speaks. */
export const nextCheck = (facts: ScheduleFacts): NextCheck => {
  for (const rule of SCHEDULE_RULES) {
    const next = rule(facts)
    if (next !== undefined) return next
  }
  return interval(facts)
}

/** Whether the registries are to be asked now. */
export const isCheckDue = (next: NextCheck, now: number): boolean =>
  next._tag === "At" && next.why !== "Deferred" && next.millis <= now

const follows = ({ mirror }: ScheduleFacts): boolean => mirror.mode === "Recurrent" || mirror.tags._tag === "Listed"

const isReconciling = ({ image }: ScheduleFacts): boolean => conditionOf(image.status, "Reconciling") !== undefined

/** When the regular check is due. A clock that was set back must not put it out of reach. */
const intervalEnd = ({ image, mirror, now }: ScheduleFacts): number => {
  const checked = millisOf(image.status.lastCheckedAt)
  return checked > now ? now : checked + spread(mirror.frequencyMillis, image.uid)
}

/** Up to 5 % on top of an interval, by the Image's uid: always the same, and spread over Images. */
const spread = (millis: number, uid: string): number =>
  millis + Math.floor(millis * ((Math.abs(Hash.string(uid)) % 500) / 10_000))
