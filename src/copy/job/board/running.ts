/** A running Job: whether its copy has ended, and what becomes of a Job whose pods do not start. */
import { describeJob, secretNameOf, settingsIn, uidOf } from "../Job.ts"
import { Command, type Ended, type EventOf, type OfJob } from "../JobEvents.ts"
import { mayWrite, type Obstacle, obstacleOf } from "../JobPod.ts"
import { slotOf } from "./Board.ts"
import { type Draft, endAttempt, failed, isDue, jobOf, putJob } from "./Draft.ts"
import { doChore } from "./finished.ts"
import { onRunning, stop } from "./jobs.ts"
import { later, LOOKUP_BACKOFF } from "./Retry.ts"
import { type JobOf, nextCheckOf, OwnJob } from "./Slot.ts"
import { endOf, isLingering, LINGERED, startupOf, withoutPod } from "./startup.ts"

/** Reviews the running Job of a changed slot. */
export const review = (draft: Draft, name: string): void => {
  const slot = slotOf(draft.board, name)
  const { job: own } = slot
  if (own?._tag !== "Running") return
  const outcome = endOf(slot, own)
  if (outcome !== undefined) return inspect(draft, name, own, outcome)
  const startup = startupOf(draft.board, slot, own, draft.now)
  // No container has started, so no work is lost when the Job is deleted.
  if (startup.startBy !== undefined && settingsIn(own.job) !== draft.board.settings) return stop(draft, name, own)
  putJob(draft, name, { ...own, startup })
}

const inspect = (draft: Draft, name: string, { given, id, job, lookup, task }: JobOf<"Running">, outcome: Ended) => {
  putJob(draft, name, OwnJob.Inspecting({ job, task, id, lookup }))
  draft.commands.push(Command.Inspect({ name, job, outcome, task, given }))
}

export const inspected = (draft: Draft, event: EventOf<"Inspected">): void => {
  const own = jobOf(draft, event)
  if (own?._tag !== "Inspecting") return
  const { id, job, lookup, task } = own
  const { name, state } = event
  putJob(draft, name, OwnJob.Finished({ job, task, id, lookup, state, isReleased: false, chores: {} }))
  // A Job that has succeeded is deleted soon, together with its Secret.
  if (state._tag === "Failed" && secretNameOf(job) !== undefined) doChore(draft, name, "DropSecret")
}

/**
 * The API server has listed the pods of a Job. Only after this answer a Job is given up, or a pod that runs on after Skopeo has
 * failed in it is no longer awaited, because the watch of pods may be interrupted. A Job without pods and without a reason may
 * have a slow controller. Its Image is informed at the second check.
 */
export const podsChecked = (draft: Draft, event: EventOf<"PodsChecked">): void => {
  const { name, pods, refusal } = event
  onRunning(draft, event, (own) => {
    const { check } = own.startup
    if (check === undefined) return own
    const why = refusal ?? (check.tries === 0 ? undefined : "the cluster reports no reason")
    const obstacle = why === undefined ? undefined : withoutPod(draft.board.namespace, own.job, why)
    const startup = pods.some(mayWrite) ? own.startup : { ...own.startup, obstacle }
    return { ...own, startup: { ...startup, check: later(draft.now, check, LOOKUP_BACKOFF) } }
  })
  const slot = slotOf(draft.board, name)
  const own = jobOf(draft, event)
  if (own?._tag !== "Running" || endOf(slot, own) !== undefined) return
  const { endAt } = own.startup
  if (endAt !== undefined && endAt <= draft.now && pods.some(isLingering)) return inspect(draft, name, own, LINGERED)
  if (pods.some(({ hasBegun }) => hasBegun)) return
  const { obstacle, startBy } = startupOf(draft.board, slot, own, draft.now)
  if (startBy !== undefined && startBy <= draft.now) giveUp(draft, name, own, obstacle)
}

export const podsNotChecked = (draft: Draft, event: OfJob): void =>
  onRunning(draft, event, (own) => {
    const { check } = own.startup
    const next = check === undefined ? undefined : later(draft.now, check, LOOKUP_BACKOFF)
    return { ...own, startup: { ...own.startup, check: next } }
  })

/** Deletes a Job without a started container. Its place goes to another copy. */
const giveUp = (draft: Draft, name: string, own: JobOf<"Running">, obstacle: Obstacle | undefined): void => {
  const { id = uidOf(own.job), task } = own
  const waited = `no container of ${describeJob(draft.board.namespace, task, name)} has started in ${draft.board.startMillis / 1_000} seconds`
  const why = obstacle ?? obstacleOf("PodNotStarted", waited)
  if (slotOf(draft.board, name).attempt === undefined) {
    endAttempt(draft, name, { id, order: 0, task }, failed(draft, why))
  }
  stop(draft, name, own)
}

/** Lists the pods of a running Job if that is due. The review after the event notices a Job that has ended. */
export const tickRunning = (draft: Draft, name: string): void => {
  const { job: own } = slotOf(draft.board, name)
  if (own?._tag !== "Running") return
  const { check } = own.startup
  if (!isDue(draft, nextCheckOf(own.startup))) return putJob(draft, name, own)
  putJob(draft, name, { ...own, startup: { ...own.startup, check: { at: "Now", tries: check?.tries ?? 0 } } })
  draft.commands.push(Command.CheckPods({ name, uid: uidOf(own.job) }))
}
