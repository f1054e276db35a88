/** The watches of Jobs and pods: single changes, and complete lists. */
import { HashMap } from "effect"
import type { JobObject } from "../../../kube/Resources.ts"
import { makesCopy, taskOf, uidOf } from "../Job.ts"
import type { OfJob } from "../JobEvents.ts"
import type { JobPod } from "../JobPod.ts"
import { createIfFree } from "./attempts.ts"
import { slotOf } from "./Board.ts"
import { type Draft, put, putJob } from "./Draft.ts"
import { adopt, awaited, lose, update } from "./jobs.ts"
import { lookUp } from "./lookups.ts"
import { NO_STARTUP, OwnJob } from "./Slot.ts"

export const jobSeen = (draft: Draft, job: JobObject): void => {
  const { name } = job.metadata
  const { job: known } = slotOf(draft.board, name)
  if (known !== undefined && uidOf(known.job) === uidOf(job)) return update(draft, name, known, job, true)
  const task = taskOf(job)
  if (task === undefined) return
  if (known !== undefined) lose(draft, { name, uid: uidOf(known.job) })
  const { attempt } = slotOf(draft.board, name)
  // The answer to the attempt's create is outstanding or lost.
  if (attempt !== undefined && attempt._tag !== "Ended" && makesCopy(job, attempt.task)) {
    return adopt(draft, name, attempt, job)
  }
  const found = { secret: "Unknown", secretRefusal: undefined, given: undefined, startup: NO_STARTUP } as const
  putJob(draft, name, OwnJob.Running({ job, task, id: undefined, lookup: undefined, ...found }))
}

export const jobsRelisted = (draft: Draft, jobs: ReadonlyArray<JobObject>): void => {
  const listed = new Set(jobs.map(uidOf))
  for (const [name, { job }] of HashMap.entries(draft.board.slots)) {
    if (job === undefined || listed.has(uidOf(job.job))) continue
    // The list may be older than the create of a Job that is looked up.
    if (job.lookup === undefined) lose(draft, { name, uid: uidOf(job.job) })
    else lookUp(draft, name, job)
  }
  for (const job of jobs) jobSeen(draft, job)
}

export const podSeen = (draft: Draft, pod: JobPod): void => {
  const { name } = pod.job
  const slot = slotOf(draft.board, name)
  const { pods = [] } = slot
  const known = pods.find(({ uid }) => uid === pod.uid)
  // After the time for a pod is over, no later version of the pod is waited for again.
  const seen = known === undefined ? awaited(draft, pod) : { ...pod, awaitedUntil: known.awaitedUntil }
  const others = known === undefined ? [...pods, seen] : pods.map((other) => (other === known ? seen : other))
  put(draft, name, { ...slot, pods: others })
  createIfFree(draft, name)
}

/** A pod is in a list. A list may be older than the watch's version of a known pod. */
export const podListed = (draft: Draft, pod: JobPod): void => {
  const { pods = [] } = slotOf(draft.board, pod.job.name)
  if (pods.every(({ uid }) => uid !== pod.uid)) podSeen(draft, pod)
}

export const podGone = (draft: Draft, { name, uid }: OfJob): void => losePods(draft, name, (pod) => pod.uid === uid)

export const podsRelisted = (draft: Draft, pods: ReadonlyArray<JobPod>): void => {
  draft.board = { ...draft.board, podsListed: true }
  const listed = new Set(pods.map(({ uid }) => uid))
  for (const [name, slot] of HashMap.entries(draft.board.slots)) {
    losePods(draft, name, ({ uid }) => !listed.has(uid))
    // The review of this step finds out which running Jobs have no pod.
    if (slot.job?._tag === "Running") put(draft, name, slotOf(draft.board, name))
  }
  for (const pod of pods) podSeen(draft, pod)
}

const losePods = (draft: Draft, name: string, isLost: (pod: JobPod) => boolean): void => {
  const slot = slotOf(draft.board, name)
  if (slot.pods?.some(isLost) !== true) return
  put(draft, name, { ...slot, pods: slot.pods.filter((pod) => !isLost(pod)) })
  createIfFree(draft, name)
}
