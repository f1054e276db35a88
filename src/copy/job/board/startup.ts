/**
 * The startup of a running Job, as the cluster reports the Job's pods: whether the copy has ended, the deadline for the first
 * container, and what keeps the containers from starting. Pure.
 */
import type { Reason } from "../../../domain/Reason.ts"
import type { JobObject } from "../../../kube/Resources.ts"
import { isSuspended, outcomeOf } from "../Job.ts"
import type { Ended } from "../JobEvents.ts"
import { type JobPod, mayWrite, type Obstacle, obstacleOf } from "../JobPod.ts"
import type { BoardOptions } from "./Board.ts"
import { type JobOf, NO_STARTUP, podsIn, type Slot, type Startup } from "./Slot.ts"

/** The part of a board that a startup depends on. */
interface Setting extends Pick<BoardOptions, "namespace" | "startMillis"> {
  readonly podsListed: boolean
}

/** The delay before the pods of a Job without pods are listed: `first` before any pod was seen, `next` after one has ended. */
const CHECK_MILLIS = { first: 5_000, next: 30_000 }

/** How long a pod may run on after Skopeo. Its Job's controller needs a moment, and a sidecar may not end. */
export const LINGER_MILLIS = 15_000

/** An obstacle with the name of its Job, as a condition shows it. */
const obstacleOfJob = (namespace: string, job: JobObject, { message, reason }: Obstacle): Obstacle => ({
  reason,
  message: `Job ${namespace}/${job.metadata.name}: ${message}`
})

/** The obstacle of a Job that has no pod. */
export const withoutPod = (namespace: string, job: JobObject, why: string): Obstacle =>
  obstacleOfJob(namespace, job, obstacleOf("PodNotCreated", `it has no pod: ${why}`))

/** How the copy of a Job has ended, if it has. The end of Skopeo is the end of the copy, whatever else runs in the pod. */
export const endOf = (slot: Slot, own: JobOf<"Running">): Ended | undefined => {
  const outcome = outcomeOf(own.job)
  if (outcome._tag !== "Active") return outcome
  return podsIn(slot).some(({ exitCode }) => exitCode === 0) ? { _tag: "Complete", at: undefined } : undefined
}

/** The end of a copy whose pod runs on after Skopeo has failed in it. */
export const LINGERED: Ended = { _tag: "Failed", reason: "CopyFailed", message: "skopeo failed", at: undefined }

/** Whether a pod runs on after Skopeo has failed in it. */
export const isLingering = ({ exitCode, hasEnded }: JobPod): boolean =>
  exitCode !== undefined && exitCode !== 0 && !hasEnded

export const startupOf = (
  { namespace, podsListed, startMillis }: Setting,
  slot: Slot,
  own: JobOf<"Running">,
  now: number
): Startup => {
  const { secretRefusal, startup } = own
  const ofJob = (reason: Reason, words: string) => obstacleOfJob(namespace, own.job, obstacleOf(reason, words))
  if (isSuspended(own.job)) return { ...NO_STARTUP, obstacle: ofJob("JobSuspended", "it is suspended") }
  const pods = podsIn(slot)
  const endAt = pods.some(isLingering) ? (startup.endAt ?? now + LINGER_MILLIS) : undefined
  if (endAt !== undefined)
    return { ...NO_STARTUP, endAt, check: startup.endAt === undefined ? undefined : startup.check }
  const open = pods.filter(mayWrite)
  if (!podsListed || open.some(({ hasBegun }) => hasBegun)) return NO_STARTUP
  const startBy = startup.startBy ?? now + startMillis
  const newest = open.at(-1)
  const isLate = startBy <= now
  const check = newest === undefined || isLate || startup.check?.at === "Now" ? startup.check : undefined
  if (secretRefusal !== undefined) {
    const obstacle = ofJob("SecretNotCreated", `the Secret of its credentials: ${secretRefusal}`)
    return { endAt, startBy, check, obstacle }
  }
  if (newest === undefined) {
    const first = now + (pods.length === 0 ? CHECK_MILLIS.first : CHECK_MILLIS.next)
    const refusal = startup.obstacle?.reason === "PodNotCreated" ? startup.obstacle : undefined
    return { endAt, startBy, check: check ?? { at: first, tries: 0 }, obstacle: refusal }
  }
  const obstacle = newest.obstacle && obstacleOfJob(namespace, own.job, newest.obstacle)
  // A kubelet alternates between the failure of a pull and the delay before the next pull. The first message stays.
  const isRepeated = obstacle?.reason === "PodImageNotPulled" && startup.obstacle?.reason === obstacle.reason
  return { endAt, startBy, check, obstacle: isRepeated ? startup.obstacle : obstacle }
}
