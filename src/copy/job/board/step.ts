/**
 * The decisions about copies that Jobs make. {@link step} takes a board and an event, and gives the next board and commands.
 * JobEngine carries the commands out, and reports the result of each as another event. Pure.
 *
 * A Job has the name of its destination, and each name has one slot. Two copies therefore never write one tag at once.
 */
import { HashMap } from "effect"
import { admit } from "../../CopyLimits.ts"
import { Command, Event } from "../JobEvents.ts"
import { announce } from "./announce.ts"
import { createIfFree, endPreparing, limited, prepared, tickAttempt } from "./attempts.ts"
import { type Board, slotOf, withExactWakeTime } from "./Board.ts"
import { created, notCreated, podsLeft } from "./creation.ts"
import { type Draft, draftOf, failed, isDue, put, putAttempt } from "./Draft.ts"
import { notTidied, prune, tickFinished, tidied } from "./finished.ts"
import { lose, secretMade, secretNotMade } from "./jobs.ts"
import { checked, deleted, notChecked, notDeleted, tickLookups } from "./lookups.ts"
import { cancel, release, start } from "./requests.ts"
import { inspected, podsChecked, podsNotChecked, review, tickRunning } from "./running.ts"
import { Attempt, keptIn, straysIn, timesIn } from "./Slot.ts"
import { jobSeen, jobsRelisted, podGone, podSeen, podsRelisted } from "./watch.ts"

export interface Step {
  readonly board: Board
  readonly commands: ReadonlyArray<Command>
}

/** The board after an event, and the commands that follow from the event. `now` is in milliseconds since the epoch. */
export const step = (board: Board, event: Event, now: number): Step => {
  const draft = draftOf(board, now)
  apply(draft, event)
  for (const name of [...draft.before.keys()]) review(draft, name)
  if (event._tag === "Tick") draft.board = withExactWakeTime(draft.board)
  admitWaiting(draft)
  settle(draft)
  announce(draft, event)
  return { board: draft.board, commands: draft.commands }
}

const apply = (draft: Draft, event: Event): void =>
  Event.$match(event, {
    Start: ({ task }) => start(draft, task),
    Cancel: ({ copy }) => cancel(draft, copy),
    Release: ({ copy }) => release(draft, copy),
    Prune: (event) => prune(draft, event),
    Seen: ({ job }) => jobSeen(draft, job),
    Gone: (event) => lose(draft, event),
    Relisted: ({ jobs }) => jobsRelisted(draft, jobs),
    PodSeen: ({ pod }) => podSeen(draft, pod),
    PodGone: (event) => podGone(draft, event),
    PodsRelisted: ({ pods }) => podsRelisted(draft, pods),
    Prepared: (event) => prepared(draft, event),
    Limited: (event) => limited(draft, event),
    NotNeeded: (event) => endPreparing(draft, event, { _tag: "Present", at: draft.now, digest: event.digest }),
    NotPrepared: (event) => endPreparing(draft, event, failed(draft, event)),
    Created: (event) => created(draft, event),
    PodsLeft: (event) => podsLeft(draft, event),
    NotCreated: (event) => notCreated(draft, event),
    Checked: (event) => checked(draft, event),
    NotChecked: (event) => notChecked(draft, event),
    SecretMade: (event) => secretMade(draft, event),
    SecretNotMade: (event) => secretNotMade(draft, event),
    Deleted: (event) => deleted(draft, event),
    NotDeleted: (event) => notDeleted(draft, event),
    Inspected: (event) => inspected(draft, event),
    PodsChecked: (event) => podsChecked(draft, event),
    PodsNotChecked: (event) => podsNotChecked(draft, event),
    Tidied: (event) => tidied(draft, event),
    NotTidied: (event) => notTidied(draft, event),
    Tick: () => tick(draft)
  })

const tick = (draft: Draft): void => {
  const due = [...HashMap.entries(draft.board.slots)].filter(([, slot]) => timesIn(slot).some((at) => isDue(draft, at)))
  for (const [name] of due) {
    tickPods(draft, name)
    tickAttempt(draft, name)
    tickLookups(draft, name)
    tickRunning(draft, name)
    tickFinished(draft, name)
  }
}

/** Stops the wait for pods whose time is over. */
const tickPods = (draft: Draft, name: string): void => {
  const slot = slotOf(draft.board, name)
  if (!straysIn(slot).some(({ awaitedUntil }) => isDue(draft, awaitedUntil))) return
  const pods = (slot.pods ?? []).map((pod) =>
    isDue(draft, pod.awaitedUntil) ? { ...pod, awaitedUntil: undefined } : pod
  )
  put(draft, name, { ...slot, pods })
  createIfFree(draft, name)
}

/** Gives free places to waiting copies. */
const admitWaiting = (draft: Draft): void => {
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

/** Ends the preparation and the reserved pulls of attempts that no longer use them. */
const settle = (draft: Draft): void => {
  const kept = new Set([...draft.before.keys()].flatMap((name) => keptIn(slotOf(draft.board, name))))
  for (const id of [...draft.before.values()].flatMap(keptIn)) {
    if (!kept.has(id)) draft.commands.push(Command.Settle({ id }))
  }
}
