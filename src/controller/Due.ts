/**
 * Keys that come due at times of the Clock, as one stream. One timer waits for the earliest time of a heap, so a key that is
 * due in months costs some memory and no fiber.
 */
import { Clock, Duration, Effect, Latch, Stream } from "effect"

export interface Due<K> {
  /**
   * Sets when a key is due, in milliseconds of the Clock since the epoch. A key with a past time is due at once. The new time
   * replaces an earlier or a later time of the key, because the new time was computed from newer facts.
   */
  readonly set: (key: K, millis: number) => Effect.Effect<void>
  /** Removes the time of a key, if the key has one. */
  readonly forget: (key: K) => Effect.Effect<void>
  /**
   * Gives each key when its time comes: the earliest key first, and keys of the same time in the order in which they were set.
   * A key that was given has no time until `set` gives the key a new one. The stream never ends. The stream is for one
   * consumer: two consumers would share the keys.
   */
  readonly keys: Stream.Stream<K>
}

/** The longest sleep. A timer does not notice that the Clock was set forward, so the Clock is read this often. */
const LONGEST_SLEEP = Duration.toMillis("1 hour")

export const make = <K>(): Effect.Effect<Due<K>> =>
  Effect.sync(() => {
    const heap = new TimeHeap<K>()
    /** Opened when a key is set that is due before all others. */
    const isEarlier = Latch.makeUnsafe()

    const awaitEarliest = (now: number): Effect.Effect<void> => {
      const { earliest } = heap
      if (earliest === undefined) return isEarlier.await
      // The TestClock does not advance by fractions of a millisecond.
      const millis = Math.min(LONGEST_SLEEP, Math.ceil(earliest - now))
      return Effect.raceFirst(Effect.sleep(millis), isEarlier.await)
    }

    const take = Effect.gen(function* () {
      while (true) {
        isEarlier.closeUnsafe()
        const now = yield* Clock.currentTimeMillis
        const keys = heap.takeUntil(now)
        if (keys.length > 0) return keys
        yield* awaitEarliest(now)
      }
    })

    return {
      set: (key, millis) =>
        Effect.sync(() => {
          const { earliest = Infinity } = heap
          heap.set(key, millis)
          if (millis < earliest) isEarlier.openUnsafe()
        }),
      forget: (key) => Effect.sync(() => heap.remove(key)),
      keys: Stream.fromIterableEffectRepeat(take)
    }
  })

interface Entry<K> {
  readonly key: K
  readonly millis: number
  /** The order of entries with the same time. */
  readonly order: number
  /** The entry's position in the heap. */
  index: number
}

const isBefore = <K>(a: Entry<K>, b: Entry<K>): boolean =>
  a.millis === b.millis ? a.order < b.order : a.millis < b.millis

/** A binary heap of times. The heap knows the position of each key, so that a new time replaces the old one. */
class TimeHeap<K> {
  readonly #heap: Array<Entry<K>> = []
  readonly #entries = new Map<K, Entry<K>>()
  #order = 0

  get earliest(): number | undefined {
    return this.#heap[0]?.millis
  }

  set(key: K, millis: number): void {
    this.remove(key)
    const entry: Entry<K> = { key, millis, order: this.#order++, index: this.#heap.length }
    this.#entries.set(key, entry)
    this.#heap.push(entry)
    this.#rise(entry)
  }

  remove(key: K): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    const last = this.#heap.pop()
    if (last === undefined || last === entry) return
    this.#place(last, entry.index)
    this.#rise(last)
    this.#sink(last)
  }

  /** Removes the keys with times up to `millis`, and gives them in order. */
  takeUntil(millis: number): ReadonlyArray<K> {
    const keys: Array<K> = []
    for (let first = this.#heap[0]; first !== undefined && first.millis <= millis; first = this.#heap[0]) {
      this.remove(first.key)
      keys.push(first.key)
    }
    return keys
  }

  #place(entry: Entry<K>, index: number): void {
    entry.index = index
    this.#heap[index] = entry
  }

  #rise(entry: Entry<K>): void {
    while (entry.index > 0) {
      const parent = this.#heap[(entry.index - 1) >> 1]
      if (parent === undefined || isBefore(parent, entry)) return
      this.#swap(parent, entry)
    }
  }

  #sink(entry: Entry<K>): void {
    while (true) {
      const child = this.#earlierChild(entry.index)
      if (child === undefined || isBefore(entry, child)) return
      this.#swap(entry, child)
    }
  }

  #earlierChild(index: number): Entry<K> | undefined {
    const left = this.#heap[2 * index + 1]
    const right = this.#heap[2 * index + 2]
    return left !== undefined && right !== undefined && isBefore(right, left) ? right : left
  }

  /** Exchanges the places of two entries. */
  #swap(a: Entry<K>, b: Entry<K>): void {
    const { index } = a
    this.#place(a, b.index)
    this.#place(b, index)
  }
}
