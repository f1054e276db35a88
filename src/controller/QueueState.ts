/**
 * The keys that wait and the keys that are worked on, as a pure state. WorkQueue has the effects, the time and the chance.
 *
 * - No key is worked on twice at once. A key that is added while it is worked on waits again afterwards.
 * - A key that is added again while it waits keeps its position. If the new priority is higher, the key moves to the end of
 *   that priority.
 * - Keys of one priority are taken from their namespaces in rotation, and there from their hosts in rotation.
 * - Of the changes of one namespace and host the oldest and the newest are taken in turn. A user who changes one Image does not
 *   wait for thousands of earlier changes, and every earlier change is taken in the end.
 * - Keys of one host have at most half of the workers. A host that does not answer delays only its own keys.
 * - Keys of one namespace have at most nine tenths of the workers. A namespace may name any number of hosts that do not answer.
 */
import { Option } from "effect"

/** The priorities, the highest first. */
export const PRIORITIES = ["High", "Low"] as const

/**
 * `High` is for changes by users and for the ends of copies. `Low` is for the first list of all Images and for times that have
 * come. A start with thousands of Images therefore does not delay a new Image.
 */
export type Priority = (typeof PRIORITIES)[number]

/** The group of keys that a key waits with. */
export interface Lane {
  readonly namespace: string
  /** The host that work on the key may have to wait for, if one is known. */
  readonly host: string | undefined
}

interface Again {
  readonly priority: Priority
  readonly lane: Lane
}

interface Work {
  readonly lane: Lane
  /** The priority and the lane of a key that was added during the work on the key. */
  readonly again: Again | undefined
}

/** The input of {@link nextKey}. */
export interface Backlog<K> {
  /** The keys that wait and may be worked on. */
  readonly waiting: Readonly<Record<Priority, Pick<Lanes<K>, "first">>>
  readonly working: ReadonlyMap<K, Pick<Work, "lane">>
  /** The number of keys of high priority that were taken in a row while others waited. */
  readonly highInARow: number
}

/** Whether one more key of a namespace or of a host may be worked on. */
interface Rooms {
  readonly namespace: (namespace: string) => boolean
  readonly host: (host: string | undefined) => boolean
}

/** After this many keys of high priority in a row, a key of low priority is taken. */
const HIGH_IN_A_ROW = 3

/** The next key to work on, if there is one. This function has all rules of order and all limits of the queue. */
export const nextKey = <K>({ highInARow, waiting, working }: Backlog<K>, concurrency: number): Option.Option<K> => {
  if (working.size >= concurrency) return Option.none()
  const busy = (isSame: (lane: Lane) => boolean): number =>
    [...working.values()].filter(({ lane }) => isSame(lane)).length
  const most = { host: Math.max(1, Math.floor(concurrency / 2)), namespace: Math.ceil(concurrency * 0.9) }
  const rooms: Rooms = {
    namespace: (namespace) => busy((lane) => lane.namespace === namespace) < most.namespace,
    host: (host) => host === undefined || busy((lane) => lane.host === host) < most.host
  }
  const [first, second] = PRIORITIES.map((priority) => () => waiting[priority].first(rooms))
  const order = highInARow < HIGH_IN_A_ROW ? [first, second] : [second, first]
  return Option.firstSomeOf(order.map((next) => next?.() ?? Option.none()))
}

/** The keys of one namespace and host that wait, in the order in which they were added. */
class Line<K> {
  readonly #keys = new Set<K>()
  /** The same keys, and some that have left, the newest last. Empty if only the oldest key is ever taken. */
  #newest: Array<K> = []
  #isNewestNext = false
  readonly #alternates: boolean

  constructor(alternates: boolean) {
    this.#alternates = alternates
  }

  get size(): number {
    return this.#keys.size
  }

  add(key: K): void {
    this.#keys.add(key)
    if (!this.#alternates) return
    this.#newest.push(key)
    // Keys that have left are removed now and then, so that the array does not grow.
    if (this.#newest.length > 2 * this.#keys.size + 32) this.#newest = [...this.#keys]
  }

  delete(key: K): void {
    this.#keys.delete(key)
  }

  /** The key that is taken next. */
  next(): Option.Option<K> {
    if (this.#isNewestNext) {
      for (let newest = this.#newest.at(-1); newest !== undefined; newest = this.#newest.at(-1)) {
        if (this.#keys.has(newest)) return Option.some(newest)
        this.#newest.pop()
      }
    }
    for (const oldest of this.#keys) return Option.some(oldest)
    return Option.none()
  }

  /** A key was taken from this line. */
  took(): void {
    this.#isNewestNext = this.#alternates && !this.#isNewestNext
  }
}

/** Keys that wait, by namespace and host. The namespaces and their hosts are in the order of their turns. */
class Lanes<K> {
  readonly #lanes = new Map<K, Lane>()
  readonly #namespaces = new Map<string, Map<string | undefined, Line<K>>>()
  readonly #alternates: boolean

  /** @param alternates whether the newest and the oldest key of a namespace and host are taken in turn */
  constructor(alternates: boolean) {
    this.#alternates = alternates
  }

  get size(): number {
    return this.#lanes.size
  }

  has(key: K): boolean {
    return this.#lanes.has(key)
  }

  /** The key that is taken next. */
  first(rooms: Rooms): Option.Option<K> {
    for (const [namespace, hosts] of this.#namespaces) {
      // A full namespace may have thousands of hosts.
      if (!rooms.namespace(namespace)) continue
      for (const [host, keys] of hosts) {
        if (!rooms.host(host)) continue
        const next = keys.next()
        if (Option.isSome(next)) return next
      }
    }
    return Option.none()
  }

  add(key: K, lane: Lane): void {
    if (this.#lanes.has(key)) return
    this.#lanes.set(key, lane)
    const hosts = this.#namespaces.get(lane.namespace) ?? new Map<string | undefined, Line<K>>()
    const keys = hosts.get(lane.host) ?? new Line(this.#alternates)
    keys.add(key)
    this.#namespaces.set(lane.namespace, hosts.set(lane.host, keys))
  }

  remove(key: K): Lane | undefined {
    const lane = this.#lanes.get(key)
    if (lane === undefined) return undefined
    this.#lanes.delete(key)
    const hosts = this.#namespaces.get(lane.namespace)
    const keys = hosts?.get(lane.host)
    keys?.delete(key)
    if (keys?.size === 0) hosts?.delete(lane.host)
    if (hosts?.size === 0) this.#namespaces.delete(lane.namespace)
    return lane
  }

  /** Removes a key that was taken. The other namespaces and hosts come before the next key of the same namespace and host. */
  take(key: K): Lane | undefined {
    const lane = this.remove(key)
    const hosts = lane && this.#namespaces.get(lane.namespace)
    if (lane === undefined || hosts === undefined) return lane
    this.#namespaces.delete(lane.namespace)
    this.#namespaces.set(lane.namespace, hosts)
    const keys = hosts.get(lane.host)
    keys?.took()
    if (keys !== undefined && hosts.delete(lane.host)) hosts.set(lane.host, keys)
    return lane
  }
}

/** The lane of keys without a known namespace and host. */
export const ONE_LANE: Lane = { namespace: "", host: undefined }

export class QueueState<K> implements Backlog<K> {
  readonly waiting: Readonly<Record<Priority, Lanes<K>>> = {
    High: new Lanes(true),
    Low: new Lanes(false)
  }
  readonly working = new Map<K, Work>()
  highInARow = 0
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

  add(key: K, priority: Priority, lane: Lane = ONE_LANE): void {
    const work = this.working.get(key)
    if (work === undefined) return this.#wait(key, { priority, lane })
    if (work.again === undefined) this.#again += 1
    const again = { priority: work.again?.priority === "High" ? "High" : priority, lane } as const
    this.working.set(key, { lane: work.lane, again })
  }

  /** Moves the next key from the waiting keys to the keys that are worked on, and gives that key. */
  take(): Option.Option<K> {
    return Option.tap(nextKey(this, this.#concurrency), (key) => {
      const lane = this.waiting.High.take(key)
      this.highInARow = lane !== undefined && this.waiting.Low.size > 0 ? this.highInARow + 1 : 0
      this.working.set(key, { lane: lane ?? this.waiting.Low.take(key) ?? ONE_LANE, again: undefined })
      return Option.some(key)
    })
  }

  /** Ends the work on a key. A key that was added again meanwhile waits again. */
  done(key: K): void {
    const work = this.working.get(key)
    if (work === undefined || !this.working.delete(key) || work.again === undefined) return
    this.#again -= 1
    this.#wait(key, work.again)
  }

  #wait(key: K, { lane, priority }: Again): void {
    if (priority === "High") this.waiting.Low.remove(key)
    if (!this.waiting.High.has(key)) this.waiting[priority].add(key, lane)
  }
}
