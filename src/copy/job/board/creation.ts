/** The answers to the create of a Job. */
import { uidOf } from "../Job.ts"
import type { EventOf } from "../JobEvents.ts"
import { endCreating, replace } from "./attempts.ts"
import { slotOf } from "./Board.ts"
import { type Draft, dropAttempt, putJob } from "./Draft.ts"
import { adopt, makeSecret } from "./jobs.ts"
import { lookUpCreated } from "./lookups.ts"
import { NOW } from "./Retry.ts"
import { podListed } from "./watch.ts"

export const created = (draft: Draft, { access, id, job, name }: EventOf<"Created">): void => {
  const { attempt, job: own } = slotOf(draft.board, name)
  if (attempt?._tag === "Creating" && attempt.id === id) return adopt(draft, name, attempt, job, { given: access })
  // The watch has shown the Job before this answer; or the Job is already gone.
  if (own?._tag !== "Running" || own.id !== id || uidOf(own.job) !== uidOf(job)) return
  putJob(draft, name, { ...own, given: access })
  makeSecret(draft, name, access)
}

/** The attempt waits for pods that the watch has not shown. */
export const podsLeft = (draft: Draft, { id, name, pods, prepared }: EventOf<"PodsLeft">): void => {
  const { attempt } = slotOf(draft.board, name)
  if (attempt?._tag !== "Creating" || attempt.id !== id) return
  if (attempt.isCancelled) return dropAttempt(draft, name)
  for (const pod of pods) podListed(draft, pod)
  replace(draft, name, attempt, prepared)
}

export const notCreated = (draft: Draft, { id, isCertain, message, name }: EventOf<"NotCreated">): void => {
  const { attempt, job } = slotOf(draft.board, name)
  // The watch has shown the Job although its create has failed.
  if (job?._tag === "Running" && job.id === id) return makeSecret(draft, name, undefined)
  if (attempt?._tag !== "Creating" || attempt.id !== id) return
  if (isCertain) endCreating(draft, name, attempt, message)
  else lookUpCreated(draft, name, { ...attempt, unanswered: { message, ...NOW } })
}
