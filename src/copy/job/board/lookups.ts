/** Lookups of Jobs at the API server: while the watch has not shown a Job, or has not shown that it is gone. */
import { makesCopy, taskOf, uidOf } from "../Job.ts"
import { Command, type EventOf, type OfJob } from "../JobEvents.ts"
import { endCreating } from "./attempts.ts"
import { slotOf } from "./Board.ts"
import { type Draft, isDue, jobOf, putAttempt, putJob, refuse } from "./Draft.ts"
import { adopt, lose, update } from "./jobs.ts"
import { CHORE_BACKOFF, later, LOOKUP_BACKOFF, NOW } from "./Retry.ts"
import type { AttemptOf, OwnJob } from "./Slot.ts"

/** Looks up whether a create without an answer has made a Job. */
export const lookUpCreated = (draft: Draft, name: string, attempt: AttemptOf<"Creating">): void => {
  if (attempt.unanswered === undefined) return
  putAttempt(draft, name, { ...attempt, unanswered: { ...attempt.unanswered, at: "Now" } })
  draft.commands.push(Command.Check({ name, of: attempt.id }))
}

/** Looks up whether a Job exists. */
export const lookUp = (draft: Draft, name: string, job: OwnJob): void => {
  putJob(draft, name, { ...job, lookup: { tries: 0, ...job.lookup, at: "Now" } })
  draft.commands.push(Command.Check({ name, of: uidOf(job.job) }))
}

/** Schedules the next lookup of a Job that is looked up. No place depends on a finished Job. */
const lookUpAgain = (draft: Draft, event: OfJob): void => {
  const job = jobOf(draft, event)
  if (job?.lookup === undefined) return
  const lookup = later(draft.now, job.lookup, job._tag === "Finished" ? CHORE_BACKOFF : LOOKUP_BACKOFF)
  putJob(draft, event.name, { ...job, lookup })
}

/** A lookup has an answer. It is about a Job, or about the attempt that sent a create. */
export const checked = (draft: Draft, event: EventOf<"Checked">): void => {
  const { job: found, name, of } = event
  const job = jobOf(draft, { name, uid: of })
  // After the watch has shown a Job, the watch also shows its changes.
  if (job?.lookup === undefined) return checkedCreated(draft, event)
  if (found === undefined || uidOf(found) !== of) return lose(draft, { name, uid: of })
  if (job._tag === "Stopping") draft.commands.push(Command.Delete({ name, uid: of }))
  else lookUpAgain(draft, { name, uid: of })
  const { lookup } = jobOf(draft, { name, uid: of }) ?? job
  update(draft, name, { ...job, lookup }, found, false)
}

const checkedCreated = (draft: Draft, { job: found, name, of }: EventOf<"Checked">): void => {
  const { attempt, job } = slotOf(draft.board, name)
  if (attempt?._tag !== "Creating" || attempt.id !== of || attempt.unanswered === undefined) return
  const isOurs = found !== undefined && taskOf(found) !== undefined && makesCopy(found, attempt.task)
  if (isOurs && job === undefined) adopt(draft, name, attempt, found, { given: undefined })
  else endCreating(draft, name, attempt, attempt.unanswered.message)
}

export const notChecked = (draft: Draft, { name, of }: EventOf<"NotChecked">): void => {
  lookUpAgain(draft, { name, uid: of })
  const { attempt } = slotOf(draft.board, name)
  if (attempt?._tag !== "Creating" || attempt.id !== of || attempt.unanswered === undefined) return
  const { message } = attempt.unanswered
  const unanswered = { message, ...later(draft.now, attempt.unanswered, LOOKUP_BACKOFF) }
  putAttempt(draft, name, { ...attempt, unanswered })
}

/** A delete was accepted. The watch, or else a lookup, will show that the Job is gone. */
export const deleted = (draft: Draft, event: OfJob): void => {
  const job = jobOf(draft, event)
  if (job?._tag === "Stopping") return lookUpAgain(draft, event)
  if (job !== undefined) putJob(draft, event.name, { ...job, lookup: later(draft.now, NOW, LOOKUP_BACKOFF) })
}

export const notDeleted = (draft: Draft, event: EventOf<"NotDeleted">): void => {
  const { attempt } = slotOf(draft.board, event.name)
  const job = jobOf(draft, event)
  if (attempt?._tag === "Replacing" && job !== undefined) refuse(draft, event.name, attempt, event.message)
  if (job?._tag === "Stopping") lookUpAgain(draft, event)
}

/** Does the lookups of a slot that are due. */
export const tickLookups = (draft: Draft, name: string): void => {
  const { attempt, job } = slotOf(draft.board, name)
  if (attempt?._tag === "Creating" && isDue(draft, attempt.unanswered?.at)) lookUpCreated(draft, name, attempt)
  if (job !== undefined && isDue(draft, job.lookup?.at)) lookUp(draft, name, job)
}
