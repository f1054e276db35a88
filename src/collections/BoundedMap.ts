/**
 * A map with a bounded size, for facts about hosts, repositories and credentials. Users and registries choose the number of
 * these. Effect's Cache is bounded too, but each of its operations is an effect, and its entries have no weights.
 */
export interface BoundedMapOptions<V> {
  /** The largest sum of the entries' weights. */
  readonly capacity: number
  /** The weight of an entry. Default 1: then `capacity` is a number of entries. */
  readonly weigh?: (value: V) => number
}

/** Drops the least recently used entries first. A use is `get` or `set`. */
export class BoundedMap<K, V> {
  /** From the least to the most recently used. */
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

  /** Sets an entry. The map does not keep an entry that alone weighs more than the capacity. */
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

  /** All entries, from the least to the most recently used. An iteration does not count as a use. */
  *entries(): IterableIterator<[K, V]> {
    for (const [key, { value }] of this.#entries) yield [key, value]
  }
}
