/** What the metrics say of an Image, from its status. */
import { Result } from "effect"
import { DEFAULT_FREQUENCY, parseFrequency } from "../domain/Frequency.ts"
import { conditionOf } from "../domain/Image.ts"
import { graceOf } from "../domain/plan/failures.ts"
import { tagCountsIn } from "../domain/plan/status.ts"
import { isReason } from "../domain/Reason.ts"
import { rateLimitWaitOf } from "../domain/settled.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import type { Freshness, ImageSample } from "../metrics/imageMetrics.ts"
import { millisOf } from "../text/instant.ts"

/**
 * Whether the Image is checked again without a change: a pattern, or a Recurrent Image, that is not suspended. The rule reads no
 * Mirror, because a scrape would parse the specs of all Images again.
 */
const isFollowed = (image: StoredImage): boolean =>
  image._tag === "Readable" &&
  !image.spec.suspend &&
  (image.spec.mode === "Recurrent" || image.destinationTag === undefined)

/** Whether the copy of the one tag of a OneShot Image is done. The operator never checks such an Image again. */
const isDone = (image: StoredImage): boolean => {
  if (image._tag !== "Readable" || image.spec.mode === "Recurrent" || image.destinationTag === undefined) return false
  const ready = conditionOf(image.status, "Ready")
  return ready?.status === "True" && ready.observedGeneration === image.generation
}

/** The interval of checks in milliseconds. An Image with an invalid spec has the default one. */
const intervalOf = (image: StoredImage): number =>
  Result.getOrElse(parseFrequency(image._tag === "Readable" ? image.spec.frequency : DEFAULT_FREQUENCY), () => 0)

/** When the Image was in sync last, by its status. Earlier releases wrote only the time of the check. */
const lastInSyncOf = ({ createdAt, status }: StoredImage): number => {
  const { lastCheckedAt, lastInSyncAt } = status
  if (lastInSyncAt !== undefined) return millisOf(lastInSyncAt)
  const isCopied = conditionOf(status, "Ready")?.reason === "Copied" && lastCheckedAt !== undefined
  return isCopied ? millisOf(lastCheckedAt) : createdAt
}

const freshnessOf = (image: StoredImage, isSuspended: boolean, now: number): Freshness | undefined => {
  if (isSuspended || isDone(image)) return undefined
  const lastInSync = lastInSyncOf(image)
  const interval = intervalOf(image)
  return {
    lastInSync: lastInSync / 1_000,
    intervalSeconds: interval / 1_000,
    isOverdue: now >= lastInSync + graceOf(interval)
  }
}

/** @param now milliseconds since the epoch */
export const imageSample = (image: StoredImage, now: number): ImageSample => {
  const { lastCheckedAt } = image.status
  // An Image that has never been checked successfully is as old as itself.
  const since = lastCheckedAt === undefined ? image.createdAt : millisOf(lastCheckedAt)
  const ready = conditionOf(image.status, "Ready")
  const isSuspended = image._tag === "Readable" && image.spec.suspend
  return {
    namespace: image.namespace,
    name: image.name,
    ready: ready?.status ?? "Unknown",
    // Other programs may write any reason to a status.
    reason: ready !== undefined && isReason(ready.reason) ? ready.reason : "Unknown",
    isStalled: conditionOf(image.status, "Stalled")?.status === "True",
    isSuspended,
    isRateLimited: !isSuspended && rateLimitWaitOf(image.status) !== undefined,
    tags: tagCountsIn(image.status),
    freshness: freshnessOf(image, isSuspended, now),
    checkedSeconds: isFollowed(image) ? Math.max(0, now - since) / 1_000 : undefined
  }
}
