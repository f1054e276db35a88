/**
 * The slot of one destination: the attempt that has no Job yet, the Job of the slot's name in the cluster, and the pods of
 * all Jobs of that name. This file has their states, and everything that follows from one slot alone. Pure.
 */
import { Data } from "effect"
import type { Access } from "../../../credentials/access.ts"
import type { Copy, CopyState, CopyTask } from "../../../domain/Copy.ts"
import type { JobObject } from "../../../kube/Resources.ts"
import { type Claim, claimOf, describeWait, type Limits } from "../../CopyLimits.ts"
import { describeJob, isSuspended, outcomeOf, uidOf } from "../Job.ts"
import type { Chore, Prepared } from "../JobEvents.ts"
import { type JobPod, mayWrite, type Obstacle } from "../JobPod.ts"
import type { Retry } from "./Retry.ts"

/** A copy that was requested. */
export interface Asked {
  /** Identifies this attempt at the copy. */
  readonly id: string
  /** How many attempts were started before this one. */
  readonly order: number
  readonly task: CopyTask
}

interface Queued extends Asked {
  /**
   * Present since the rate limit of the source has delayed the attempt. The attempt keeps its position among the limited
   * copies of its namespace. `until` is absent while the limit is tried again.
   */
  readonly limit: { readonly reason: string; readonly until: number | undefined } | undefined
}

/**
 * A copy that was requested and has no Job.
 *
 * - `Waiting`: for the rate limit of the source, for a place, or for the Job that has its name
 * - `Preparing`: the credentials and digests for its Job are fetched
 * - `Replacing`: the Job of an earlier attempt is deleted, until a time; then the attempt waits for that Job's pods
 * - `Creating`: the create was sent. `unanswered`: its answer was lost, and the Job may exist
 * - `Ended`: the copy has failed, or needed no Job. It stays until it is released
 */
export type Attempt = Data.TaggedEnum<{
  Waiting: Queued
  Preparing: Queued
  Replacing: Asked & { readonly prepared: Prepared; readonly until: number | undefined }
  Creating: Asked & { readonly isCancelled: boolean; readonly unanswered?: Retry & { readonly message: string } }
  Ended: Asked & { readonly state: CopyState }
}>
export const Attempt = Data.taggedEnum<Attempt>()
export type AttemptOf<Tag extends Attempt["_tag"]> = Extract<Attempt, { readonly _tag: Tag }>

export interface Owned {
  readonly job: JobObject
  readonly task: CopyTask
  /** The attempt that the Job was created for. Absent if another process has created the Job. */
  readonly id: string | undefined
  /**
   * Present while the watch may not report the Job: before the watch has shown it, and while the watch has yet to show that
   * it is gone. The Job is looked up meanwhile.
   */
  readonly lookup: Retry | undefined
}

/**
 * The state of a Job's Secret.
 *
 * - `Unknown`: another process has created the Job. The next start makes the Secret
 * - `Making`: the Secret is made after the create of the Job
 * - `Retrying`: a start has requested the Secret, and waits for the result
 * - `Missing`: the Secret could not be made. The next start tries again
 */
export type SecretState = "Unknown" | "Making" | "Retrying" | "Missing" | "Made"

/** The startup of a running Job. */
export interface Startup {
  /** The deadline for the first container. Absent while a container runs, and while the Job is suspended. */
  readonly startBy: number | undefined
  /** The next list of the Job's pods. Present while the Job has no pod, after the deadline, and after `endAt`. */
  readonly check: Retry | undefined
  /** What keeps the containers from starting, if that is known. */
  readonly obstacle: Obstacle | undefined
  /**
   * From when on the failure of Skopeo counts as the end of the Job, if a list of the Job's pods confirms it. Present while a
   * pod runs on after Skopeo has failed in it.
   */
  readonly endAt: number | undefined
}

/** No startup is pending. */
export const NO_STARTUP: Startup = { startBy: undefined, check: undefined, obstacle: undefined, endAt: undefined }

/**
 * A Job that exists.
 *
 * - `Running`: the Job's conditions and the exit code of Skopeo do not say that the copy has ended. `given` is the content of
 *   its Secret, `secretRefusal` the reason why the Secret could not be made
 * - `Stopping`: its copy was cancelled. The Job is deleted until it is gone. `holdsPlace`: it ran when it was cancelled
 * - `Inspecting`: the copy has ended, and its result is read
 * - `Finished`: the result is known. `isReleased`: the result is recorded. `chores` are left to do with the Job
 */
export type OwnJob = Data.TaggedEnum<{
  Running: Owned & {
    readonly secret: SecretState
    readonly secretRefusal: string | undefined
    readonly given: Access | undefined
    readonly startup: Startup
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
export type JobOf<Tag extends OwnJob["_tag"]> = Extract<OwnJob, { readonly _tag: Tag }>

/** A pod of a Job of the slot's name. */
export interface SlotPod extends JobPod {
  /** How long the next attempt waits for this pod once the pod's Job is gone. Absent: the wait is over. */
  readonly awaitedUntil: number | undefined
}

export interface Slot {
  readonly attempt?: Attempt
  readonly job?: OwnJob
  readonly pods?: ReadonlyArray<SlotPod>
}

/** The pods of the slot's Job. The pod that was seen first comes first. */
export const podsIn = ({ job, pods = [] }: Slot): ReadonlyArray<SlotPod> =>
  job === undefined ? [] : pods.filter((pod) => pod.job.uid === uidOf(job.job))

/** The pods of deleted Jobs that may still write the destination, and that the next attempt waits for. */
export const straysIn = ({ job, pods = [] }: Slot): ReadonlyArray<SlotPod> =>
  pods.filter(
    (pod) => (job === undefined || pod.job.uid !== uidOf(job.job)) && mayWrite(pod) && pod.awaitedUntil !== undefined
  )

/** The uids of pods that may still write the destination, and that the next attempt no longer waits for. */
export const overdueIn = ({ pods = [] }: Slot): ReadonlyArray<string> =>
  pods.filter((pod) => mayWrite(pod) && pod.awaitedUntil === undefined).map(({ uid }) => uid)

/** Whether the conditions of a Job do not say that it has ended. */
export const isActive = ({ job }: Owned): boolean => outcomeOf(job)._tag === "Active"

/** Whether a Job is kept for its log only. The next Job of its name may replace it. */
export const isReplaceable = (job: OwnJob): boolean => job._tag === "Finished" && job.isReleased

/** Whether a failed Job is kept for its log. */
export const isKept = (job: OwnJob | undefined): job is JobOf<"Finished"> =>
  job?._tag === "Finished" &&
  job.isReleased &&
  job.state._tag === "Failed" &&
  outcomeOf(job.job)._tag !== "Complete" &&
  job.chores.Delete === undefined

/** Whether a copy waits for nothing but a place. */
export const isQueued = (slot: Slot): boolean =>
  slot.attempt?._tag === "Waiting" &&
  slot.attempt.limit?.until === undefined &&
  (slot.job === undefined || isReplaceable(slot.job)) &&
  straysIn(slot).length === 0

const isBeingMade = ({ _tag }: Attempt): boolean => _tag === "Preparing" || _tag === "Replacing" || _tag === "Creating"

/** Whether a Job takes a place. A cancelled Job keeps its place until it is gone. A suspended Job has no pods. */
export const takesPlace = (job: OwnJob): boolean =>
  (job._tag === "Running" && !isSuspended(job.job)) || (job._tag === "Stopping" && job.holdsPlace && isActive(job))

/**
 * The places that a slot takes. A copy takes a place from its preparation until its Job has ended, or is known not to exist.
 * A lost answer frees no place.
 */
export const claimsIn = (name: string, { attempt, job }: Slot): ReadonlyArray<Claim> => [
  ...(attempt !== undefined && isBeingMade(attempt) ? [claimOf(name, attempt.order, attempt.task)] : []),
  ...(job !== undefined && takesPlace(job) ? [claimOf(uidOf(job.job), 0, job.task)] : [])
]

/** The attempts whose preparation or reserved pulls are still in use. */
export const keptIn = ({ attempt, job }: Slot): ReadonlyArray<string> => [
  ...(attempt !== undefined && isBeingMade(attempt) ? [attempt.id] : []),
  ...(job?.id !== undefined && (job._tag === "Running" || takesPlace(job)) ? [job.id] : [])
]

/** The namespace of the slot's copy, if a rate limit has delayed the copy. */
export const limitedIn = ({ attempt }: Slot): ReadonlyArray<string> =>
  (attempt?._tag === "Waiting" || attempt?._tag === "Preparing") && attempt.limit !== undefined
    ? [attempt.task.image.namespace]
    : []

/** The cancelled copies whose Jobs may still exist. */
export const cancelledIn = ({ attempt, job }: Slot): ReadonlyArray<CopyTask> => [
  ...(attempt?._tag === "Creating" && attempt.isCancelled ? [attempt.task] : []),
  ...(job?._tag === "Stopping" ? [job.task] : [])
]

/** The times at which something in a slot is due. */
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
  return [nextCheckOf(job.startup)]
}

/** When the pods of a running Job are listed next. */
export const nextCheckOf = ({ check, endAt, startBy }: Startup): number | "Now" | undefined =>
  check === undefined ? (endAt ?? startBy) : check.at

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

/** The part of a board that the words for a waiting copy depend on. */
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
  const obstacle = own._tag === "Running" ? own.startup.obstacle : undefined
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
      // The preparation finds out whether the rate limit has ended.
      return attempt.limit === undefined
        ? { _tag: "Running", isPreparing: true }
        : { _tag: "Waiting", reason: attempt.limit.reason, limited: true }
    case "Replacing":
      return { _tag: "Running", isPreparing: true }
    case "Creating":
      return attempt.unanswered === undefined
        ? { _tag: "Running" }
        : { _tag: "Waiting", reason: `its Job may have been created: ${attempt.unanswered.message}` }
    case "Ended":
      return attempt.state
  }
}

/** The reason why a waiting copy may not take a place yet. */
const waitOf = (namespace: string, slot: Slot): string | undefined => {
  if (slot.job !== undefined && !isReplaceable(slot.job)) {
    return `waiting for ${describeJob(namespace, slot.job.task, slot.job.job.metadata.name)} to end`
  }
  const [stray] = straysIn(slot)
  return stray === undefined ? undefined : `waiting for pod ${namespace}/${stray.name} of an earlier Job to end`
}
