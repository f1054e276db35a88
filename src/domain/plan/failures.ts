/** Failed copies, tags and checks: the number of attempts, and the time of the next attempt. */
import { instant, millisOf } from "../../text/instant.ts"
import { boundedLine } from "../../text/line.ts"
import { type Backoff, LONGEST_DEFERRAL, pauseAfter, retryAt } from "../backoff.ts"
import { type Copy, REFUSALS } from "../Copy.ts"
import { conditionOf, type FailedCheck, type FailedCopy, type ImageHeader, type ImageStatus } from "../Image.ts"
import type { Mirror } from "../Mirror.ts"
import { CREDENTIAL_REASONS, type Reason } from "../Reason.ts"
import { stableFraction } from "../stableFraction.ts"
import { isClaimed } from "./claims.ts"
import type { CheckFailure, ObservedTag } from "./facts.ts"

/** The backoff of a check whose registry fails, with Flux's numbers. */
const REGISTRY_BACKOFF: Backoff = { baseMillis: 750, maximumMillis: 900_000 }

/**
 * The backoff of a missing Secret. A Secret that is applied after its Image is used soon. A Secret that never comes
 * costs one request a minute.
 */
const CREDENTIAL_BACKOFF: Backoff = { baseMillis: 1_000, minimumMillis: 2_000, maximumMillis: 60_000 }

const COPY_BACKOFF: Backoff = { baseMillis: 10_000, maximumMillis: 900_000 }

/** The backoff of a copy that an engine refuses to start. The cause may pass at any time. */
const REFUSED_BACKOFF: Backoff = { baseMillis: 2_000, maximumMillis: 60_000 }

/** The reasons for which a registry may name the time of the next attempt. */
const DEFERRED: ReadonlySet<Reason> = new Set(["RateLimited", "ServerError"])

/** The reasons that concern an image itself. Only another image under the tag helps, which the regular check finds. */
const OF_IMAGES: ReadonlySet<Reason> = new Set(["PlatformMissing", "UnsupportedManifest"])

/**
 * The most failures in a status: copies before tags, those with the most attempts, then those with the latest next attempt.
 */
export const KEPT = 20
/** The most characters of the message of a kept failure. */
const MESSAGE = 1_000

/** The message of a failure as a status keeps it. */
export const keptMessage = (message: string): string => boundedLine(message, MESSAGE)

/** The digest of a tag that could not be checked. */
const UNKNOWN = ""

type WithReason = Pick<FailedCopy, "reason">

const isOfCredentials = (reason: Reason): boolean => CREDENTIAL_REASONS.some((other) => other === reason)

const checkBackoff = (reason: Reason): Backoff => (isOfCredentials(reason) ? CREDENTIAL_BACKOFF : REGISTRY_BACKOFF)

/** Whether the engine refused to start the copy. */
export const isRefused = ({ reason }: WithReason): boolean => REFUSALS.some((refusal) => refusal === reason)

/** Whether another Image's copy is writing the tag. No attempt has failed then. */
export const isBusy = ({ reason }: WithReason): boolean => reason === "DestinationBusy"

/**
 * Whether a copy is retried with the result of the last check. A new check would cost requests, which the registry limits.
 * The next regular check finds a tag that moved, and no copy of a OneShot listing overwrites a tag that appeared meanwhile.
 * Only a OneShot version is never checked again after its copy, so that its check has to be current.
 */
export const needsNoCheck = ({ mode, tags }: Mirror, { reason }: WithReason): boolean =>
  reason === "RateLimited"
    ? mode === "Recurrent" || tags._tag === "Listed"
    : // If tags are not overwritten, the other Image's copy may be enough.
      reason === "DestinationBusy" && mode === "Recurrent"

/** The most that a time gains by rounding up to whole seconds. */
const ROUNDING = 1_000

/** Formats a time rounded up to whole seconds, as in a status. */
const instantFrom = (millis: number): string => instant(Math.ceil(millis / ROUNDING) * ROUNDING)

/** The next attempt of a failed copy or check. A time beyond any backoff was set before the clock was set back. */
export const nextAttemptOf = (failed: Pick<FailedCheck, "nextAttemptAt" | "reason">, now: number) => {
  const millis = millisOf(failed.nextAttemptAt)
  const longest = DEFERRED.has(failed.reason) ? LONGEST_DEFERRAL : COPY_BACKOFF.maximumMillis
  return millis > now + longest + ROUNDING ? now : millis
}

/** The failures of a status once a user has asked for a check: what has failed is tried again after the check. */
export const retriedNow = ({ failures, ...status }: ImageStatus, now: number): ImageStatus =>
  failures === undefined
    ? status
    : { ...status, failures: failures.map((failure) => ({ ...failure, nextAttemptAt: instant(now) })) }

/** A tag that was to be copied or checked, and was not. */
interface FailedAttempt extends Pick<FailedCopy, "tag" | "digest" | "copy" | "reason" | "message"> {
  /** Before when its registry is not to be asked again, in milliseconds of the Clock; where that is known. */
  readonly until?: number
}

const nextAttemptAt = (
  { status: { lastCheckedAt }, uid }: Pick<ImageHeader, "status" | "uid">,
  { reason, until }: FailedAttempt,
  attempts: number,
  now: number,
  position: number
): string => {
  if (until !== undefined) return instantFrom(retryAt(now, until, position))
  // The tag may have moved after its digest was read, so the first retry checks again soon. A registry that gives another
  // digest at each check would cause checks without a pause.
  if (reason === "SourceNotFound" && attempts === 1) {
    const earliest = millisOf(lastCheckedAt) + COPY_BACKOFF.baseMillis
    return earliest <= now ? instant(now) : instantFrom(earliest)
  }
  const backoff = isRefused({ reason }) ? REFUSED_BACKOFF : COPY_BACKOFF
  return instantFrom(now + pauseAfter(backoff, attempts, stableFraction(uid)))
}

const attemptOfCopy = ({ destinationDigest, id, state, tag }: Copy): ReadonlyArray<FailedAttempt> => {
  if (state._tag !== "Failed") return []
  const { message, reason, until } = state
  return [{ tag, digest: destinationDigest, copy: id, reason, message, ...(until === undefined ? {} : { until }) }]
}

const attemptOfCheck =
  (now: number) =>
  (tag: ObservedTag): ReadonlyArray<FailedAttempt> =>
    tag.problem === undefined ? [] : [{ tag: tag.tag, digest: UNKNOWN, copy: `check-${now}`, ...tag.problem }]

/** The number of the next attempt at a tag, for which the digest is desired. */
export const attemptAfter = (failure: FailedCopy | undefined, digest: string): number =>
  failure?.digest === digest ? failure.attempts + 1 : 1

/** The digest by which the attempts at a tag are counted. */
export const digestOf = ({ desired = UNKNOWN }: ObservedTag): string => desired

/** Whether the last check failed for this tag alone. The tag is then checked again as a failed copy is retried. */
export const isRetried = ({ problem }: ObservedTag): boolean =>
  problem !== undefined && !OF_IMAGES.has(problem.reason) && !isClaimed({ problem })

/** The failures since a status was written. */
export interface FailedSince {
  readonly copies: ReadonlyArray<Copy>
  /** The tags for which the last check failed alone. */
  readonly tags?: ReadonlyArray<ObservedTag>
  /** Whether that check is a new one, which counts as an attempt. */
  readonly isChecked?: boolean
}

/**
 * The failures of a status and the new ones, in the order in which a status keeps {@link KEPT} of them. Attempts are counted
 * by tag and digest.
 */
export const failuresAfter = (
  image: Pick<ImageHeader, "status" | "uid">,
  { copies, isChecked = false, tags = [] }: FailedSince,
  isCurrent: (failure: FailedCopy) => boolean,
  now: number,
  position = 0
): ReadonlyArray<FailedCopy> => {
  const byTag = new Map((image.status.failures ?? []).map((failure) => [failure.tag, failure]))
  // A tag that could not be checked is checked before it is copied again, whatever became of its last copy.
  const unchecked = new Set(tags.map(({ tag }) => tag))
  const attempted = [
    ...copies.filter(({ tag }) => !unchecked.has(tag)).flatMap(attemptOfCopy),
    ...(isChecked ? tags.flatMap(attemptOfCheck(now)) : [])
  ]
  for (const attempt of attempted) {
    const { copy, digest, message, reason, tag } = attempt
    const before = byTag.get(tag)
    if (before?.copy === copy) continue
    const attempts = attemptAfter(before, digest)
    byTag.set(tag, {
      tag,
      digest,
      copy,
      attempts,
      nextAttemptAt: nextAttemptAt(image, attempt, attempts, now, position),
      reason,
      message: keptMessage(message)
    })
  }
  // Of failures with equally many attempts the earlier ones stay. Otherwise each new failure would replace an old one, and the
  // attempts of no tag would grow.
  const current = [...byTag.values()].filter(isCurrent).sort((a, b) => b.attempts - a.attempts)
  // A failed copy that is not kept would start again at once. A tag that could not be checked has no copy to start.
  const isOfCopy = ({ tag }: FailedCopy): boolean => !unchecked.has(tag)
  return [...current.filter(isOfCopy).slice(0, KEPT), ...current.filter((failure) => !isOfCopy(failure))]
}

/** A Ready Image whose checks fail stays Ready for this number of intervals since its last good check, and for the least time. */
const GRACE = { intervals: 2, leastMillis: 600_000 }

/** How long an Image may be without a good check before that counts, in milliseconds. */
export const graceOf = (frequencyMillis: number): number =>
  Math.max(GRACE.intervals * frequencyMillis, GRACE.leastMillis)

/**
 * Until when a Ready Image stays Ready although its checks fail, in milliseconds since the epoch. `undefined` for an Image that
 * is not Ready, and for a failure that says that there is nothing to copy.
 */
export const readyUntil = (
  { generation, status }: ImageHeader,
  { frequencyMillis }: Mirror,
  { reason }: Pick<FailedCheck, "reason">
): number | undefined => {
  const ready = conditionOf(status, "Ready")
  const isReady = ready?.status === "True" && ready.observedGeneration === generation
  if (!isReady || reason === "SourceNotFound") return undefined
  return millisOf(status.lastCheckedAt) + graceOf(frequencyMillis)
}

/**
 * A failed check with the number of failures in a row. The number starts over for another spec, and when the
 * credentials are available but the registry fails.
 */
export const failedCheck = (
  image: ImageHeader,
  { message, reason, until }: CheckFailure,
  now: number,
  position = 0
): FailedCheck => {
  const backoff = checkBackoff(reason)
  const ready = conditionOf(image.status, "Ready")
  const isSameSpec = ready?.observedGeneration === image.generation
  const before = isSameSpec ? image.status.checkFailure : undefined
  const attempts = before !== undefined && checkBackoff(before.reason) === backoff ? before.attempts + 1 : 1
  // A status of release 0.1.0, or under that release's CRD, has no count. The time for which the Image has not been
  // Ready with the same reason makes the pauses grow instead.
  const isUncounted = isSameSpec && before === undefined && ready?.status === "False" && ready.reason === reason
  const failedFor = isUncounted ? now - millisOf(ready.lastTransitionTime) : 0
  const pause = Math.min(
    backoff.maximumMillis,
    Math.max(pauseAfter(backoff, attempts, stableFraction(image.uid)), failedFor)
  )
  const next = until === undefined ? now + pause : retryAt(now, until, position)
  return { attempts, nextAttemptAt: instantFrom(next), reason, message: boundedLine(message) }
}
