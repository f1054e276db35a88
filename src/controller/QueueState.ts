/**
 * Which keys wait to be worked on, and which are worked on. No effects, no time, no chance: WorkQueue has those.
 *
 * - No key is worked on twice at once. One that is added while it is worked on waits again when that is done.
 * - A key that is added again while it waits keeps its place, unless the new priority is higher: then it has that one, and
 *   comes after those that had it before.
 */
import { Option } from "effect"

/** The highest first. */
export const PRIORITIES = ["High", "Low"] as const

/**
 * `High` is for what somebody waits for: a change by a user, or the end of a copy. `Low` is for what is due anyway: the first
 * list of everything, and times that have come. So a start with thousands of Images does not hold up a new one.
 */
export type Priority = (typeof PRIORITIES)[number]

/** What {@link nextKey} reads. */
export interface Backlog<K> {
  /** The keys that wait and may be worked on, in order of arrival. */
  readonly waiting: Readonly<Record<Priority, ReadonlySet<K>>>
  /** The keys that are worked on. Those that were added again since have the priority of that. */
  readonly working: ReadonlyMap<K, Option.Option<Priority>>
}

/**
 * The key that is worked on next, if one may be: of those with the highest priority the one that has waited longest. Every
 * rule of fairness and every limit is one of this function.
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
  /** Keys that are worked on and were added again. */
  #again = 0
  readonly #concurrency: number

  /** @param concurrency how many keys are worked on at once */
  constructor(concurrency: number) {
    this.#concurrency = concurrency
  }

  /** How many keys are still to be worked on, including those that are worked on and were added again. */
  get depth(): number {
    return this.waiting.High.size + this.waiting.Low.size + this.#again
  }

  /** Whether nothing waits and nothing is worked on. */
  get isIdle(): boolean {
    return this.depth === 0 && this.working.size === 0
  }

  add(key: K, priority: Priority): void {
    const again = this.working.get(key)
    if (again === undefined) return this.#wait(key, priority)
    if (Option.isNone(again)) this.#again += 1
    if (Option.getOrNull(again) !== "High") this.working.set(key, Option.some(priority))
  }

  /** Begins with the next key, if there is one that may be worked on. */
  take(): Option.Option<K> {
    const next = nextKey(this, this.#concurrency)
    if (Option.isSome(next)) {
      for (const priority of PRIORITIES) this.waiting[priority].delete(next.value)
      this.working.set(next.value, Option.none())
    }
    return next
  }

  /** A key is no longer worked on. */
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
