/**
 * A slot for the copies to one destination: the copy that was asked for and has no Job yet, and the Job of the slot's name
 * that the cluster has. Pure: the states of both, and what follows from them alone.
 */
import { Data } from "effect"
import type { Access } from "../../credentials/access.ts"
import type { Copy, CopyState, CopyTask } from "../../domain/Copy.ts"
import type { JobObject } from "../../kube/Resources.ts"
import { type Claim, claimOf, describeWait, type Limits } from "../CopyLimits.ts"
import { describeJob, outcomeOf, uidOf } from "./Job.ts"
import type { Prepared } from "./JobEvents.ts"

/** Something that is done until it succeeds: the next time, or that it is being done now, and how often it was in vain. */
export interface Retry {
  readonly at: number | "Now"
  readonly tries: number
}

export interface Asked {
  /** Names this attempt at the copy. */
  readonly id: string
  /** How many were started before it. */
  readonly order: number
  readonly task: CopyTask
}

/**
 * Set since its source's rate limit has kept it back: in which words, and until when; without a time it is tried again. So
 * long it keeps its position among the copies of its namespace that wait for rate limits.
 */
interface Queued extends Asked {
  readonly limit: { readonly reason: string; readonly until: number | undefined } | undefined
}

/**
 * A copy that was asked for and has no Job.
 *
 * - `Waiting`: for the source's rate limit, for a free place, or for the Job that has its name
 * - `Preparing`: what its Job is made with is being found out
 * - `Replacing`: the Job of an earlier attempt is being deleted
 * - `Creating`: the create has been sent. With `unanswered` its answer was lost, and the Job may exist
 * - `Ended`: it failed, or no Job was needed; so until it is released
 */
export type Attempt = Data.TaggedEnum<{
  Waiting: Queued
  Preparing: Queued
  Replacing: Asked & { readonly prepared: Prepared; readonly until: number }
  Creating: Asked & { readonly isCancelled: boolean; readonly unanswered?: Retry & { readonly message: string } }
  Ended: Asked & { readonly state: CopyState }
}>
export const Attempt = Data.taggedEnum<Attempt>()

export interface Owned {
  readonly job: JobObject
  readonly task: CopyTask
  /** The attempt that it was made for, if this process made it. */
  readonly id: string | undefined
  /**
   * Set while the watch cannot be trusted to tell of the Job: it has not shown it yet, or is to show that it is gone. Then
   * the Job is looked up until that is known.
   */
  readonly lookup: Retry | undefined
}

/**
 * How a Job stands with its Secret.
 *
 * - `Unknown`: this process has found the Job; the next start sees to it
 * - `Making`: it follows the create
 * - `Retrying`: a start has asked for it, and hears how that ends
 * - `Missing`: it could not be made; the next start tries again
 */
export type SecretState = "Unknown" | "Making" | "Retrying" | "Missing" | "Made"

/**
 * A Job that exists.
 *
 * - `Running`: until its conditions say that it has ended. `given` is what its Secret was made of
 * - `Stopping`: its copy was cancelled; it is deleted until it is gone
 * - `Inspecting`: it has ended, and what became of its copy is being found out
 * - `Finished`: that is known. `isReleased` once it is recorded; with `shortening` its lifetime is still to be cut
 */
export type OwnJob = Data.TaggedEnum<{
  Running: Owned & { readonly secret: SecretState; readonly given: Access | undefined }
  Stopping: Owned
  Inspecting: Owned
  Finished: Owned & { readonly state: CopyState; readonly isReleased: boolean; readonly shortening: Retry | undefined }
}>
export const OwnJob = Data.taggedEnum<OwnJob>()

export interface Slot {
  readonly attempt?: Attempt
  readonly job?: OwnJob
}

/** Whether a Job has not ended. */
export const isActive = ({ job }: Owned): boolean => outcomeOf(job)._tag === "Active"

/** Whether a Job is kept for its log alone: the next of its name may replace it. */
export const isReplaceable = (job: OwnJob): boolean => job._tag === "Finished" && job.isReleased

/** Whether a copy waits for a free place, and for nothing else. */
export const isQueued = ({ attempt, job }: Slot): boolean =>
  attempt?._tag === "Waiting" && attempt.limit?.until === undefined && (job === undefined || isReplaceable(job))

const isBeingMade = ({ _tag }: Attempt): boolean => _tag === "Preparing" || _tag === "Replacing" || _tag === "Creating"

const takesPlace = (job: OwnJob): boolean => job._tag === "Running" || (job._tag === "Stopping" && isActive(job))

/**
 * What a slot counts against the limits: a place is taken from the decision to make a Job until the Job has ended, or is
 * known not to exist. An answer that is lost frees no place.
 */
export const claimsIn = (name: string, { attempt, job }: Slot): ReadonlyArray<Claim> => [
  ...(attempt !== undefined && isBeingMade(attempt) ? [claimOf(name, attempt.order, attempt.task)] : []),
  ...(job !== undefined && takesPlace(job) ? [claimOf(uidOf(job.job), 0, job.task)] : [])
]

/** The attempts for which something is kept outside of the board. */
export const keptIn = ({ attempt, job }: Slot): ReadonlyArray<string> => [
  ...(attempt !== undefined && isBeingMade(attempt) ? [attempt.id] : []),
  ...(job?.id !== undefined && takesPlace(job) ? [job.id] : [])
]

/** The namespace among whose copies that of a slot waits for a rate limit. */
export const limitedIn = ({ attempt }: Slot): ReadonlyArray<string> =>
  (attempt?._tag === "Waiting" || attempt?._tag === "Preparing") && attempt.limit !== undefined
    ? [attempt.task.image.namespace]
    : []

/** What was cancelled and is not gone yet. */
export const cancelledIn = ({ attempt, job }: Slot): ReadonlyArray<CopyTask> => [
  ...(attempt?._tag === "Creating" && attempt.isCancelled ? [attempt.task] : []),
  ...(job?._tag === "Stopping" ? [job.task] : [])
]

/** When something in a slot is due. */
export const timesIn = ({ attempt, job }: Slot): ReadonlyArray<number> =>
  [timeOf(attempt), job?.lookup?.at, job?._tag === "Finished" ? job.shortening?.at : undefined].filter(
    (at) => typeof at === "number"
  )

const timeOf = (attempt: Attempt | undefined): number | "Now" | undefined => {
  switch (attempt?._tag) {
    case "Waiting":
      return attempt.limit?.until
    case "Replacing":
      return attempt.until
    case "Creating":
      return attempt.unanswered?.at
    case "Preparing":
    case "Ended":
    case undefined:
      return undefined
  }
}

/** Where the limits and the Jobs' namespace are known. */
interface Setting {
  readonly limits: Limits
  readonly namespace: string
}

/** The copies in a slot, as their Images see them. */
export const copiesIn = (setting: Setting, slot: Slot): ReadonlyArray<Copy> => [
  ...copiesOfJob(slot.job),
  ...copiesOfAttempt(setting, slot)
]

const copiesOfJob = (own: OwnJob | undefined): ReadonlyArray<Copy> => {
  if (own === undefined || own._tag === "Stopping" || isReplaceable(own)) return []
  const state: CopyState = own._tag === "Finished" ? own.state : { _tag: "Running" }
  return [{ ...own.task, id: uidOf(own.job), state }]
}

const copiesOfAttempt = (setting: Setting, slot: Slot): ReadonlyArray<Copy> => {
  const { attempt } = slot
  if (attempt === undefined || (attempt._tag === "Creating" && attempt.isCancelled)) return []
  return [{ ...attempt.task, id: attempt.id, state: stateOf(setting, attempt, slot) }]
}

const stateOf = ({ limits, namespace }: Setting, attempt: Attempt, slot: Slot): CopyState => {
  switch (attempt._tag) {
    case "Waiting":
      if (attempt.limit?.until !== undefined) return { _tag: "Waiting", reason: attempt.limit.reason, limited: true }
      return {
        _tag: "Waiting",
        reason:
          slot.job === undefined || isQueued(slot)
            ? describeWait(limits)
            : `waiting for ${describeJob(namespace, slot.job.task)} to end`
      }
    case "Preparing":
      // Until it is known that the limit is no more.
      return attempt.limit === undefined
        ? { _tag: "Running" }
        : { _tag: "Waiting", reason: attempt.limit.reason, limited: true }
    case "Replacing":
      return { _tag: "Running" }
    case "Creating":
      return attempt.unanswered === undefined
        ? { _tag: "Running" }
        : { _tag: "Waiting", reason: `its Job may have been created: ${attempt.unanswered.message}` }
    case "Ended":
      return attempt.state
  }
}
