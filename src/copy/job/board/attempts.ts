/** An attempt before its Job exists: it is prepared, waits for the Job of an earlier attempt to go, and sends a create. */
import type { CopyState } from "../../../domain/Copy.ts"
import { retryAt } from "../../../domain/backoff.ts"
import { uidOf } from "../Job.ts"
import { Command, type EventOf, type OfAttempt, type Prepared } from "../JobEvents.ts"
import { namesIn, slotOf } from "./Board.ts"
import { type Draft, dropAttempt, endAttempt, isDue, putAttempt, refuse } from "./Draft.ts"
import { type Asked, Attempt, type AttemptOf, isReplaceable, overdueIn, straysIn } from "./Slot.ts"

/** How long the deletion of a finished Job may take before the next attempt fails. */
export const REMOVAL_SECONDS = 60
/** The delay before a rate limit without a known end is tried again. */
const UNTIMED_MILLIS = 60_000

const preparing = (draft: Draft, { id, name }: OfAttempt) => {
  const { attempt } = slotOf(draft.board, name)
  return attempt?._tag === "Preparing" && attempt.id === id ? attempt : undefined
}

export const prepared = (draft: Draft, event: EventOf<"Prepared">): void => {
  const attempt = preparing(draft, event)
  if (attempt !== undefined) replace(draft, event.name, attempt, event.prepared)
}

/** Makes the name free for the Job of an attempt, then creates the Job. */
export const replace = (draft: Draft, name: string, { id, order, task }: Asked, prepared: Prepared): void => {
  const { job } = slotOf(draft.board, name)
  // Another Job has taken the name since the attempt was admitted.
  if (job !== undefined && !isReplaceable(job)) {
    return putAttempt(draft, name, Attempt.Waiting({ id, order, task, limit: undefined }))
  }
  const until = draft.now + REMOVAL_SECONDS * 1_000
  putAttempt(draft, name, Attempt.Replacing({ id, order, task, prepared, until }))
  if (job === undefined) createIfFree(draft, name)
  else draft.commands.push(Command.Delete({ name, uid: uidOf(job.job) }))
}

/** The attempt waits for a rate limit. It keeps its position among the waiting copies of its namespace. */
export const limited = (draft: Draft, event: EventOf<"Limited">): void => {
  const attempt = preparing(draft, event)
  if (attempt === undefined) return
  const { message, name, until = draft.now + UNTIMED_MILLIS } = event
  const { id, order, task } = attempt
  const others = namesIn(draft.board.limited, task.image.namespace)
  const position = attempt.limit === undefined ? others.length : others.indexOf(name)
  const limit = { until: retryAt(draft.now, until, position), reason: message }
  putAttempt(draft, name, Attempt.Waiting({ id, order, task, limit }))
}

/** The attempt ends without a Job. */
export const endPreparing = (draft: Draft, event: OfAttempt, state: CopyState): void => {
  const attempt = preparing(draft, event)
  if (attempt !== undefined) endAttempt(draft, event.name, attempt, state)
}

/** Creates the Job of an attempt once the Job of the earlier attempt is gone and its pods have ended. */
export const createIfFree = (draft: Draft, name: string): void => {
  const slot = slotOf(draft.board, name)
  if (slot.attempt?._tag !== "Replacing" || slot.job !== undefined) return
  const { id, order, prepared, task } = slot.attempt
  if (straysIn(slot).length === 0) {
    putAttempt(draft, name, Attempt.Creating({ id, order, task, isCancelled: false }))
    draft.commands.push(Command.Create({ name, id, task, prepared, overdue: overdueIn(slot) }))
  } else {
    // The deadline was for the Job. Each of its pods has a deadline of its own.
    putAttempt(draft, name, { ...slot.attempt, until: undefined })
  }
}

/** Ends an attempt whose create has certainly made no Job. */
export const endCreating = (draft: Draft, name: string, attempt: AttemptOf<"Creating">, message: string): void =>
  attempt.isCancelled ? dropAttempt(draft, name) : refuse(draft, name, attempt, message)

/** Does what is due for an attempt that waits. */
export const tickAttempt = (draft: Draft, name: string): void => {
  const { attempt } = slotOf(draft.board, name)
  if (attempt?._tag === "Waiting" && attempt.limit !== undefined && isDue(draft, attempt.limit.until)) {
    putAttempt(draft, name, { ...attempt, limit: { ...attempt.limit, until: undefined } })
  }
  if (attempt?._tag === "Replacing" && isDue(draft, attempt.until)) {
    refuse(draft, name, attempt, `the finished Job was not gone after ${REMOVAL_SECONDS} seconds`)
  }
}
