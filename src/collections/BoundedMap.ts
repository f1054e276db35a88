/**
 * A map with a bounded size, for what is remembered of hosts, repositories and credentials: others choose how many there
 * are. Effect's Cache is bounded too, but each of its operations is an effect, and its entries are not weighed.
 */
export interface BoundedMapOptions<V> {
  /** The most that all entries together may weigh. */
  readonly capacity: number
  /** What an entry weighs. Default 1: then `capacity` is a number of entries. */
  readonly weigh?: (value: V) => number
}

/** What was used longest ago is dropped first. A use is `get` or `set`. */
export class BoundedMap<K, V> {
  /** In the order of their last use. */
  readonly #entries = new Map<K, { readonly value: V; readonly weight: number }>()
  readonly #capacity: number
  readonly #weigh: (value: V) => number
  #weight = 0

  constructor({ capacity, weigh = () => 1 }: BoundedMapOptions<V>) {
    this.#capacity = capacity
    this.#weigh = weigh
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value
  }

  has(key: K): boolean {
    return this.#entries.has(key)
  }

  /** An entry that alone weighs more than the capacity is not kept. */
  set(key: K, value: V): void {
    this.delete(key)
    const weight = this.#weigh(value)
    this.#entries.set(key, { value, weight })
    this.#weight += weight
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.#capacity) break
      this.delete(oldest)
    }
  }

  delete(key: K): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#weight -= entry.weight
  }

  /** In the order of their last use. This is no use. */
  *entries(): IterableIterator<[K, V]> {
    for (const [key, { value }] of this.#entries) yield [key, value]
  }
}
