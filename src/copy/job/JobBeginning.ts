/**
 * How a Job that runs is getting on, by what the cluster says of its pods: whether its copy has ended, until when one of its
 * containers has to start, and what keeps them from that. Pure.
 */
import type { Reason } from "../../domain/Reason.ts"
import type { JobObject } from "../../kube/Resources.ts"
import { isSuspended, outcomeOf } from "./Job.ts"
import type { Ended } from "./JobEvents.ts"
import { type JobPod, mayWrite, type Obstacle, obstacleOf } from "./JobPod.ts"
import { type Beginning, NOT_BEGUN, type OwnJob, podsIn, type Slot } from "./JobSlot.ts"

type Running = Extract<OwnJob, { readonly _tag: "Running" }>

/** What is known beside the slot. */
interface Setting {
  readonly namespace: string
  /** Whether all pods have been listed: until then a Job that has none is not known to have none. */
  readonly podsListed: boolean
  /** How long a Job may have no container that runs. */
  readonly startMillis: number
}

/** When the API server is asked for the pods of a Job that has none: while none was seen, and after one has ended. */
const CHECK_MILLIS = { first: 5_000, next: 30_000 }
/** How long a pod may live on after Skopeo: its Job's controller needs a moment, and sidecars may not end. */
export const LINGER_MILLIS = 15_000
/** An obstacle in the words of a condition, which name the Job. */
const obstacleOfJob = (namespace: string, job: JobObject, { message, reason }: Obstacle): Obstacle => ({
  reason,
  message: `Job ${namespace}/${job.metadata.name}: ${message}`
})

/** Why a Job has no pod. */
export const withoutPod = (namespace: string, job: JobObject, why: string): Obstacle =>
  obstacleOfJob(namespace, job, obstacleOf("PodNotCreated", `it has no pod: ${why}`))

/** How the copy of a Job has ended, if it has: Skopeo's end is the copy's, whatever else runs in its pod. */
export const endOf = (slot: Slot, own: Running, now: number): Ended | undefined => {
  const outcome = outcomeOf(own.job)
  if (outcome._tag !== "Active") return outcome
  if (podsIn(slot).some(({ exitCode }) => exitCode === 0)) return { _tag: "Complete", at: undefined }
  const { endAt } = own.beginning
  return endAt !== undefined && endAt <= now && podsIn(slot).some(isLingering)
    ? { _tag: "Failed", reason: "CopyFailed", message: "skopeo failed", at: undefined }
    : undefined
}

const isLingering = ({ exitCode, hasEnded }: JobPod): boolean => exitCode !== undefined && exitCode !== 0 && !hasEnded

/** How the pods of a Job that runs are getting on by now. */
export const beginningOf = (
  { namespace, podsListed, startMillis }: Setting,
  slot: Slot,
  own: Running,
  now: number
): Beginning => {
  const { beginning, secretRefusal } = own
  const ofJob = (reason: Reason, words: string) => obstacleOfJob(namespace, own.job, obstacleOf(reason, words))
  if (isSuspended(own.job)) return { ...NOT_BEGUN, obstacle: ofJob("JobSuspended", "it is suspended") }
  const pods = podsIn(slot)
  const endAt = pods.some(isLingering) ? (beginning.endAt ?? now + LINGER_MILLIS) : undefined
  const open = pods.filter(mayWrite)
  if (!podsListed || endAt !== undefined || open.some(({ hasBegun }) => hasBegun)) return { ...NOT_BEGUN, endAt }
  const startBy = beginning.startBy ?? now + startMillis
  const newest = open.at(-1)
  const isLate = startBy <= now
  const check = newest === undefined || isLate || beginning.check?.at === "Now" ? beginning.check : undefined
  if (secretRefusal !== undefined) {
    const obstacle = ofJob("SecretNotCreated", `the Secret of its credentials: ${secretRefusal}`)
    return { endAt, startBy, check, obstacle }
  }
  if (newest === undefined) {
    const first = now + (pods.length === 0 ? CHECK_MILLIS.first : CHECK_MILLIS.next)
    const { obstacle } = beginning
    const refusal = obstacle?.reason === "PodNotCreated" ? obstacle : undefined
    return { endAt, startBy, check: check ?? { at: first, tries: 0 }, obstacle: refusal }
  }
  const obstacle = newest.obstacle && obstacleOfJob(namespace, own.job, newest.obstacle)
  // A kubelet says by turns why it could not pull an image, and that it waits before it tries again.
  const isRepeated = obstacle?.reason === "PodImageNotPulled" && beginning.obstacle?.reason === obstacle.reason
  return { endAt, startBy, check, obstacle: isRepeated ? beginning.obstacle : obstacle }
}
