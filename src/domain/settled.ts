/** Whether the operator has finished its work on an Image. */
import { conditionOf, type ImageHeader, type ImageStatus } from "./Image.ts"
import type { StoredImage } from "./StoredImage.ts"

/** Whether the status is of the current spec and no work is left but retries. The status of a suspended Image is not written. */
export const isSettled = ({ generation, status }: Pick<ImageHeader, "generation" | "status">): boolean => {
  const ready = conditionOf(status, "Ready")
  if (ready === undefined || ready.observedGeneration !== generation) return false
  const reconciling = conditionOf(status, "Reconciling")
  return reconciling === undefined || reconciling.reason === "ProgressingWithRetry"
}

/** What an Image waits for at a registry's rate limit. */
export interface RateLimitWait {
  /** When the next attempt is made, as `2026-01-31T12:00:00Z`. Absent if only the message says the time. */
  readonly until?: string
  /** Names the registry and its limit. */
  readonly message: string
}

/** The rate limit that holds an Image back, by its status: the one of the check, of the earliest failed tag, or of all its copies. */
export const rateLimitWaitOf = (status: ImageStatus): RateLimitWait | undefined => {
  const limited = [status.checkFailure ?? [], status.failures ?? []]
    .flat()
    .filter(({ reason }) => reason === "RateLimited")
    .sort((a, b) => (a.nextAttemptAt < b.nextAttemptAt ? -1 : 1))
  const [next] = limited
  if (next !== undefined) return { until: next.nextAttemptAt, message: next.message }
  const ready = conditionOf(status, "Ready")
  return ready?.reason === "RateLimited" ? { message: ready.message } : undefined
}

/** The end of a run over Images. */
export interface RunEnd {
  /** Whether the run waits for rate limits, however long. Otherwise an Image that a rate limit holds back has failed. */
  readonly waitForRateLimit: boolean
}

/** Whether a run has finished an Image. The operator does not copy a suspended Image, and does not write its status. */
export const isFinishedIn = (image: StoredImage, { waitForRateLimit }: RunEnd): boolean =>
  (image._tag === "Readable" && image.mirror.suspend) ||
  (isSettled(image) && !(waitForRateLimit && rateLimitWaitOf(image.status) !== undefined))
