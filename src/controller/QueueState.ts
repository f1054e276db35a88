/**
 * The keys that wait and the keys that are worked on, as a pure state. WorkQueue has the effects, the time and the chance.
 *
 * - No key is worked on twice at once. A key that is added while it is worked on waits again afterwards.
 * - A key that is added again while it waits keeps its position. If the new priority is higher, the key moves to the end of
 *   that priority.
 */
import { Option } from "effect"

/** The priorities, the highest first. */
export const PRIORITIES = ["High", "Low"] as const

/**
 * `High` is for changes by users and for the ends of copies. `Low` is for the first list of all Images and for times that have
 * come. A start with thousands of Images therefore does not delay a new Image.
 */
export type Priority = (typeof PRIORITIES)[number]

/** What {@link nextKey} reads. */
export interface Backlog<K> {
  /** The keys that wait, in order of arrival. No waiting key is worked on. */
  readonly waiting: Readonly<Record<Priority, ReadonlySet<K>>>
  /** The keys that are worked on. A key that was added again meanwhile has the priority with which it was added. */
  readonly working: ReadonlyMap<K, Option.Option<Priority>>
}

/**
 * The next key to work on: of the keys with the highest priority, the key that has waited longest. There is none while
 * `concurrency` keys are worked on. This function has all rules of order and all limits of the queue.
 */
export const nextKey = <K>({ waiting, working }: Backlog<K>, concurrency: number): Option.Option<K> => {
  if (working.size >= concurrency) return Option.none()
  const [first] = PRIORITIES.flatMap((priority) => firstOf(waiting[priority]))
  return first === undefined ? Option.none() : Option.some(first.key)
}

const firstOf = <K>(keys: ReadonlySet<K>): ReadonlyArray<{ readonly key: K }> => {
  const { done, value } = keys.values().next()
  return done === true ? [] : [{ key: value }]
}

export class QueueState<K> implements Backlog<K> {
  readonly waiting: Record<Priority, Set<K>> = { High: new Set(), Low: new Set() }
  readonly working = new Map<K, Option.Option<Priority>>()
  /** The number of keys that are worked on and were added again. */
  #again = 0
  readonly #concurrency: number

  /** @param concurrency how many keys are worked on at once */
  constructor(concurrency: number) {
    this.#concurrency = concurrency
  }

  /** How many keys wait, including the keys that are worked on and were added again. */
  get depth(): number {
    return this.waiting.High.size + this.waiting.Low.size + this.#again
  }

  /** Whether no key waits and no key is worked on. */
  get isIdle(): boolean {
    return this.depth === 0 && this.working.size === 0
  }

  add(key: K, priority: Priority): void {
    const again = this.working.get(key)
    if (again === undefined) return this.#wait(key, priority)
    if (Option.isNone(again)) this.#again += 1
    if (Option.getOrNull(again) !== "High") this.working.set(key, Option.some(priority))
  }

  /** Moves the next key from the waiting keys to the keys that are worked on, and gives that key. */
  take(): Option.Option<K> {
    const next = nextKey(this, this.#concurrency)
    if (Option.isSome(next)) {
      for (const priority of PRIORITIES) this.waiting[priority].delete(next.value)
      this.working.set(next.value, Option.none())
    }
    return next
  }

  /** Ends the work on a key. A key that was added again meanwhile waits again. */
  done(key: K): void {
    const again = this.working.get(key)
    if (again === undefined || !this.working.delete(key)) return
    if (Option.isNone(again)) return
    this.#again -= 1
    this.#wait(key, again.value)
  }

  #wait(key: K, priority: Priority): void {
    if (priority === "High") this.waiting.Low.delete(key)
    if (!this.waiting.High.has(key)) this.waiting[priority].add(key)
  }
}
