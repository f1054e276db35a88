/**
 * Decides when an Image is checked. The first rule with an answer decides. Every reconcile evaluates the rules with
 * the status and the clock, so the decision does not depend on a timer.
 *
 * Each Image has its own phase, a share of its interval that depends on its uid. Regular checks are made at that phase, so
 * that Images that were applied together are spread evenly from their second check on.
 */
import { millisOf } from "../../text/instant.ts"
import { conditionOf, type FailedCopy, type ImageHeader, openRequest } from "../Image.ts"
import type { Mirror } from "../Mirror.ts"
import { stableFraction } from "../stableFraction.ts"
import { needsNoCheck, nextAttemptOf, readyUntil } from "./failures.ts"

/** When an Image is reconciled next if no event comes before, and why. */
export type NextCheck =
  | { readonly _tag: "Never"; readonly why: "Suspended" | "Stalled" | "Done" | "AwaitingCopies" }
  | {
      readonly _tag: "At"
      /** Milliseconds since the epoch. */
      readonly millis: number
      /**
       * Two are not checks. `Deferred`: deferred copies are retried with the result of the last check. `NotReady`: the Image is
       * Ready no longer, because its checks have failed for too long.
       */
      readonly why: "Requested" | "Changed" | "Resumed" | "Retry" | "Interval" | "Deferred" | "NotReady"
    }

/** The input of the rules. */
export interface ScheduleFacts {
  readonly now: number
  readonly image: ImageHeader
  readonly mirror: Mirror
  /** Whether the result of the last check is in memory. */
  readonly remembered: boolean
  /** Tags whose copies wait, run, or depend on other copies. Their earlier failures cause no check. */
  readonly underWay: ReadonlySet<string>
  /**
   * When the operator began to reconcile Images, in milliseconds since the epoch. Checks that were due before are spread over
   * the time after it. By default nothing is spread.
   */
  readonly startedAt?: number | undefined
}

/** Decides when an Image is checked. `undefined` leaves the decision to the next rule. */
export type ScheduleRule = (facts: ScheduleFacts) => NextCheck | undefined

/** A suspended Image is not checked. */
const suspended: ScheduleRule = ({ mirror }) => (mirror.suspend ? { _tag: "Never", why: "Suspended" } : undefined)

/** A check that a user asks for is made at once, whatever else is due. */
const requested: ScheduleRule = ({ image, now }) =>
  openRequest(image) === undefined ? undefined : { _tag: "At", millis: now, why: "Requested" }

/**
 * A changed spec is checked at once. So is a spec that was Stalled and is accepted now. A remembered result is of an accepted
 * spec: all tags of such an Image are claimed.
 */
const changed: ScheduleRule = ({ image: { generation, status }, now, remembered }) => {
  const ready = conditionOf(status, "Ready")
  const isNew = ready === undefined || ready.observedGeneration !== generation
  const wasRefused = !remembered && conditionOf(status, "Stalled") !== undefined
  const isUnchecked = status.lastCheckedAt === undefined || wasRefused
  return isNew || (isUnchecked && status.checkFailure === undefined)
    ? { _tag: "At", millis: now, why: "Changed" }
    : undefined
}

/**
 * A failed check waits for its next attempt, whatever else is due. A restart neither loses nor advances the attempt. If the
 * Image is no longer Ready before the attempt, its status says so at that time.
 */
const checkRetry: ScheduleRule = (facts) => {
  const { image, mirror, now } = facts
  const { checkFailure } = image.status
  if (checkFailure === undefined) return undefined
  const millis = spread(nextAttemptOf(checkFailure, now), facts)
  const end = readyUntil(image, mirror, checkFailure) ?? millis
  return millis > now && end < millis
    ? { _tag: "At", millis: end, why: "NotReady" }
    : { _tag: "At", millis, why: "Retry" }
}

/** A tag that is copied once is never checked again. */
const done: ScheduleRule = (facts) =>
  !follows(facts) && !isReconciling(facts) && conditionOf(facts.image.status, "Ready")?.status === "True"
    ? { _tag: "Never", why: "Done" }
    : undefined

/**
 * If the status says Reconciling and the result is not in memory, an earlier process wrote the status. Copies that it began go
 * on at once, as those of a new Image do: users wait for them. If only retries were left, their times in the status decide.
 * Claimed tags are checked at once too: only the result of a check shows a change of their owner.
 */
const resumed: ScheduleRule = (facts) =>
  !facts.remembered && ((isReconciling(facts) && !hasOnlyRetries(facts)) || hasClaimedTags(facts))
    ? { _tag: "At", millis: facts.now, why: "Resumed" }
    : undefined

/** The earliest retry of a failed copy, unless the regular check comes before. */
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
  return { _tag: "At", millis: spread(millis, facts), why: isDeferred ? "Deferred" : "Retry" }
}

/** Without regular checks the end of a copy causes the next decision. */
const awaitingCopies: ScheduleRule = (facts) =>
  !follows(facts) && facts.underWay.size > 0 ? { _tag: "Never", why: "AwaitingCopies" } : undefined

/** Patterns and Recurrent Images are checked at their frequency. So is an Image with remaining tags. */
const interval = (facts: ScheduleFacts): NextCheck => ({ _tag: "At", millis: intervalEnd(facts), why: "Interval" })

/** All rules except the last, {@link interval}, which always decides. */
export const SCHEDULE_RULES: ReadonlyArray<ScheduleRule> = [
  suspended,
  requested,
  changed,
  checkRetry,
  done,
  resumed,
  copyRetry,
  awaitingCopies
]

/** When an Image is checked next: the answer of the first rule that gives one. */
export const nextCheck = (facts: ScheduleFacts): NextCheck => {
  for (const rule of SCHEDULE_RULES) {
    const next = rule(facts)
    if (next !== undefined) return next
  }
  return interval(facts)
}

/** Whether a check is due now. */
export const isCheckDue = (next: NextCheck, now: number): boolean =>
  next._tag === "At" && next.why !== "Deferred" && next.why !== "NotReady" && next.millis <= now

const follows = ({ mirror }: ScheduleFacts): boolean => mirror.mode === "Recurrent" || mirror.tags._tag === "Listed"

const hasClaimedTags = ({ image }: ScheduleFacts): boolean =>
  conditionOf(image.status, "Ready")?.reason === "DestinationClaimed"

const isReconciling = ({ image }: ScheduleFacts): boolean => conditionOf(image.status, "Reconciling") !== undefined

/** Whether the status names only copies that wait for a retry, so that no copy was under way when the status was written. */
const hasOnlyRetries = ({ image: { status } }: ScheduleFacts): boolean =>
  conditionOf(status, "Reconciling")?.reason !== "Copying" && (status.failures ?? []).length > 0

/** When the regular check is due. If the clock was set back, the check must not be far in the future. */
const intervalEnd = (facts: ScheduleFacts): number => {
  const { image, mirror, now } = facts
  const checked = millisOf(image.status.lastCheckedAt)
  if (checked > now) return now
  const { frequencyMillis } = mirror
  const earliest = checked + Math.max(ROUNDED_DOWN, frequencyMillis * SHORTEST_SHARE)
  return spread(nextPhase(earliest, frequencyMillis, image.uid), facts)
}

/**
 * The part of an interval that passes at least before the next regular check. A check that was not made at the Image's phase,
 * such as the first one, is followed by the next phase after this part. So an interval is never longer than 105 %, and each
 * interval between two regular checks is the frequency.
 */
const SHORTEST_SHARE = 0.05

/** A status has whole seconds: a check may have been made so much later than its time in the status. */
const ROUNDED_DOWN = 1_000

/** What was due while no operator ran is spread over this time, or over the Image's interval if that is shorter. */
const OVERDUE = 600_000

/** The time itself, or a later one if the time had passed before the operator began. */
const spread = (millis: number, { image, mirror, startedAt = millis }: ScheduleFacts): number =>
  millis < startedAt ? nextPhase(startedAt, Math.min(mirror.frequencyMillis, OVERDUE), image.uid) : millis

/** The first time, not before `earliest`, that is at an Image's phase in a period. */
const nextPhase = (earliest: number, period: number, uid: string): number => {
  const phase = Math.floor(stableFraction(uid) * period)
  return phase + Math.ceil((earliest - phase) / period) * period
}
