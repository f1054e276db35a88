/** A step while it is made: the board so far, and the commands so far. Only files of this folder see a draft. */
import type { CopyState } from "../../../domain/Copy.ts"
import type { ImageKey } from "../../../domain/ImageKey.ts"
import type { Reason } from "../../../domain/Reason.ts"
import { describeJob, uidOf } from "../Job.ts"
import type { Command, OfJob } from "../JobEvents.ts"
import { type Board, slotOf, withSlot } from "./Board.ts"
import { type Asked, Attempt, type OwnJob, type Slot } from "./Slot.ts"

export interface Draft {
  board: Board
  /** In milliseconds since the epoch. */
  readonly now: number
  readonly commands: Array<Command>
  /** The changed slots, as they were before the step. */
  readonly before: Map<string, Slot>
  /** Images that are announced although their copies look the same. */
  readonly announced: Map<string, ImageKey>
}

export const draftOf = (board: Board, now: number): Draft => ({
  board,
  now,
  commands: [],
  before: new Map(),
  announced: new Map()
})

export const put = (draft: Draft, name: string, slot: Slot): void => {
  if (!draft.before.has(name)) draft.before.set(name, slotOf(draft.board, name))
  draft.board = withSlot(draft.board, name, slot)
}

export const putAttempt = (draft: Draft, name: string, attempt: Attempt): void =>
  put(draft, name, { ...slotOf(draft.board, name), attempt })

export const putJob = (draft: Draft, name: string, job: OwnJob): void =>
  put(draft, name, { ...slotOf(draft.board, name), job })

export const dropAttempt = (draft: Draft, name: string): void => {
  const { attempt: _, ...slot } = slotOf(draft.board, name)
  put(draft, name, slot)
}

/** The Job that an event names, if its slot still holds it. */
export const jobOf = (draft: Draft, { name, uid }: OfJob): OwnJob | undefined => {
  const { job } = slotOf(draft.board, name)
  return job !== undefined && uidOf(job.job) === uid ? job : undefined
}

/** A copy that has failed now. */
export const failed = (
  { now }: Draft,
  { message, reason, until }: { readonly reason: Reason; readonly message: string; readonly until?: number | undefined }
): CopyState => ({ _tag: "Failed", at: now, reason, message, ...(until === undefined ? {} : { until }) })

export const endAttempt = (draft: Draft, name: string, { id, order, task }: Asked, state: CopyState): void =>
  putAttempt(draft, name, Attempt.Ended({ id, order, task, state }))

/** Ends an attempt because its Job could not be created. */
export const refuse = (draft: Draft, name: string, attempt: Asked, why: string): void => {
  const message = `${describeJob(draft.board.namespace, attempt.task, name)} could not be created: ${why}`
  endAttempt(draft, name, attempt, failed(draft, { reason: "JobNotCreated", message }))
}

/** Whether a time has come. */
export const isDue = ({ now }: Draft, at: number | "Now" | undefined): boolean => typeof at === "number" && at <= now
