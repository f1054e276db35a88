/**
 * What is known of the copies that Jobs make, and what is to be done next. Pure: {@link step} takes a board and something
 * that has happened, and answers with the next board and with commands. JobEngine carries them out, and says how they went.
 *
 * A Job has the name of its destination, and each name one slot: two copies never write one tag at once.
 */
import { HashMap, HashSet, Option } from "effect"
import type { Access } from "../../credentials/access.ts"
import type { Copy, CopyState, CopyTask } from "../../domain/Copy.ts"
import { retryAt } from "../../domain/backoff.ts"
import { type ImageKey, keyOf } from "../../domain/ImageKey.ts"
import type { Reason } from "../../domain/Reason.ts"
import type { JobObject } from "../../kube/Resources.ts"
import { instant } from "../../text/instant.ts"
import {
  admit,
  type Claim,
  claimOf,
  enqueue,
  type Limits,
  NONE_WAITING,
  type Waiting,
  withdraw
} from "../CopyLimits.ts"
import { describeJob, jobName, makesCopy, outcomeOf, secretNameOf, settingsIn, taskOf, uidOf } from "./Job.ts"
import { beginningOf, endOf, LINGER_MILLIS, withoutPod } from "./JobBeginning.ts"
import { type Chore, Command, type Ended, Event, type Prepared } from "./JobEvents.ts"
import { type JobPod, mayWrite, type Obstacle, obstacleOf } from "./JobPod.ts"
import {
  type Asked,
  Attempt,
  cancelledIn,
  claimsIn,
  copiesIn,
  isActive,
  isKept,
  isQueued,
  isReplaceable,
  keptIn,
  limitedIn,
  NOT_BEGUN,
  OwnJob,
  type Retry,
  type Slot,
  type SlotPod,
  straysIn,
  takesPlace,
  timesIn
} from "./JobSlot.ts"

/** Names of slots, by something that they have in common; those that came first come first. */
type Index = HashMap.HashMap<string, ReadonlyArray<string>>

/** What a board goes by. */
export interface BoardOptions {
  readonly limits: Limits
  /** Where the Jobs are. */
  readonly namespace: string
  /** Names what Jobs are made of at present. One that is made of something else and has not begun is made anew. */
  readonly settings: string
  /** How long a Job may have no container that runs. */
  readonly startMillis: number
}

export interface Board extends BoardOptions {
  /** Whether all pods have been listed: until then a Job that has none is not known to have none. */
  readonly podsListed: boolean
  /** By Job name. */
  readonly slots: HashMap.HashMap<string, Slot>
  /** How many copies have been started. */
  readonly started: number
  // What follows is derived from the slots by `put`.
  /** The slots with copies of an Image. */
  readonly byImage: Index
  /** The slots whose copies wait for a rate limit, by namespace. */
  readonly limited: Index
  /** The copies that wait for a free place, and those that have one. */
  readonly waiting: Waiting
  readonly running: HashMap.HashMap<string, Claim>
  /** The slots whose failed Jobs are kept. */
  readonly kept: HashSet.HashSet<string>
  /** When a `Tick` is due; perhaps too early. */
  readonly wakeAt: number | undefined
}

export const emptyBoard = (options: BoardOptions): Board => ({
  ...options,
  podsListed: false,
  slots: HashMap.empty(),
  started: 0,
  byImage: HashMap.empty(),
  limited: HashMap.empty(),
  waiting: NONE_WAITING,
  running: HashMap.empty(),
  kept: HashSet.empty(),
  wakeAt: undefined
})

export interface Step {
  readonly board: Board
  readonly commands: ReadonlyArray<Command>
}

/** How long a finished Job may take to vanish before the next of its name. */
const REMOVAL_SECONDS = 60
/** How long the next Job of a name waits for the pods of one that is gone: a node that is lost ends none. */
const POD_REMOVAL_SECONDS = 120
/** How many failed Jobs are kept: of each Image, and in all. */
const KEPT = { image: 3, total: 100 }
/** When a rate limit is tried again for which no time is named. */
const UNTIMED_MILLIS = 60_000

interface Backoff {
  readonly baseMillis: number
  readonly maximumMillis: number
}

/** How often a Job is looked up that the watch should show, or show to be gone: a place depends on it. */
const CHECKS: Backoff = { baseMillis: 10_000, maximumMillis: 60_000 }
/** For what only tidies up. */
const TIDYING: Backoff = { baseMillis: 10_000, maximumMillis: 900_000 }

const NOW: Retry = { at: "Now", tries: 0 }

const later = (now: number, { tries }: Retry, { baseMillis, maximumMillis }: Backoff): Retry => ({
  at: now + Math.min(maximumMillis, baseMillis * 2 ** Math.min(tries, 20)),
  tries: tries + 1
})

const slotOf = (board: Board, name: string): Slot => Option.getOrElse(HashMap.get(board.slots, name), () => ({}))

const namesIn = (index: Index, key: string): ReadonlyArray<string> =>
  Option.getOrElse(HashMap.get(index, key), () => [])

/** What a start is answered: it begins a copy; its Image has one there; or another Image has. */
export type Answer =
  { readonly _tag: "Started" } | { readonly _tag: "UnderWay" } | { readonly _tag: "Busy"; readonly other: CopyTask }

export const answerTo = (board: Board, task: CopyTask): Answer => {
  const { attempt, job } = slotOf(board, jobName(task))
  // A copy that has ended since its Image was checked is news, not a free destination.
  const held = [...(job === undefined || isReplaceable(job) ? [] : [job.task]), ...(attempt ? [attempt.task] : [])]
  const [other] = held
  if (other === undefined) return { _tag: "Started" }
  return held.some(({ image }) => image.uid === task.image.uid) ? { _tag: "UnderWay" } : { _tag: "Busy", other }
}

/** The copies of an Image: those under way, and those finished and not released. */
export const copiesOf = (board: Board, image: ImageKey): ReadonlyArray<Copy> =>
  namesIn(board.byImage, keyOf(image)).flatMap((name) =>
    copiesIn(board, slotOf(board, name)).filter((copy) => keyOf(copy.image) === keyOf(image))
  )

/** A step while it is made. */
interface Draft {
  board: Board
  readonly now: number
  readonly commands: Array<Command>
  /** The slots that have changed, as they were. */
  readonly before: Map<string, Slot>
  /** Images to announce beside those whose copies look otherwise. */
  readonly announced: Map<string, ImageKey>
}

/** What follows from an event. `now` is in milliseconds since the epoch. */
export const step = (board: Board, event: Event, now: number): Step => {
  const draft: Draft = { board, now, commands: [], before: new Map(), announced: new Map() }
  apply(draft, event)
  for (const name of [...draft.before.keys()]) review(draft, name)
  if (event._tag === "Tick") forgetTimes(draft)
  begin(draft)
  settle(draft)
  announce(draft, event)
  return { board: draft.board, commands: draft.commands }
}

const apply = (draft: Draft, event: Event): void =>
  Event.$match(event, {
    Start: ({ task }) => start(draft, task),
    Cancel: ({ copy }) => cancel(draft, copy),
    Release: ({ copy }) => release(draft, copy),
    Seen: ({ job }) => see(draft, job),
    Removed: ({ image }) => removeKept(draft, image),
    Gone: ({ name, uid }) => lose(draft, name, uid),
    PodSeen: ({ pod }) => seePod(draft, pod),
    PodGone: ({ name, uid }) => losePods(draft, name, (pod) => pod.uid === uid),
    PodsRelisted: ({ pods }) => relistPods(draft, pods),
    Relisted: ({ jobs }) => relist(draft, jobs),
    Prepared: (event) => prepared(draft, event),
    Limited: (event) => limited(draft, event),
    NotNeeded: (event) => endPreparing(draft, event, { _tag: "Present", at: draft.now, digest: event.digest }),
    NotPrepared: (event) => endPreparing(draft, event, failed(draft, event)),
    Created: (event) => created(draft, event),
    NotCreated: (event) => notCreated(draft, event),
    Checked: (event) => checked(draft, event),
    NotChecked: (event) => notChecked(draft, event),
    SecretMade: (event) =>
      onRunning(draft, event, (job) => ({ ...job, secret: "Made", secretRefusal: undefined, given: event.access })),
    SecretNotMade: (event) => secretNotMade(draft, event),
    Deleted: (event) => deleted(draft, event),
    NotDeleted: (event) => notDeleted(draft, event),
    Inspected: (event) => inspected(draft, event),
    PodsChecked: (event) => podsChecked(draft, event),
    PodsNotChecked: (event) => podsNotChecked(draft, event),
    Tidied: (event) => onChore(draft, event, () => undefined),
    NotTidied: (event) => onChore(draft, event, (retry) => later(draft.now, retry, TIDYING)),
    Tick: () => tick(draft)
  })

/** Changes a slot, and what is derived from it. */
const put = (draft: Draft, name: string, slot: Slot): void => {
  const { board } = draft
  const old = slotOf(board, name)
  if (!draft.before.has(name)) draft.before.set(name, old)
  const isEmpty = slot.attempt === undefined && slot.job === undefined && (slot.pods ?? []).length === 0
  const times = [...timesIn(slot), ...(board.wakeAt === undefined ? [] : [board.wakeAt])]
  draft.board = {
    ...board,
    slots: isEmpty ? HashMap.remove(board.slots, name) : HashMap.set(board.slots, name, slot),
    byImage: reindexed(board.byImage, name, imagesIn(old), imagesIn(slot)),
    limited: reindexed(board.limited, name, limitedIn(old), limitedIn(slot)),
    waiting: requeued(board.waiting, name, old, slot),
    running: claimsIn(name, slot).reduce(
      (running, claim) => HashMap.set(running, claim.key, claim),
      claimsIn(name, old).reduce((running, { key }) => HashMap.remove(running, key), board.running)
    ),
    kept: isKept(slot.job) ? HashSet.add(board.kept, name) : HashSet.remove(board.kept, name),
    wakeAt: times.length === 0 ? undefined : Math.min(...times)
  }
}

const imagesIn = ({ attempt, job }: Slot): ReadonlyArray<string> => [
  ...new Set([...(attempt ? [attempt] : []), ...(job ? [job] : [])].map(({ task }) => keyOf(task.image)))
]

/** An index in which a slot has other keys than before; it keeps its position under those that it keeps. */
const reindexed = (index: Index, name: string, old: ReadonlyArray<string>, keys: ReadonlyArray<string>): Index => {
  const without = old
    .filter((key) => !keys.includes(key))
    .reduce((index, key) => {
      const names = namesIn(index, key).filter((other) => other !== name)
      return names.length === 0 ? HashMap.remove(index, key) : HashMap.set(index, key, names)
    }, index)
  return keys
    .filter((key) => !old.includes(key))
    .reduce((index, key) => HashMap.set(index, key, [...namesIn(index, key), name]), without)
}

const requeued = (waiting: Waiting, name: string, old: Slot, slot: Slot): Waiting => {
  const [was, is] = [old, slot].map((side) => (isQueued(side) ? side.attempt : undefined))
  if (was?.id === is?.id) return waiting
  const without = was === undefined ? waiting : withdraw(waiting, claimOf(name, was.order, was.task))
  return is === undefined ? without : enqueue(without, claimOf(name, is.order, is.task))
}

const putAttempt = (draft: Draft, name: string, attempt: Attempt): void =>
  put(draft, name, { ...slotOf(draft.board, name), attempt })

const putJob = (draft: Draft, name: string, job: OwnJob): void =>
  put(draft, name, { ...slotOf(draft.board, name), job })

const dropAttempt = (draft: Draft, name: string): void => {
  const { attempt: _, ...slot } = slotOf(draft.board, name)
  put(draft, name, slot)
}

/** Finds out what is due next, when what was due has been done. */
const forgetTimes = (draft: Draft): void => {
  const times = [...HashMap.values(draft.board.slots)].flatMap(timesIn)
  draft.board = { ...draft.board, wakeAt: times.length === 0 ? undefined : Math.min(...times) }
}

/** Begins the copies that there is a place for. */
const begin = (draft: Draft): void => {
  if (draft.before.size === 0) return
  const { admitted, waiting } = admit(draft.board.waiting, HashMap.values(draft.board.running), draft.board.limits)
  draft.board = { ...draft.board, waiting }
  for (const { key: name } of admitted) {
    const { attempt } = slotOf(draft.board, name)
    if (attempt?._tag !== "Waiting") continue
    const { id, limit, order, task } = attempt
    putAttempt(draft, name, Attempt.Preparing({ id, order, task, limit }))
    draft.commands.push(Command.Prepare({ name, id, task }))
  }
}

/** Ends what was begun outside for attempts that need it no more. */
const settle = (draft: Draft): void => {
  const kept = new Set([...draft.before.keys()].flatMap((name) => keptIn(slotOf(draft.board, name))))
  for (const id of [...draft.before.values()].flatMap(keptIn)) {
    if (!kept.has(id)) draft.commands.push(Command.Settle({ id }))
  }
}

/** Announces the Images whose copies look otherwise than before. */
const announce = (draft: Draft, event: Event): void => {
  const { announced, before, board, commands } = draft
  for (const [name, old] of before) {
    const slot = slotOf(board, name)
    const [was, is] = [looksOf(board, old), looksOf(board, slot)]
    for (const [key, { image, look }] of [...was, ...is]) {
      const isSame = was.get(key)?.look === look && is.get(key)?.look === look
      if (!isSame && key !== informedBy(event, name, slot)) announced.set(key, image)
    }
    // What was cancelled was in the way of what its Image asks for now.
    const cancelled = cancelledIn(slot)
    for (const { image } of cancelledIn(old).filter((task) => !cancelled.includes(task))) {
      announced.set(keyOf(image), image)
    }
  }
  for (const { name, namespace } of announced.values()) commands.push(Command.Announce({ image: { namespace, name } }))
}

/** The Image that knows already: by starting a copy, though not that it waits; or by releasing one. */
const informedBy = (event: Event, name: string, { attempt }: Slot): string | undefined => {
  if (event._tag === "Release") return jobName(event.copy) === name ? keyOf(event.copy.image) : undefined
  const isBegun = event._tag === "Start" && jobName(event.task) === name && attempt?._tag !== "Waiting"
  return isBegun ? keyOf(event.task.image) : undefined
}

/** How the copies in a slot look to each Image. A copy keeps the name of its attempt here when it gets its Job. */
const looksOf = (
  board: Board,
  slot: Slot
): ReadonlyMap<string, { readonly image: ImageKey; readonly look: string }> => {
  const looks = new Map<string, { readonly image: ImageKey; readonly look: string }>()
  for (const { id, image, state } of copiesIn(board, slot)) {
    const attempt = slot.job !== undefined && uidOf(slot.job.job) === id ? (slot.job.id ?? id) : id
    const look = `${looks.get(keyOf(image))?.look ?? ""}${JSON.stringify([attempt, state])}`
    looks.set(keyOf(image), { image, look })
  }
  return looks
}

const failed = (
  { now }: Draft,
  { message, reason, until }: { readonly reason: Reason; readonly message: string; readonly until?: number | undefined }
): CopyState => ({ _tag: "Failed", at: now, reason, message, ...(until === undefined ? {} : { until }) })

const end = (draft: Draft, name: string, { id, order, task }: Asked, state: CopyState): void =>
  putAttempt(draft, name, Attempt.Ended({ id, order, task, state }))

/** Ends an attempt whose Job does not exist. */
const refuse = (draft: Draft, name: string, attempt: Asked, why: string): void => {
  const message = `${describeJob(draft.board.namespace, attempt.task)} could not be created: ${why}`
  end(draft, name, attempt, failed(draft, { reason: "JobNotCreated", message }))
}

const start = (draft: Draft, task: CopyTask): void => {
  const name = jobName(task)
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

const cancel = (draft: Draft, copy: Copy): void => {
  const name = jobName(copy)
  const { attempt, job } = slotOf(draft.board, name)
  if (attempt?.id === copy.id) {
    // A create cannot be taken back once it is sent: if there is a Job it is deleted when it is known.
    if (attempt._tag === "Creating") putAttempt(draft, name, { ...attempt, isCancelled: true })
    else dropAttempt(draft, name)
    // What waited when it was listed may have its Job now.
  } else if (job !== undefined && isOf(job, copy) && job._tag !== "Stopping" && !isReplaceable(job)) {
    stop(draft, name, job)
  }
}

const stop = (draft: Draft, name: string, own: OwnJob): void => {
  const { id, job, task } = own
  putJob(draft, name, OwnJob.Stopping({ job, task, id, lookup: NOW, holdsPlace: takesPlace(own) }))
  draft.commands.push(Command.Delete({ name, uid: uidOf(job) }))
}

const release = (draft: Draft, copy: Copy): void => {
  const name = jobName(copy)
  const { attempt, job } = slotOf(draft.board, name)
  if (attempt?._tag === "Ended" && attempt.id === copy.id) return dropAttempt(draft, name)
  if (job?._tag !== "Finished" || job.isReleased || !isOf(job, copy)) return
  putJob(draft, name, { ...job, isReleased: true })
  // A Job that fails though its pod lives on is a sidecar's by now. Others stay, so that their log can be read.
  if (job.state._tag === "Failed") return isActive(job) ? tidy(draft, name, "Delete") : trim(draft, job.task.image)
  tidy(draft, name, "Shorten")
  if (isActive(job)) putChore(draft, name, "Delete", { at: draft.now + LINGER_MILLIS, tries: 0 })
}

const putChore = (draft: Draft, name: string, chore: Chore, retry: Retry): void => {
  const { job } = slotOf(draft.board, name)
  if (job?._tag === "Finished") putJob(draft, name, { ...job, chores: { ...job.chores, [chore]: retry } })
}

/** Does a chore now. */
const tidy = (draft: Draft, name: string, chore: Chore): void => {
  const { job } = slotOf(draft.board, name)
  if (job?._tag !== "Finished") return
  putChore(draft, name, chore, { at: "Now", tries: job.chores[chore]?.tries ?? 0 })
  draft.commands.push(Command.Tidy({ name, uid: uidOf(job.job), chore, secret: secretNameOf(job.job) ?? "" }))
}

/** The names of failed Jobs that are kept, the newest first. */
const keptJobs = (draft: Draft): ReadonlyArray<{ readonly name: string; readonly image: string }> =>
  [...draft.board.kept]
    .flatMap((name) => {
      const { job } = slotOf(draft.board, name)
      if (!isKept(job) || job.state._tag !== "Failed") return []
      return [{ name, image: keyOf(job.task.image), at: job.state.at }]
    })
    .sort((a, b) => b.at - a.at)

/** Deletes the failed Jobs that are more than are kept. */
const trim = (draft: Draft, image: ImageKey): void => {
  const jobs = keptJobs(draft)
  const ofImage = jobs.filter((job) => job.image === keyOf(image))
  const surplus = new Set([...jobs.slice(KEPT.total), ...ofImage.slice(KEPT.image)].map(({ name }) => name))
  for (const name of surplus) tidy(draft, name, "Delete")
}

/** Deletes the failed Jobs of an Image that is gone. */
const removeKept = (draft: Draft, image: ImageKey): void => {
  for (const { image: of, name } of keptJobs(draft)) if (of === keyOf(image)) tidy(draft, name, "Delete")
}

const see = (draft: Draft, job: JobObject): void => {
  const { name } = job.metadata
  const { job: known } = slotOf(draft.board, name)
  if (known !== undefined && uidOf(known.job) === uidOf(job)) return update(draft, name, known, job, true)
  const task = taskOf(job)
  if (task === undefined) return
  if (known !== undefined) lose(draft, name, uidOf(known.job))
  const { attempt } = slotOf(draft.board, name)
  // A create whose answer is still to come, or was lost.
  if (attempt !== undefined && attempt._tag !== "Ended" && makesCopy(job, attempt.task)) {
    return adopt(draft, name, attempt, job)
  }
  const found = { secret: "Unknown", secretRefusal: undefined, given: undefined, beginning: NOT_BEGUN } as const
  putJob(draft, name, OwnJob.Running({ job, task, id: undefined, lookup: undefined, ...found }))
}

/** A Job that is known has changed. What has ended does not begin again: the watch tells of how it was before. */
const update = (draft: Draft, name: string, known: OwnJob, told: JobObject, isSeen: boolean): void => {
  const job = isActive(known) ? told : known.job
  putJob(draft, name, { ...known, job, lookup: isSeen && known._tag !== "Stopping" ? undefined : known.lookup })
}

/** Looks whether the Job of a slot that has changed has ended, and else how its pods are getting on. */
const review = (draft: Draft, name: string): void => {
  const slot = slotOf(draft.board, name)
  const { job: own } = slot
  if (own?._tag !== "Running") return
  const outcome = endOf(slot, own, draft.now)
  if (outcome !== undefined) return inspect(draft, name, own, outcome)
  const beginning = beginningOf(draft.board, slot, own, draft.now)
  // Nothing is lost: none of its containers has started.
  if (beginning.startBy !== undefined && settingsIn(own.job) !== draft.board.settings) return stop(draft, name, own)
  putJob(draft, name, { ...own, beginning })
}

const inspect = (draft: Draft, name: string, own: JobOf<"Running">, outcome: Ended): void => {
  const { given, id, job, lookup, task } = own
  putJob(draft, name, OwnJob.Inspecting({ job, task, id, lookup }))
  draft.commands.push(Command.Inspect({ name, job, outcome, task, given }))
}

/** Ends a Job of which no container has started in its time: others may have its place. */
const giveUp = (draft: Draft, name: string, own: JobOf<"Running">, obstacle: Obstacle | undefined): void => {
  const { id = uidOf(own.job), task } = own
  const waited = `no container of ${describeJob(draft.board.namespace, task)} has started in ${draft.board.startMillis / 1_000} seconds`
  const why = obstacle ?? obstacleOf("PodNotStarted", waited)
  if (slotOf(draft.board, name).attempt === undefined) end(draft, name, { id, order: 0, task }, failed(draft, why))
  stop(draft, name, own)
}

/** An attempt has its Job. Where the watch has not shown it, `answer` is why it is known. */
const adopt = (
  draft: Draft,
  name: string,
  attempt: Attempt,
  job: JobObject,
  answer?: { readonly given: Access | undefined }
): void => {
  const { id, task } = attempt
  const lookup = answer === undefined ? undefined : later(draft.now, NOW, CHECKS)
  const begun = { secret: "Making", secretRefusal: undefined, given: answer?.given, beginning: NOT_BEGUN } as const
  const own = OwnJob.Running({ job, task, id, lookup, ...begun })
  const { attempt: _, ...slot } = slotOf(draft.board, name)
  put(draft, name, { ...slot, job: own })
  if (attempt._tag === "Creating" && attempt.isCancelled) return stop(draft, name, own)
  // Else the answer to the create is still to come, with what the Secret is made of.
  const isAnswered = answer !== undefined || attempt._tag !== "Creating" || attempt.unanswered !== undefined
  if (isAnswered) makeSecret(draft, name, answer?.given)
}

const makeSecret = (draft: Draft, name: string, given: Access | undefined): void => {
  const { job } = slotOf(draft.board, name)
  if (job?._tag !== "Running") return
  draft.commands.push(Command.MakeSecret({ name, job: job.job, owner: job.task, given }))
}

const lose = (draft: Draft, name: string, uid: string): void => {
  const { job, ...slot } = slotOf(draft.board, name)
  if (job === undefined || uidOf(job.job) !== uid) return
  put(draft, name, { ...slot, pods: (slot.pods ?? []).map((pod) => awaited(draft, pod)) })
  createIfFree(draft, name)
}

const awaited = ({ now }: Draft, pod: JobPod): SlotPod => ({ ...pod, awaitedUntil: now + POD_REMOVAL_SECONDS * 1_000 })

/** Creates the Job of an attempt that waited for an earlier one and its pods to be gone. */
const createIfFree = (draft: Draft, name: string): void => {
  const slot = slotOf(draft.board, name)
  if (slot.attempt?._tag !== "Replacing" || slot.job !== undefined) return
  if (straysIn(slot).length === 0) return create(draft, name, slot.attempt, slot.attempt.prepared)
  // The Job is gone: its pods have a time of their own.
  putAttempt(draft, name, { ...slot.attempt, until: undefined })
}

const seePod = (draft: Draft, pod: JobPod): void => {
  const { name } = pod.job
  const slot = slotOf(draft.board, name)
  const { pods = [] } = slot
  const known = pods.find(({ uid }) => uid === pod.uid)
  // One that is awaited no more stays so.
  const seen = known === undefined ? awaited(draft, pod) : { ...pod, awaitedUntil: known.awaitedUntil }
  const others = known === undefined ? [...pods, seen] : pods.map((other) => (other === known ? seen : other))
  put(draft, name, { ...slot, pods: others })
  createIfFree(draft, name)
}

const losePods = (draft: Draft, name: string, isLost: (pod: JobPod) => boolean): void => {
  const slot = slotOf(draft.board, name)
  if (slot.pods?.some(isLost) !== true) return
  put(draft, name, { ...slot, pods: slot.pods.filter((pod) => !isLost(pod)) })
  createIfFree(draft, name)
}

const relistPods = (draft: Draft, pods: ReadonlyArray<JobPod>): void => {
  draft.board = { ...draft.board, podsListed: true }
  const listed = new Set(pods.map(({ uid }) => uid))
  for (const [name, slot] of HashMap.entries(draft.board.slots)) {
    losePods(draft, name, ({ uid }) => !listed.has(uid))
    // Those that have none are known to have none.
    if (slot.job?._tag === "Running") put(draft, name, slotOf(draft.board, name))
  }
  for (const pod of pods) seePod(draft, pod)
}

const relist = (draft: Draft, jobs: ReadonlyArray<JobObject>): void => {
  const listed = new Set(jobs.map(uidOf))
  for (const [name, { job }] of HashMap.entries(draft.board.slots)) {
    if (job === undefined || listed.has(uidOf(job.job))) continue
    // The list may be older than what is known of a Job that is looked up.
    if (job.lookup === undefined) lose(draft, name, uidOf(job.job))
    else lookUp(draft, name, job)
  }
  for (const job of jobs) see(draft, job)
}

type OfAttempt = Pick<Extract<Event, { readonly _tag: "Prepared" }>, "name" | "id">
type OfJob = Pick<Extract<Event, { readonly _tag: "Deleted" }>, "name" | "uid">
type Of<Tag extends Event["_tag"]> = Extract<Event, { readonly _tag: Tag }>

const preparing = (draft: Draft, { id, name }: OfAttempt) => {
  const { attempt } = slotOf(draft.board, name)
  return attempt?._tag === "Preparing" && attempt.id === id ? attempt : undefined
}

const prepared = (draft: Draft, event: Of<"Prepared">): void => {
  const attempt = preparing(draft, event)
  if (attempt === undefined) return
  const { name, prepared } = event
  const { id, order, task } = attempt
  const { job } = slotOf(draft.board, name)
  // Another Job has taken the name meanwhile.
  if (job !== undefined && !isReplaceable(job)) {
    return putAttempt(draft, name, Attempt.Waiting({ id, order, task, limit: undefined }))
  }
  const until = draft.now + REMOVAL_SECONDS * 1_000
  putAttempt(draft, name, Attempt.Replacing({ id, order, task, prepared, until }))
  if (job === undefined) createIfFree(draft, name)
  else draft.commands.push(Command.Delete({ name, uid: uidOf(job.job) }))
}

const create = (draft: Draft, name: string, { id, order, task }: Asked, prepared: Prepared): void => {
  putAttempt(draft, name, Attempt.Creating({ id, order, task, isCancelled: false }))
  draft.commands.push(Command.Create({ name, id, task, prepared }))
}

const limited = (draft: Draft, event: Of<"Limited">): void => {
  const attempt = preparing(draft, event)
  if (attempt === undefined) return
  const { message, name, until = draft.now + UNTIMED_MILLIS } = event
  const { id, order, task } = attempt
  const others = namesIn(draft.board.limited, task.image.namespace)
  const position = attempt.limit === undefined ? others.length : others.indexOf(name)
  const limit = { until: retryAt(draft.now, until, position), reason: message }
  putAttempt(draft, name, Attempt.Waiting({ id, order, task, limit }))
}

const endPreparing = (draft: Draft, event: OfAttempt, state: CopyState): void => {
  const attempt = preparing(draft, event)
  if (attempt !== undefined) end(draft, event.name, attempt, state)
}

const created = (draft: Draft, { access, id, job, name }: Of<"Created">): void => {
  const { attempt, job: own } = slotOf(draft.board, name)
  if (attempt?._tag === "Creating" && attempt.id === id) return adopt(draft, name, attempt, job, { given: access })
  // The watch was quicker, or the Job is gone.
  if (own?._tag !== "Running" || own.id !== id || uidOf(own.job) !== uidOf(job)) return
  putJob(draft, name, { ...own, given: access })
  makeSecret(draft, name, access)
}

const notCreated = (draft: Draft, { id, isCertain, message, name }: Of<"NotCreated">): void => {
  const { attempt, job } = slotOf(draft.board, name)
  // The watch has shown it.
  if (job?._tag === "Running" && job.id === id) return makeSecret(draft, name, undefined)
  if (attempt?._tag !== "Creating" || attempt.id !== id) return
  if (isCertain) return endCreating(draft, name, attempt, message)
  checkAttempt(draft, name, { ...attempt, unanswered: { message, ...NOW } })
}

/** There is no Job of an attempt, and there will be none. */
const endCreating = (draft: Draft, name: string, attempt: AttemptOf<"Creating">, message: string): void =>
  attempt.isCancelled ? dropAttempt(draft, name) : refuse(draft, name, attempt, message)

type AttemptOf<Tag extends Attempt["_tag"]> = Extract<Attempt, { readonly _tag: Tag }>
type JobOf<Tag extends OwnJob["_tag"]> = Extract<OwnJob, { readonly _tag: Tag }>

/** Looks up whether a create whose answer was lost has made a Job. */
const checkAttempt = (draft: Draft, name: string, attempt: AttemptOf<"Creating">): void => {
  if (attempt.unanswered === undefined) return
  putAttempt(draft, name, { ...attempt, unanswered: { ...attempt.unanswered, at: "Now" } })
  draft.commands.push(Command.Check({ name, of: attempt.id }))
}

/** Looks up whether a Job exists. */
const lookUp = (draft: Draft, name: string, job: OwnJob): void => {
  putJob(draft, name, { ...job, lookup: { tries: 0, ...job.lookup, at: "Now" } })
  draft.commands.push(Command.Check({ name, of: uidOf(job.job) }))
}

/** The Job that an event is about, if it is still there. */
const jobOf = (draft: Draft, { name, uid }: OfJob): OwnJob | undefined => {
  const { job } = slotOf(draft.board, name)
  return job !== undefined && uidOf(job.job) === uid ? job : undefined
}

/** A Job that is looked up is looked up again; one that has ended seldom, for no place depends on it. */
const lookUpAgain = (draft: Draft, event: OfJob): void => {
  const job = jobOf(draft, event)
  if (job?.lookup === undefined) return
  const lookup = later(draft.now, job.lookup, job._tag === "Finished" ? TIDYING : CHECKS)
  putJob(draft, event.name, { ...job, lookup })
}

/** The watch is to show that a Job is gone. */
const deleted = (draft: Draft, event: OfJob): void => {
  const job = jobOf(draft, event)
  if (job?._tag === "Stopping") return lookUpAgain(draft, event)
  if (job !== undefined) putJob(draft, event.name, { ...job, lookup: later(draft.now, NOW, CHECKS) })
}

const checked = (draft: Draft, { job: found, name, of }: Of<"Checked">): void => {
  const { attempt, job: own } = slotOf(draft.board, name)
  const job = jobOf(draft, { name, uid: of })
  // Where the watch has shown a Job, the watch tells more of it.
  if (job?.lookup !== undefined) {
    if (found === undefined || uidOf(found) !== of) return lose(draft, name, of)
    if (job._tag !== "Stopping") lookUpAgain(draft, { name, uid: of })
    else draft.commands.push(Command.Delete({ name, uid: of }))
    const { lookup } = jobOf(draft, { name, uid: of }) ?? job
    return update(draft, name, { ...job, lookup }, found, false)
  }
  if (attempt?._tag !== "Creating" || attempt.id !== of || attempt.unanswered === undefined) return
  const isOurs = found !== undefined && taskOf(found) !== undefined && makesCopy(found, attempt.task)
  if (isOurs && own === undefined) return adopt(draft, name, attempt, found, { given: undefined })
  endCreating(draft, name, attempt, attempt.unanswered.message)
}

const notChecked = (draft: Draft, { name, of }: Of<"NotChecked">): void => {
  lookUpAgain(draft, { name, uid: of })
  const { attempt } = slotOf(draft.board, name)
  if (attempt?._tag !== "Creating" || attempt.id !== of || attempt.unanswered === undefined) return
  const { message } = attempt.unanswered
  putAttempt(draft, name, { ...attempt, unanswered: { message, ...later(draft.now, attempt.unanswered, CHECKS) } })
}

const onRunning = (draft: Draft, event: OfJob, change: (job: JobOf<"Running">) => OwnJob): void => {
  const job = jobOf(draft, event)
  if (job?._tag === "Running") putJob(draft, event.name, change(job))
}

const secretNotMade = (draft: Draft, event: Of<"SecretNotMade">): void =>
  onRunning(draft, event, (job) => {
    // Whoever asked for it by a start hears of it there.
    if (job.secret === "Making") draft.announced.set(keyOf(job.task.image), job.task.image)
    return { ...job, secret: "Missing", secretRefusal: event.message }
  })

/**
 * What the API server says of the pods of a Job. The watch may be broken off: a Job is given up by this answer alone. Where
 * nothing says why there is no pod, the Job's controller may only be slow: that is told the second time.
 */
const podsChecked = (draft: Draft, event: Of<"PodsChecked">): void => {
  const { name, pods, refusal } = event
  onRunning(draft, event, (own) => {
    const { check } = own.beginning
    if (check === undefined) return own
    const why = refusal ?? (check.tries === 0 ? undefined : "nothing says why")
    const obstacle = why === undefined ? undefined : withoutPod(draft.board.namespace, own.job, why)
    const told = pods.some(mayWrite) ? own.beginning : { ...own.beginning, obstacle }
    return { ...own, beginning: { ...told, check: later(draft.now, check, CHECKS) } }
  })
  const slot = slotOf(draft.board, name)
  const own = jobOf(draft, event)
  if (own?._tag !== "Running" || endOf(slot, own, draft.now) !== undefined) return
  if (pods.some(({ hasBegun }) => hasBegun)) return
  const { obstacle, startBy } = beginningOf(draft.board, slot, own, draft.now)
  if (startBy !== undefined && startBy <= draft.now) giveUp(draft, name, own, obstacle)
}

const podsNotChecked = (draft: Draft, event: OfJob): void =>
  onRunning(draft, event, (own) => {
    const { check } = own.beginning
    const next = check === undefined ? undefined : later(draft.now, check, CHECKS)
    return { ...own, beginning: { ...own.beginning, check: next } }
  })

const notDeleted = (draft: Draft, event: Of<"NotDeleted">): void => {
  const { attempt } = slotOf(draft.board, event.name)
  const job = jobOf(draft, event)
  if (attempt?._tag === "Replacing" && job !== undefined) refuse(draft, event.name, attempt, event.message)
  if (job?._tag === "Stopping") lookUpAgain(draft, event)
}

const inspected = (draft: Draft, event: Of<"Inspected">): void => {
  const own = jobOf(draft, event)
  if (own?._tag !== "Inspecting") return
  const { id, job, lookup, task } = own
  putJob(
    draft,
    event.name,
    OwnJob.Finished({ job, task, id, lookup, state: event.state, isReleased: false, chores: {} })
  )
  // A Job that has succeeded is deleted soon, and its Secret with it.
  if (event.state._tag === "Failed" && secretNameOf(job) !== undefined) tidy(draft, event.name, "DropSecret")
}

const onChore = (draft: Draft, event: Omit<Of<"Tidied">, "_tag">, next: (retry: Retry) => Retry | undefined): void => {
  const job = jobOf(draft, event)
  const retry = job?._tag === "Finished" ? job.chores[event.chore] : undefined
  if (job?._tag !== "Finished" || retry === undefined) return
  const { [event.chore]: _, ...others } = job.chores
  const again = next(retry)
  putJob(draft, event.name, { ...job, chores: again === undefined ? others : { ...others, [event.chore]: again } })
}

const tick = (draft: Draft): void => {
  const isDue = (at: number | "Now" | undefined): boolean => typeof at === "number" && at <= draft.now
  const due = [...HashMap.entries(draft.board.slots)].filter(([, slot]) => timesIn(slot).some(isDue))
  for (const [name, slot] of due) {
    const { attempt, job } = slot
    if (straysIn(slot).some(({ awaitedUntil }) => isDue(awaitedUntil))) {
      const pods = (slot.pods ?? []).map((pod) => (isDue(pod.awaitedUntil) ? { ...pod, awaitedUntil: undefined } : pod))
      put(draft, name, { ...slot, pods })
      createIfFree(draft, name)
    } else if (attempt?._tag === "Waiting" && attempt.limit !== undefined && isDue(attempt.limit.until)) {
      putAttempt(draft, name, { ...attempt, limit: { ...attempt.limit, until: undefined } })
    } else if (attempt?._tag === "Replacing" && isDue(attempt.until)) {
      refuse(draft, name, attempt, `the finished Job was not gone after ${REMOVAL_SECONDS} seconds`)
    } else if (attempt?._tag === "Creating" && isDue(attempt.unanswered?.at)) checkAttempt(draft, name, attempt)
    if (job === undefined) continue
    if (isDue(job.lookup?.at)) lookUp(draft, name, job)
    if (job._tag === "Running") tickRunning(draft, name, job, isDue)
    if (job._tag === "Finished") {
      for (const chore of ["Shorten", "DropSecret", "Delete"] as const) {
        if (isDue(job.chores[chore]?.at)) doChore(draft, name, job, chore)
      }
    }
  }
}

/** The review that follows ends what is over. */
const tickRunning = (
  draft: Draft,
  name: string,
  job: JobOf<"Running">,
  isDue: (at: number | "Now" | undefined) => boolean
): void => {
  const { check, startBy } = job.beginning
  const { job: now = job } = slotOf(draft.board, name)
  if (now._tag !== "Running") return
  if (!isDue(check === undefined ? startBy : check.at)) return putJob(draft, name, now)
  putJob(draft, name, { ...now, beginning: { ...job.beginning, check: { at: "Now", tries: check?.tries ?? 0 } } })
  draft.commands.push(Command.CheckPods({ name, uid: uidOf(job.job) }))
}

const doChore = (draft: Draft, name: string, { job, state }: JobOf<"Finished">, chore: Chore): void => {
  const hasEndedByItself = chore === "Delete" && state._tag !== "Failed" && outcomeOf(job)._tag !== "Active"
  if (hasEndedByItself) onChore(draft, { name, uid: uidOf(job), chore }, () => undefined)
  else tidy(draft, name, chore)
}
