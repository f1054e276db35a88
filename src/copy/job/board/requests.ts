/** The requests of the engine's callers: to start, to cancel and to release a copy. */
import type { Copy, CopyTask } from "../../../domain/Copy.ts"
import { instant } from "../../../text/instant.ts"
import { uidOf } from "../Job.ts"
import { Command } from "../JobEvents.ts"
import { slotNameOf, slotOf } from "./Board.ts"
import { type Draft, dropAttempt, putAttempt, putJob } from "./Draft.ts"
import { released } from "./finished.ts"
import { stop } from "./jobs.ts"
import { answerTo } from "./queries.ts"
import { Attempt, isReplaceable, type OwnJob } from "./Slot.ts"

/** Starts a copy. If the Image's Job runs without its Secret, makes the Secret instead. */
export const start = (draft: Draft, task: CopyTask): void => {
  const name = slotNameOf(draft.board, task)
  if (answerTo(draft.board, task)._tag === "Started") {
    const order = draft.board.started
    draft.board = { ...draft.board, started: order + 1 }
    const id = `${instant(draft.now)}-${order + 1}`
    return putAttempt(draft, name, Attempt.Waiting({ id, order, task, limit: undefined }))
  }
  const { job } = slotOf(draft.board, name)
  if (job?._tag !== "Running" || job.task.image.uid !== task.image.uid) return
  if (job.secret !== "Unknown" && job.secret !== "Missing") return
  putJob(draft, name, { ...job, secret: "Retrying" })
  const owner = {
    image: task.image,
    source: { ...job.task.source, credentials: task.source.credentials },
    destination: { ...job.task.destination, credentials: task.destination.credentials }
  }
  draft.commands.push(Command.MakeSecret({ name, job: job.job, owner, given: undefined }))
}

const isOf = (job: OwnJob, { id }: Copy): boolean => job.id === id || uidOf(job.job) === id

export const cancel = (draft: Draft, copy: Copy): void => {
  const name = slotNameOf(draft.board, copy)
  const { attempt, job } = slotOf(draft.board, name)
  if (attempt?.id === copy.id) {
    // A sent create cannot be taken back. Its Job is deleted as soon as it is known.
    if (attempt._tag === "Creating") putAttempt(draft, name, { ...attempt, isCancelled: true })
    else dropAttempt(draft, name)
    // The attempt that the caller has listed may have its Job since then.
  } else if (job !== undefined && isOf(job, copy) && job._tag !== "Stopping" && !isReplaceable(job)) {
    stop(draft, name, job)
  }
}

export const release = (draft: Draft, copy: Copy): void => {
  const name = slotNameOf(draft.board, copy)
  const { attempt, job } = slotOf(draft.board, name)
  if (attempt?._tag === "Ended" && attempt.id === copy.id) return dropAttempt(draft, name)
  if (job?._tag === "Finished" && !job.isReleased && isOf(job, copy)) released(draft, name, job)
}
