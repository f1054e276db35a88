/** Failed copies and checks: the number of attempts, and the time of the next attempt. */
import { instant, millisOf } from "../../text/instant.ts"
import { type Backoff, LONGEST_DEFERRAL, pauseAfter, retryAt } from "../backoff.ts"
import { type Copy, type CopyState, REFUSALS } from "../Copy.ts"
import {
  conditionOf,
  type FailedCheck,
  type FailedCopy,
  type ImageHeader,
  type ImageStatus,
  statusMessage
} from "../Image.ts"
import type { Mirror } from "../Mirror.ts"
import { CREDENTIAL_REASONS, type Reason } from "../Reason.ts"
import type { CheckFailure } from "./facts.ts"

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

/** The most failures in a status: those with the most attempts, then those with the latest next attempt. */
export const KEPT = 20

type WithReason = Pick<FailedCopy, "reason">

const isOfCredentials = (reason: Reason): boolean => CREDENTIAL_REASONS.some((other) => other === reason)

const checkBackoff = (reason: Reason): Backoff => (isOfCredentials(reason) ? CREDENTIAL_BACKOFF : REGISTRY_BACKOFF)

/** Whether the engine refused to start the copy. */
export const isRefused = ({ reason }: WithReason): boolean => REFUSALS.some((refusal) => refusal === reason)

/** Whether another Image's copy is writing the tag. No attempt has failed then. */
export const isBusy = ({ reason }: WithReason): boolean => reason === "DestinationBusy"

/**
 * Whether a copy is retried with the result of the last check. A new check would cost requests, which the registry
 * limits. The tag is overwritten in any case, and the next regular check finds a tag that moved.
 */
export const needsNoCheck = ({ mode }: Mirror, { reason }: WithReason): boolean =>
  mode === "Recurrent" && (reason === "RateLimited" || reason === "DestinationBusy")

/** Whether all failures are rate limits. */
export const isOnlyRateLimited = ({ failures = [] }: ImageStatus): boolean =>
  failures.length > 0 && failures.every(({ reason }) => reason === "RateLimited")

/** The most that a time gains by rounding up to whole seconds. */
const ROUNDING = 1_000

/** Formats a time rounded up to whole seconds, as in a status. */
const instantFrom = (millis: number): string => instant(Math.ceil(millis / ROUNDING) * ROUNDING)

/** The next attempt of a failed copy or check. A time beyond any backoff was set before the clock was set back. */
export const nextAttemptOf = (
  { nextAttemptAt, reason }: Pick<FailedCheck, "nextAttemptAt" | "reason">,
  now: number
) => {
  const millis = millisOf(nextAttemptAt)
  const longest = DEFERRED.has(reason) ? LONGEST_DEFERRAL : COPY_BACKOFF.maximumMillis
  return millis > now + longest + ROUNDING ? now : millis
}

const nextCopyAt = (
  { reason, until }: Extract<CopyState, { readonly _tag: "Failed" }>,
  attempts: number,
  now: number,
  position: number
): string => {
  if (until !== undefined) return instantFrom(retryAt(now, until, position))
  // The tag may have moved after its digest was read, so the first retry checks again at once.
  if (reason === "SourceNotFound" && attempts === 1) return instant(now)
  return instant(now + pauseAfter(isRefused({ reason }) ? REFUSED_BACKOFF : COPY_BACKOFF, attempts))
}

/** The failed copies of a status and the new ones. Attempts are counted by tag and digest. */
export const copyFailures = (
  status: ImageStatus,
  copies: ReadonlyArray<Copy>,
  isCurrent: (failure: FailedCopy) => boolean,
  now: number,
  position = 0
): ReadonlyArray<FailedCopy> => {
  const byTag = new Map((status.failures ?? []).map((failure) => [failure.tag, failure]))
  for (const { destinationDigest: digest, id, state, tag } of copies) {
    if (state._tag !== "Failed") continue
    const before = byTag.get(tag)
    if (before?.copy === id) continue
    const attempts = before?.digest === digest ? before.attempts + 1 : 1
    const { message, reason } = state
    const nextAttemptAt = nextCopyAt(state, attempts, now, position)
    byTag.set(tag, { tag, digest, copy: id, attempts, nextAttemptAt, reason, message })
  }
  return [...byTag.values()]
    .filter(isCurrent)
    .sort((a, b) => b.attempts - a.attempts || millisOf(b.nextAttemptAt) - millisOf(a.nextAttemptAt))
    .slice(0, KEPT)
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
  const pause = Math.min(backoff.maximumMillis, Math.max(pauseAfter(backoff, attempts), failedFor))
  const next = until === undefined ? now + pause : retryAt(now, until, position)
  return { attempts, nextAttemptAt: instantFrom(next), reason, message: statusMessage(message) }
}
