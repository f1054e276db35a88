/** The Job in a slot: an attempt gets it, it changes, it is stopped, it is gone. */
import type { Access } from "../../../credentials/access.ts"
import { keyOf } from "../../../domain/ImageKey.ts"
import type { JobObject } from "../../../kube/Resources.ts"
import { uidOf } from "../Job.ts"
import { Command, type EventOf, type OfJob } from "../JobEvents.ts"
import type { JobPod } from "../JobPod.ts"
import { createIfFree } from "./attempts.ts"
import { slotOf } from "./Board.ts"
import { type Draft, jobOf, put, putJob } from "./Draft.ts"
import { later, LOOKUP_BACKOFF, NOW } from "./Retry.ts"
import { type Attempt, isActive, type JobOf, NO_STARTUP, OwnJob, type SlotPod, takesPlace } from "./Slot.ts"

/** How long the next attempt waits for a pod whose Job is gone. A pod on a lost node never ends. */
const POD_REMOVAL_SECONDS = 120

/**
 * An attempt gets its Job. `answer` is present if the API server's answer shows the Job before the watch does. Then the Job is
 * looked up until the watch shows it.
 */
export const adopt = (
  draft: Draft,
  name: string,
  attempt: Attempt,
  job: JobObject,
  answer?: { readonly given: Access | undefined }
): void => {
  const { id, task } = attempt
  const lookup = answer === undefined ? undefined : later(draft.now, NOW, LOOKUP_BACKOFF)
  const begun = { secret: "Making", secretRefusal: undefined, given: answer?.given, startup: NO_STARTUP } as const
  const own = OwnJob.Running({ job, task, id, lookup, ...begun })
  const { attempt: _, ...slot } = slotOf(draft.board, name)
  put(draft, name, { ...slot, job: own })
  if (attempt._tag === "Creating" && attempt.isCancelled) return stop(draft, name, own)
  // An outstanding answer to the create will bring the content of the Secret.
  const isAnswered = answer !== undefined || attempt._tag !== "Creating" || attempt.unanswered !== undefined
  if (isAnswered) makeSecret(draft, name, answer?.given)
}

export const makeSecret = (draft: Draft, name: string, given: Access | undefined): void => {
  const { job } = slotOf(draft.board, name)
  if (job?._tag !== "Running") return
  draft.commands.push(Command.MakeSecret({ name, job: job.job, owner: job.task, given }))
}

export const secretMade = (draft: Draft, event: EventOf<"SecretMade">): void =>
  onRunning(draft, event, (job) => ({ ...job, secret: "Made", secretRefusal: undefined, given: event.access }))

export const secretNotMade = (draft: Draft, event: EventOf<"SecretNotMade">): void =>
  onRunning(draft, event, (job) => {
    // The caller of a start gets a failed retry as the start's own error. A first failure has to be announced.
    if (job.secret === "Making") draft.announced.set(keyOf(job.task.image), job.task.image)
    return { ...job, secret: "Missing", secretRefusal: event.message }
  })

export const onRunning = (draft: Draft, event: OfJob, change: (job: JobOf<"Running">) => OwnJob): void => {
  const job = jobOf(draft, event)
  if (job?._tag === "Running") putJob(draft, event.name, change(job))
}

/** A known Job has changed. An older version from the watch does not reopen a Job that has ended. */
export const update = (draft: Draft, name: string, known: OwnJob, version: JobObject, isFromWatch: boolean): void => {
  const job = isActive(known) ? version : known.job
  putJob(draft, name, { ...known, job, lookup: isFromWatch && known._tag !== "Stopping" ? undefined : known.lookup })
}

/** Deletes a Job until it is gone. */
export const stop = (draft: Draft, name: string, own: OwnJob): void => {
  const { id, job, task } = own
  putJob(draft, name, OwnJob.Stopping({ job, task, id, lookup: NOW, holdsPlace: takesPlace(own) }))
  draft.commands.push(Command.Delete({ name, uid: uidOf(job) }))
}

/** A Job is gone. The next attempt waits for the Job's pods. */
export const lose = (draft: Draft, { name, uid }: OfJob): void => {
  const { job, ...slot } = slotOf(draft.board, name)
  if (job === undefined || uidOf(job.job) !== uid) return
  put(draft, name, { ...slot, pods: (slot.pods ?? []).map((pod) => awaited(draft, pod)) })
  createIfFree(draft, name)
}

/** A pod that the next attempt waits for, until a time. */
export const awaited = ({ now }: Draft, pod: JobPod): SlotPod => ({
  ...pod,
  awaitedUntil: now + POD_REMOVAL_SECONDS * 1_000
})
