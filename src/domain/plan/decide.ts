/**
 * The decision of a reconcile: the copies to start, cancel and release, the status, and the time of the next check.
 * Pure: a reconcile gathers the input before, and carries the decision out afterwards.
 */
import { instant } from "../../text/instant.ts"
import { type Copy, type CopyTask, isFinished } from "../Copy.ts"
import {
  type Condition,
  conditionOf,
  type FailedCopy,
  type ImageHeader,
  type ImageStatus,
  openRequest,
  type PerformedCopy
} from "../Image.ts"
import { formatProblem } from "../Problem.ts"
import {
  conditionsOf,
  type Facts,
  stalled,
  standingWarnings,
  type Statement,
  statementsOf,
  statementsOfWarnings
} from "./conditions.ts"
import { claimedOnly, NO_CLAIMS, withClaims } from "./claims.ts"
import { goingOn, plannedCopies, startCopies } from "./copies.ts"
import {
  activeCopies,
  arrivedDigest,
  type Blocked,
  type Checked,
  type Claimed,
  type Gathered,
  type Invalid,
  missingCompanions,
  type Observed,
  obsoleteCopies,
  ownCopies,
  type Refused,
  remainingTags,
  type Unobserved,
  waitingForOthers,
  withArrivals
} from "./facts.ts"
import { digestOf, failedCheck, failuresAfter, isRefused, isRetried, retriedNow } from "./failures.ts"
import { nextCheck, type NextCheck } from "./schedule.ts"
import { historyOf, planOf, statusOf, unrecorded, withOutcome } from "./status.ts"

/** The result of {@link decide}. A reconcile carries it out in this order: cancel, status, release, start. */
export interface Decision {
  readonly cancel: ReadonlyArray<Copy>
  readonly status: ImageStatus
  /** Copies whose outcome is in `status`, which the engine may drop. */
  readonly release: ReadonlyArray<Copy>
  /** Every copy that should be under way, including the running ones. An engine starts no copy twice. */
  readonly start: ReadonlyArray<CopyTask>
  readonly next: NextCheck
  /** The result of the last check, updated by finished copies, to be remembered. `undefined` if no tag remains. */
  readonly observed: Observed | undefined
}

/** The shortest pause before the next check. A time in the past would cause a busy loop. */
const SHORTEST_PAUSE = 1_000

/**
 * Decides for one Image. The same input gives the same decision. After a decision is carried out, the next decision
 * changes nothing, so a reconcile without changes writes nothing.
 *
 * @param now milliseconds of the Clock since the epoch
 *
 * @example
 * ```ts
 * const { start } = decide(image, { _tag: "Observed", mirror, observed, fresh: true, copies: [], tlsVerify }, now)
 * ```
 */
export const decide = (image: ImageHeader, gathered: Gathered, now: number): Decision => {
  if (gathered._tag !== "Invalid" && gathered.mirror.suspend) return suspend(image, gathered, now)
  const known = inSyncUntilChange(image, now)
  switch (gathered._tag) {
    case "Invalid":
      return refuseSpec(known, gathered, now)
    case "Refused":
      return refuseByPolicy(known, gathered, now)
    case "Claimed":
      return yieldToOwner(known, gathered, now)
    case "Blocked":
      return retryCheck(known, gathered, now)
    case "Unobserved":
      // Without a check the status has no statement about a new spec.
      return rest(image, gathered, now)
    case "Observed":
      return pursue(known, gathered, now)
  }
}

const isCopied = ({ reason, type }: Pick<Condition, "reason" | "type">): boolean =>
  type === "Ready" && reason === "Copied"

/**
 * An Image that was in sync counts as in sync until its spec changed. The operator may have made no check for months: after the
 * copy of a OneShot version, or while the Image was suspended. The age of the Image would be those months until the new spec is
 * copied.
 */
const inSyncUntilChange = (image: ImageHeader, now: number): ImageHeader => {
  const { generation, status } = image
  const { checkFailure, conditions = [] } = status
  const ready = conditions.find(isCopied)
  const hasChanged = ready !== undefined && ready.observedGeneration !== generation && checkFailure === undefined
  return hasChanged ? { ...image, status: { ...status, lastInSyncAt: instant(now) } } : image
}

/** An invalid Image gets no copies. */
const refuseSpec = (image: ImageHeader, { copies, problems }: Invalid, now: number): Decision => {
  const statements = stalled(problems[0]?.reason ?? "InvalidSpec", problems.map(formatProblem).join("; "))
  return refuse(image, copies, image.status, statements, now)
}

/**
 * An Image that the policy does not accept gets no copies. Its failed copies are of no interest: the Image begins anew when the
 * policy accepts the Image.
 */
const refuseByPolicy = (image: ImageHeader, gathered: Refused, now: number): Decision => {
  const { failures: _, ...before } = recorded(image, gathered, now).status
  return refuse(image, gathered.copies, before, stalled("PolicyRefused", gathered.message), now)
}

const refuse = (
  image: ImageHeader,
  copies: ReadonlyArray<Copy>,
  before: ImageStatus,
  statements: ReadonlyArray<Statement>,
  now: number
): Decision => {
  const { checkFailure: _, plan: __, ...status } = before
  return {
    ...NOTHING,
    cancel: activeCopies(copies),
    release: copies.filter(isFinished),
    status: {
      ...status,
      ...answerOf(image),
      observedGeneration: image.generation,
      conditions: conditionsOf(statements, status, image.generation, now)
    },
    next: { _tag: "Never", why: "Stalled" }
  }
}

/**
 * An Image whose only tag is claimed gets no copies, and no time of a check: the tag is free only after a change of its owner.
 * Its failed copies are of no interest until then.
 */
const yieldToOwner = (image: ImageHeader, gathered: Claimed, now: number): Decision => {
  const { claims, copies, mirror } = gathered
  const { generation } = image
  const observed = claimedOnly(generation, claims)
  const remaining = observed.tags
  const { status: before } = recorded(image, gathered, now)
  const { checkFailure: _, failures: __, plan: ___, ...kept } = before
  const facts: Facts = { image, mirror, observed, remaining, active: [], copying: false, failures: [], now }
  const conditions = conditionsOf(statementsOf(facts), before, generation, now)
  return {
    ...NOTHING,
    cancel: activeCopies(copies),
    release: copies.filter(isFinished),
    status: {
      ...kept,
      ...answerOf(image),
      tags: `0/${remaining.length}`,
      observedGeneration: generation,
      conditions
    },
    next: { _tag: "Never", why: "Stalled" }
  }
}

/**
 * A suspended Image starts no copies. Running copies continue if the policy accepts the Image, and their outcomes are recorded.
 * Nothing else in the status changes.
 */
const suspend = (image: ImageHeader, gathered: Exclude<Gathered, Invalid>, now: number): Decision => {
  const { copies } = gathered
  const { observed, status } = recorded(image, gathered, now)
  const hasBegun = ({ state }: Copy): boolean => state._tag === "Running" && state.isPreparing !== true
  const isStopped = (copy: Copy): boolean =>
    gathered._tag === "Refused" || !hasBegun(copy) || copy.image.uid !== image.uid
  const active = activeCopies(copies)
  return {
    start: [],
    cancel: active.filter(isStopped),
    release: copies.filter(isFinished),
    status,
    observed: active.every(isStopped) ? undefined : observed,
    next: { _tag: "Never", why: "Suspended" }
  }
}

/**
 * Copies continue while a check fails, except those that any check would cancel. What has ended is recorded. The status says
 * the failure and the time of the next check.
 */
const retryCheck = (image: ImageHeader, gathered: Blocked, now: number): Decision => {
  const { failure, mirror, position, startedAt } = gathered
  const { observed, status: noted } = recorded(image, gathered, now, position)
  const { plan: _, ...unplanned } = noted
  // What an earlier spec asked for is not planned any more.
  const before = conditionOf(noted, "Ready")?.observedGeneration === image.generation ? noted : unplanned
  const status: ImageStatus = {
    ...before,
    ...answerOf(image),
    ...(failure.stalled ? { observedGeneration: image.generation } : {}),
    conditions: conditionsWithoutCheck(image, gathered, before, failure, now),
    checkFailure: failedCheck(image, failure, now, position)
  }
  const remembered = observed !== undefined
  const next = nextCheck({ now, startedAt, image: { ...image, status }, mirror, remembered, underWay: new Set() })
  return { ...withoutCheck(image, gathered), status, observed, next: notBefore(now + SHORTEST_PAUSE, next) }
}

/** The conditions while a check will be retried. */
const conditionsWithoutCheck = (
  image: ImageHeader,
  { mirror, notices = [], warnings }: Blocked | Unobserved,
  before: ImageStatus,
  checkFailure: NonNullable<Facts["checkFailure"]>,
  now: number
): ReadonlyArray<Condition> => {
  const nothing = { observed: NOTHING_OBSERVED, remaining: [], active: [], copying: false }
  const statements = [
    ...statementsOf({ ...nothing, now, image, mirror, failures: before.failures ?? [], checkFailure }),
    ...statementsOfWarnings([...(warnings ?? []), ...notices])
  ]
  return [...conditionsOf(statements, before, image.generation, now), ...standingWarnings(image, warnings, notices)]
}

/**
 * No check is due and no result is remembered. Without remaining tags no copy is needed, and no failure is of interest. Neither
 * is known while a check will be retried, or until the copies of an earlier process are resumed.
 */
const rest = (image: ImageHeader, gathered: Unobserved, now: number): Decision => {
  const { copies, mirror, startedAt } = gathered
  const isUnknown = image.status.checkFailure !== undefined || conditionOf(image.status, "Reconciling") !== undefined
  const before = isUnknown
    ? recorded(image, gathered, now).status
    : withSuccesses(image.status, ownCopies(image, gathered))
  const { checkFailure } = standingCheckFailure(image, false)
  const status =
    checkFailure === undefined
      ? before
      : { ...before, conditions: conditionsWithoutCheck(image, gathered, before, checkFailure, now) }
  const underWay = new Set(activeCopies(ownCopies(image, gathered)).map(({ tag }) => tag))
  return {
    ...withoutCheck(image, gathered),
    ...(isUnknown ? {} : { cancel: activeCopies(copies) }),
    status,
    next: nextCheck({ now, startedAt, image: { ...image, status }, mirror, remembered: false, underWay })
  }
}

/** After a restart a check may find the tag of a copy before the copy has ended. The history still gets the copy. */
const withSuccesses = (status: ImageStatus, copies: ReadonlyArray<Copy>): ImageStatus =>
  unrecorded(status, copies).length === 0 ? status : { ...status, history: historyOf(status, copies) }

/** What becomes of copies while it is unknown which are needed. */
const withoutCheck = (
  image: ImageHeader,
  { claims = NO_CLAIMS, copies, mirror }: Blocked | Unobserved
): Omit<Decision, "status" | "next"> => ({
  ...NOTHING,
  cancel: [
    ...new Set([...obsoleteCopies(image, mirror, copies), ...activeCopies(copies).filter(({ tag }) => claims.has(tag))])
  ],
  release: copies.filter(isFinished)
})

/** The status, and the result of the last check if that is remembered, with the outcome of the copies that have ended. */
const recorded = (
  image: ImageHeader,
  gathered: Exclude<Gathered, Invalid>,
  now: number,
  position?: number
): Pick<Decision, "status" | "observed"> => {
  const own = ownCopies(image, gathered)
  const known = "observed" in gathered ? gathered.observed : undefined
  if (!own.some(isFinished)) return { status: image.status, observed: known }
  const observed = known && withArrivals(known, own, false)
  const arrived = new Set(own.filter((copy) => arrivedDigest(copy) !== undefined).map(({ tag }) => tag))
  const { mirror } = gathered
  const claimed = observed && withClaims(observed, gathered)
  const failures = failuresAfter(image, { copies: own }, ({ tag }) => !arrived.has(tag), now, position)
  const outcome = {
    remaining: claimed === undefined ? [] : remainingTags(claimed, mirror),
    plan: claimed === undefined ? image.status.plan : planOf(image.status, mirror, claimed, failures),
    failures,
    history: historyOf(image.status, own)
  }
  return { status: withOutcome(image.status, claimed, outcome), observed }
}

/** The decision after a check, or after copies have changed. */
const pursue = (image: ImageHeader, gathered: Checked, now: number): Decision => {
  const { copies, fresh, mirror, position, startedAt } = gathered
  const own = ownCopies(image, gathered)
  // The result is remembered without the claims, which are looked up for each decision.
  const known = withArrivals(gathered.observed, own, fresh)
  const observed = withClaims(known, gathered)
  const checked = { ...gathered, observed }
  const remaining = remainingTags(observed, mirror)
  const active = goingOn(activeCopies(own), image, checked)
  // A tag that only another image can mend is not tried before the regular check.
  const tried = [...remaining, ...missingCompanions(observed)].filter(
    (tag) => tag.problem === undefined || isRetried(tag)
  )
  const desired = new Map(tried.map((tag) => [tag.tag, digestOf(tag)]))
  // The failure of a claim ends with the claim.
  const isClaim = ({ reason }: FailedCopy): boolean => reason === "DestinationClaimed"
  const isCurrent = (failure: FailedCopy): boolean =>
    desired.get(failure.tag) === failure.digest && (!isClaim(failure) || gathered.companionOwner !== undefined)
  const before = fresh && openRequest(image) !== undefined ? retriedNow(image.status, now) : image.status
  const failed = { copies: own, tags: remaining.filter(isRetried), isChecked: fresh }
  const { failures, start } = startCopies({
    checked,
    now,
    planned: plannedCopies(image, checked),
    underWay: new Set(active.map(({ tag }) => tag)),
    failures: failuresAfter({ uid: image.uid, status: before }, failed, isCurrent, now, position),
    isNews: ({ copy }) => own.some(({ id }) => id === copy)
  })
  const facts: Facts = {
    now,
    image,
    mirror,
    observed,
    remaining,
    active,
    copying: start.length > 0,
    failures,
    ...standingCheckFailure(image, fresh)
  }
  const status = statusAfter(facts, checked, historyOf(image.status, own), now)
  const next = nextCheck({
    now,
    startedAt,
    image: { ...image, status },
    mirror,
    remembered: remaining.length > 0,
    underWay: tagsUnderWay(observed, [...active, ...start], failures)
  })
  const goesOn = new Set(active)
  return {
    start,
    cancel: activeCopies(copies).filter((copy) => !goesOn.has(copy)),
    release: copies.filter(isFinished),
    status,
    observed: remaining.length > 0 ? known : undefined,
    next: notBefore(now + SHORTEST_PAUSE, next)
  }
}

/** The answer to a user whose check was made. An answer stays when the annotation is removed. */
const answerOf = ({
  requestedAt,
  status
}: Pick<ImageHeader, "requestedAt" | "status">): Pick<ImageStatus, "lastHandledReconcileAt"> => {
  const lastHandledReconcileAt = requestedAt ?? status.lastHandledReconcileAt
  return lastHandledReconcileAt === undefined ? {} : { lastHandledReconcileAt }
}

const NOTHING: Pick<Decision, "start" | "cancel" | "release" | "observed"> = {
  start: [],
  cancel: [],
  release: [],
  observed: undefined
}

const NOTHING_OBSERVED: Observed = { generation: 0, tags: [] }

/** The conditions show a failed check until the next check is made. */
const standingCheckFailure = ({ status }: ImageHeader, fresh: boolean): Pick<Facts, "checkFailure"> => {
  if (fresh || status.checkFailure === undefined) return {}
  const { message, reason } = status.checkFailure
  return { checkFailure: { reason, message, stalled: conditionOf(status, "Stalled") !== undefined } }
}

const statusAfter = (
  facts: Facts,
  { fresh, notices = [], warnings = [] }: Checked,
  history: ReadonlyArray<PerformedCopy>,
  now: number
): ImageStatus => {
  const { failures, image, observed, remaining } = facts
  const { generation, status: before } = image
  const statements = [...statementsOf(facts), ...statementsOfWarnings([...warnings, ...notices])]
  const isSettled = !statements.some(({ type }) => type === "Reconciling")
  const observedGeneration = isSettled ? generation : before.observedGeneration
  return statusOf(
    before,
    {
      ...(observedGeneration === undefined ? {} : { observedGeneration }),
      conditions: conditionsOf(statements, before, generation, now),
      ...answerOf(fresh ? image : { status: before }),
      ...(fresh || before.checkFailure === undefined ? {} : { checkFailure: before.checkFailure })
    },
    timesAfter(facts, statements, fresh),
    observed,
    { remaining, plan: planOf(before, facts.mirror, observed, failures), failures, history }
  )
}

/** The times of the last good check, and of the last check or copy that showed that the destination has every selected tag. */
const timesAfter = (
  { checkFailure, image, now }: Facts,
  statements: ReadonlyArray<Statement>,
  fresh: boolean
): Pick<ImageStatus, "lastCheckedAt" | "lastInSyncAt"> => {
  const { conditions = [], lastCheckedAt, lastInSyncAt } = image.status
  const isInSync = checkFailure === undefined && statements.some(isCopied)
  const isNews = fresh || lastInSyncAt === undefined || !conditions.some(isCopied)
  const times = {
    lastCheckedAt: fresh ? instant(now) : lastCheckedAt,
    lastInSyncAt: isInSync && isNews ? instant(now) : lastInSyncAt
  }
  return {
    ...(times.lastCheckedAt === undefined ? {} : { lastCheckedAt: times.lastCheckedAt }),
    ...(times.lastInSyncAt === undefined ? {} : { lastInSyncAt: times.lastInSyncAt })
  }
}

/**
 * Tags whose earlier failures cause no check. A Job that waits for its Secret is running, and its Secret is retried.
 */
const tagsUnderWay = (
  observed: Observed,
  copies: ReadonlyArray<CopyTask>,
  failures: ReadonlyArray<FailedCopy>
): ReadonlySet<string> => {
  const refused = new Set(failures.filter(isRefused).map(({ tag }) => tag))
  const copied = copies.map(({ tag }) => tag).filter((tag) => !refused.has(tag))
  return new Set([...copied, ...waitingForOthers(observed)])
}

const notBefore = (millis: number, next: NextCheck): NextCheck =>
  next._tag === "At" ? { ...next, millis: Math.max(next.millis, millis) } : next
