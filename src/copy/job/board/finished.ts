/** A finished Job: how long it is kept, and the chores that are left to do with it. */
import { type ImageKey, keyOf } from "../../../domain/ImageKey.ts"
import { outcomeOf, secretNameOf, uidOf } from "../Job.ts"
import { type Chore, Command, type EventOf } from "../JobEvents.ts"
import { slotOf } from "./Board.ts"
import { type Draft, isDue, jobOf, putJob } from "./Draft.ts"
import { CHORE_BACKOFF, later, type Retry } from "./Retry.ts"
import { isKept, type JobOf } from "./Slot.ts"
import { LINGER_MILLIS } from "./startup.ts"

/** How many failed Jobs are kept: of each Image, and in total. In total the namespaces have equal shares. */
const KEPT = { image: 3, total: 100 }
const CHORES: ReadonlyArray<Chore> = ["Shorten", "DropSecret", "Delete"]

/** The copy of a finished Job is recorded. */
export const released = (draft: Draft, name: string, own: JobOf<"Finished">): void => {
  putJob(draft, name, { ...own, isReleased: true })
  switch (outcomeOf(own.job)._tag) {
    case "Failed":
      return trim(draft, own.task.image)
    case "Complete":
      // Skopeo has not failed, even if the copy could not be verified. Its log explains nothing.
      return doChore(draft, name, "Shorten")
    case "Active":
      // A sidecar keeps the pod running after Skopeo.
      if (own.state._tag === "Failed") return doChore(draft, name, "Delete")
      doChore(draft, name, "Shorten")
      return putChore(draft, name, "Delete", { at: draft.now + LINGER_MILLIS, tries: 0 })
  }
}

const putChore = (draft: Draft, name: string, chore: Chore, retry: Retry): void => {
  const { job } = slotOf(draft.board, name)
  if (job?._tag === "Finished") putJob(draft, name, { ...job, chores: { ...job.chores, [chore]: retry } })
}

/** Does a chore now. */
export const doChore = (draft: Draft, name: string, chore: Chore): void => {
  const { job } = slotOf(draft.board, name)
  if (job?._tag !== "Finished") return
  putChore(draft, name, chore, { at: "Now", tries: job.chores[chore]?.tries ?? 0 })
  draft.commands.push(Command.Tidy({ name, uid: uidOf(job.job), chore, secret: secretNameOf(job.job) ?? "" }))
}

/** A kept failed Job. `uid` is that of its Image. */
interface Kept {
  readonly name: string
  readonly image: string
  readonly namespace: string
  readonly uid: string
}

/** The kept failed Jobs, the newest first. */
const keptJobs = (draft: Draft): ReadonlyArray<Kept> =>
  [...draft.board.kept]
    .flatMap((name) => {
      const { job } = slotOf(draft.board, name)
      if (!isKept(job) || job.state._tag !== "Failed") return []
      const { namespace, uid } = job.task.image
      return [{ name, image: keyOf(job.task.image), namespace, uid, at: job.state.at }]
    })
    .sort((a, b) => b.at - a.at)

/** The Jobs of all namespaces alternately, so that the failures of one namespace push out no logs of another. */
const inTurn = (jobs: ReadonlyArray<Kept>): ReadonlyArray<Kept> =>
  [...Map.groupBy(jobs, ({ namespace }) => namespace).values()]
    .flatMap((own) => own.map((job, position) => ({ job, position })))
    .sort((a, b) => a.position - b.position)
    .map(({ job }) => job)

/** Deletes the oldest failed Jobs beyond the limits. */
const trim = (draft: Draft, image: ImageKey): void => {
  const jobs = keptJobs(draft)
  const ofImage = jobs.filter((job) => job.image === keyOf(image))
  const surplus = new Set([...inTurn(jobs).slice(KEPT.total), ...ofImage.slice(KEPT.image)].map(({ name }) => name))
  for (const name of surplus) doChore(draft, name, "Delete")
}

/** Deletes the kept failed Jobs of deleted Images of a name. A new Image of the name has another uid. */
export const prune = (draft: Draft, { image, uid }: EventOf<"Prune">): void => {
  for (const job of keptJobs(draft)) {
    if (job.image === keyOf(image) && job.uid !== uid) doChore(draft, job.name, "Delete")
  }
}

export const tidied = (draft: Draft, event: EventOf<"Tidied">): void => onChore(draft, event, () => undefined)

export const notTidied = (draft: Draft, event: EventOf<"NotTidied">): void =>
  onChore(draft, event, (retry) => later(draft.now, retry, CHORE_BACKOFF))

const onChore = (
  draft: Draft,
  event: Omit<EventOf<"Tidied">, "_tag">,
  next: (retry: Retry) => Retry | undefined
): void => {
  const job = jobOf(draft, event)
  const retry = job?._tag === "Finished" ? job.chores[event.chore] : undefined
  if (job?._tag !== "Finished" || retry === undefined) return
  const { [event.chore]: _, ...others } = job.chores
  const again = next(retry)
  putJob(draft, event.name, { ...job, chores: again === undefined ? others : { ...others, [event.chore]: again } })
}

/** Does the chores of a finished Job that are due. */
export const tickFinished = (draft: Draft, name: string): void => {
  const { job: own } = slotOf(draft.board, name)
  if (own?._tag !== "Finished") return
  for (const chore of CHORES) {
    if (!isDue(draft, own.chores[chore]?.at)) continue
    // A copied Job is deleted only if a sidecar keeps its pod running.
    const hasEndedByItself = chore === "Delete" && own.state._tag !== "Failed" && outcomeOf(own.job)._tag !== "Active"
    if (hasEndedByItself) onChore(draft, { name, uid: uidOf(own.job), chore }, () => undefined)
    else doChore(draft, name, chore)
  }
}
