/**
 * A slot for the copies to one destination: the copy that was asked for and has no Job yet, the Job of the slot's name that
 * the cluster has, and the pods of Jobs of that name. Pure: the states of these, and what follows from them alone.
 */
import { Data } from "effect"
import type { Access } from "../../credentials/access.ts"
import type { Copy, CopyState, CopyTask } from "../../domain/Copy.ts"
import type { JobObject } from "../../kube/Resources.ts"
import { type Claim, claimOf, describeWait, type Limits } from "../CopyLimits.ts"
import { describeJob, isSuspended, outcomeOf, uidOf } from "./Job.ts"
import type { Chore, Prepared } from "./JobEvents.ts"
import { type JobPod, mayWrite, type Obstacle } from "./JobPod.ts"

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
 * - `Replacing`: the Job of an earlier attempt is being deleted, `until` a time; then its pods are awaited
 * - `Creating`: the create has been sent. With `unanswered` its answer was lost, and the Job may exist
 * - `Ended`: it failed, or no Job was needed; so until it is released
 */
export type Attempt = Data.TaggedEnum<{
  Waiting: Queued
  Preparing: Queued
  Replacing: Asked & { readonly prepared: Prepared; readonly until: number | undefined }
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

/** How the pods of a Job that runs are getting on. */
export interface Beginning {
  /** Until when one of its containers has to have started. Absent once one runs, and while the Job is suspended. */
  readonly startBy: number | undefined
  /** Set while it has no pod, and when none has started in time: when the API server is asked for them. */
  readonly check: Retry | undefined
  /** Why none of its containers runs, as far as that is known. */
  readonly obstacle: Obstacle | undefined
  /** Set since Skopeo has failed in a pod that lives on: when that counts as the end of the Job. */
  readonly endAt: number | undefined
}

export const NOT_BEGUN: Beginning = { startBy: undefined, check: undefined, obstacle: undefined, endAt: undefined }

/**
 * A Job that exists.
 *
 * - `Running`: until its conditions, or Skopeo's exit code, say that the copy has ended. `given` is what its Secret was made
 *   of, `secretRefusal` why it could not be made
 * - `Stopping`: its copy was cancelled; it is deleted until it is gone. `holdsPlace` if it ran until then
 * - `Inspecting`: the copy has ended, and what became of it is being found out
 * - `Finished`: that is known. `isReleased` once it is recorded; `chores` are what is still to be done with the Job
 */
export type OwnJob = Data.TaggedEnum<{
  Running: Owned & {
    readonly secret: SecretState
    readonly secretRefusal: string | undefined
    readonly given: Access | undefined
    readonly beginning: Beginning
  }
  Stopping: Owned & { readonly holdsPlace: boolean }
  Inspecting: Owned
  Finished: Owned & {
    readonly state: CopyState
    readonly isReleased: boolean
    readonly chores: Readonly<Partial<Record<Chore, Retry>>>
  }
}>
export const OwnJob = Data.taggedEnum<OwnJob>()

/** A pod of a Job of the slot's name. Once that Job is gone the next one waits for the pod, until a time if there is one. */
export interface SlotPod extends JobPod {
  readonly awaitedUntil: number | undefined
}

export interface Slot {
  readonly attempt?: Attempt
  readonly job?: OwnJob
  readonly pods?: ReadonlyArray<SlotPod>
}

/** The pods of the slot's Job, those that were seen last at the end. */
export const podsIn = ({ job, pods = [] }: Slot): ReadonlyArray<SlotPod> =>
  job === undefined ? [] : pods.filter((pod) => pod.job.uid === uidOf(job.job))

/** The pods of Jobs that are gone: they may still write the destination. */
export const straysIn = ({ job, pods = [] }: Slot): ReadonlyArray<SlotPod> =>
  pods.filter(
    (pod) => (job === undefined || pod.job.uid !== uidOf(job.job)) && mayWrite(pod) && pod.awaitedUntil !== undefined
  )

/** Whether a Job has not ended. */
export const isActive = ({ job }: Owned): boolean => outcomeOf(job)._tag === "Active"

/** Whether a Job is kept for its log alone: the next of its name may replace it. */
export const isReplaceable = (job: OwnJob): boolean => job._tag === "Finished" && job.isReleased

/** Whether a Job that has failed is kept, so that its log can be read. */
export const isKept = (job: OwnJob | undefined): job is Extract<OwnJob, { readonly _tag: "Finished" }> =>
  job?._tag === "Finished" && job.isReleased && job.state._tag === "Failed" && job.chores.Delete === undefined

/** Whether a copy waits for a free place, and for nothing else. */
export const isQueued = (slot: Slot): boolean =>
  slot.attempt?._tag === "Waiting" &&
  slot.attempt.limit?.until === undefined &&
  (slot.job === undefined || isReplaceable(slot.job)) &&
  straysIn(slot).length === 0

const isBeingMade = ({ _tag }: Attempt): boolean => _tag === "Preparing" || _tag === "Replacing" || _tag === "Creating"

/** Whether a Job takes a place, or did when its copy was cancelled. A suspended Job has no pods. */
export const takesPlace = (job: OwnJob): boolean =>
  (job._tag === "Running" && !isSuspended(job.job)) || (job._tag === "Stopping" && job.holdsPlace && isActive(job))

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
  ...(job?.id !== undefined && (job._tag === "Running" || takesPlace(job)) ? [job.id] : [])
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
export const timesIn = (slot: Slot): ReadonlyArray<number> =>
  [
    timeOf(slot.attempt),
    slot.job?.lookup?.at,
    ...timesOfJob(slot.job),
    ...straysIn(slot).map(({ awaitedUntil }) => awaitedUntil)
  ].filter((at) => typeof at === "number")

const timesOfJob = (job: OwnJob | undefined): ReadonlyArray<number | "Now" | undefined> => {
  if (job?._tag === "Finished") return Object.values(job.chores).map(({ at }) => at)
  if (job?._tag !== "Running") return []
  const { check, endAt, startBy } = job.beginning
  return [endAt, check === undefined ? startBy : check.at]
}

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
  return [{ ...own.task, id: uidOf(own.job), state: stateOfJob(own) }]
}

const stateOfJob = (own: OwnJob): CopyState => {
  if (own._tag === "Finished") return own.state
  const obstacle = own._tag === "Running" ? own.beginning.obstacle : undefined
  return obstacle === undefined
    ? { _tag: "Running" }
    : { _tag: "Waiting", reason: obstacle.message, obstacle: obstacle.reason }
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
      return { _tag: "Waiting", reason: waitOf(namespace, slot) ?? describeWait(limits) }
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

/** What a copy waits for beside a free place. */
const waitOf = (namespace: string, slot: Slot): string | undefined => {
  if (slot.job !== undefined && !isReplaceable(slot.job)) {
    return `waiting for ${describeJob(namespace, slot.job.task)} to end`
  }
  const [stray] = straysIn(slot)
  return stray === undefined ? undefined : `waiting for pod ${namespace}/${stray.name} of an earlier Job to end`
}
