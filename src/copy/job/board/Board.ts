/** The state of the board: a slot for each destination, and the indexes that are derived from the slots. Pure. */
import { HashMap, HashSet, Option } from "effect"
import { type CopyTask, destinationOf } from "../../../domain/Copy.ts"
import { keyOf } from "../../../domain/ImageKey.ts"
import { formatReference } from "../../../oci/Reference.ts"
import { type Claim, claimOf, enqueue, type Limits, NONE_WAITING, type Waiting, withdraw } from "../../CopyLimits.ts"
import { jobName, oldJobName } from "../Job.ts"
import { mayWrite } from "../JobPod.ts"
import { claimsIn, isKept, isQueued, limitedIn, type Slot, timesIn } from "./Slot.ts"

/** Names of slots by a key that they share, in the order in which the slots got the key. */
type Index = HashMap.HashMap<string, ReadonlyArray<string>>

export interface BoardOptions {
  readonly limits: Limits
  /** The namespace of the Jobs. */
  readonly namespace: string
  /** Identifies the operator's settings for Jobs. A Job with other settings that has not started is created again. */
  readonly settings: string
  /** How long a Job may have no running container. */
  readonly startMillis: number
}

export interface Board extends BoardOptions {
  /** Whether all pods have been listed. Until then a Job without a known pod may have one. */
  readonly podsListed: boolean
  /** By the name of the Job, which `slotNameOf` gives. */
  readonly slots: HashMap.HashMap<string, Slot>
  /** How many copies have been started. */
  readonly started: number
  // Everything below is derived from the slots by `withSlot`.
  /** The slots with copies of an Image. */
  readonly byImage: Index
  /** The slots whose copies wait for a rate limit, by namespace. */
  readonly limited: Index
  /** The copies that wait for a place. */
  readonly waiting: Waiting
  /** The copies that have a place. */
  readonly running: HashMap.HashMap<string, Claim>
  /** The slots whose failed Jobs are kept. */
  readonly kept: HashSet.HashSet<string>
  /** The time of the next `Tick`. It may be too early, never too late. */
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

export const slotOf = (board: Board, name: string): Slot => Option.getOrElse(HashMap.get(board.slots, name), () => ({}))

/**
 * The name of the slot of a destination. A Job of an earlier release has another name, and its slot is used while the Job or one
 * of its pods is there: two Jobs never write one tag.
 */
export const slotNameOf = (board: Board, task: CopyTask): string => {
  const old = oldJobName(task)
  const { attempt, job, pods = [] } = slotOf(board, old)
  const own = attempt ?? job
  const isUsed = own === undefined ? pods.some(mayWrite) : isSameDestination(own.task, task)
  return isUsed ? old : jobName(task)
}

const isSameDestination = (a: CopyTask, b: CopyTask): boolean =>
  formatReference(destinationOf(a)) === formatReference(destinationOf(b))

export const namesIn = (index: Index, key: string): ReadonlyArray<string> =>
  Option.getOrElse(HashMap.get(index, key), () => [])

/** The board with another slot of this name. The indexes follow. */
export const withSlot = (board: Board, name: string, slot: Slot): Board => {
  const old = slotOf(board, name)
  const isEmpty = slot.attempt === undefined && slot.job === undefined && (slot.pods ?? []).length === 0
  const times = [...timesIn(slot), ...(board.wakeAt === undefined ? [] : [board.wakeAt])]
  return {
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
    wakeAt: earliest(times)
  }
}

/** The board with the exact time of the next `Tick`. `withSlot` moves it forward only. */
export const withExactWakeTime = (board: Board): Board => ({
  ...board,
  wakeAt: earliest([...HashMap.values(board.slots)].flatMap(timesIn))
})

const earliest = (times: ReadonlyArray<number>): number | undefined =>
  times.length === 0 ? undefined : times.reduce((a, b) => Math.min(a, b))

const imagesIn = ({ attempt, job }: Slot): ReadonlyArray<string> => [
  ...new Set([...(attempt ? [attempt] : []), ...(job ? [job] : [])].map(({ task }) => keyOf(task.image)))
]

/** The index after the keys of a slot have changed. The slot keeps its position under the keys that it keeps. */
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
