/**
 * A copy of all objects of a kind, kept current by a watch, with indexes: what kube-rs calls a reflector with its store, and
 * client-go an informer.
 */
import { Effect, Latch, Option, Schema, type Scope, Stream } from "effect"
import type { KubeClient, ListScope } from "./KubeClient.ts"
import { listWatchAs, type StoreEvent } from "./ListWatch.ts"
import { keyOf, type KubeObject, type Resource } from "./Resource.ts"

export { keyOf }

/** A change of one key: `before` is absent for a new object, `after` for one that is gone. */
export interface StoreChange<V> {
  readonly key: string
  readonly before: V | undefined
  readonly after: V | undefined
}

/**
 * What is known of the objects of a kind. It may lag behind the API server, but for writes that are reported to `written`.
 * Nothing here waits but `synced` and `changes`.
 */
export interface Store<A extends KubeObject, V, Index extends string> {
  /** The value of an object, by its {@link keyOf}. */
  readonly get: (key: string) => Effect.Effect<Option.Option<V>>
  /** The values that an index has under a text; costs as much as there are of them. */
  readonly by: (index: Index, text: string) => Effect.Effect<ReadonlyArray<V>>
  readonly values: Effect.Effect<ReadonlyArray<V>>
  /**
   * First the values that are there, as changes from nothing, then each change once the store shows it; never ends. A
   * subscriber that is slower than the changes gets one change for all of a key's since its last: from the value that it knows
   * to the newest. So it holds no more than one change for each key.
   */
  readonly changes: Stream.Stream<StoreChange<V>>
  /** Completes when every scope has been listed once. */
  readonly synced: Effect.Effect<void>
  /**
   * Takes in the answer to a write of our own, or to a read, before the watch brings it. It is taken only for the same object
   * (by uid) in an earlier version: an answer that comes late takes nothing back, and never brings back an object that was
   * deleted meanwhile. A new object comes in by the watch alone.
   */
  readonly written: (object: A) => Effect.Effect<void>
}

export interface StoreOptions<A, V, Index extends string> {
  /** What is listed and watched, each scope by itself. No two may have a namespace in common. */
  readonly scopes: ReadonlyArray<ListScope>
  /** What is kept of an object; called once for each version. It is total: an object that cannot be read is a value too. */
  readonly decode: (object: A) => V
  /** By which texts a value is found; a pure function of the value. */
  readonly indexes: Readonly<Record<Index, (value: V) => ReadonlyArray<string>>>
}

/** An object in two scopes would be deleted by either list that no longer has it. */
export class OverlappingScopes extends Schema.TaggedError<OverlappingScopes>()("OverlappingScopes", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** Follows all objects of a kind for as long as its scope. */
export const make = Effect.fnUntraced(function* <A extends KubeObject, V, Index extends string>(
  resource: Resource<A>,
  options: StoreOptions<A, V, Index>
): Effect.fn.Return<Store<A, V, Index>, OverlappingScopes, KubeClient | Scope.Scope> {
  const { scopes } = options
  const overlap = overlapIn(scopes)
  if (overlap !== undefined) return yield* new OverlappingScopes({ detail: `${resource.plural}: ${overlap}` })
  const subscriptions = new Set<Subscription<V>>()
  const contents = new Contents(options, (key, before) => {
    for (const subscription of subscriptions) subscription.add(key, before)
  })
  const synced = yield* Latch.make(scopes.length === 0)
  const listed = new Set<number>()

  /** One step of the contents. Subscribers run on only when it is done: none of them sees half of a list. */
  const step = (change: () => void): Effect.Effect<void> =>
    Effect.sync(() => {
      change()
      for (const subscription of subscriptions) subscription.release()
    })

  const reflect = (scope: number, event: StoreEvent<Entry<V>>): Effect.Effect<void> => {
    switch (event._tag) {
      case "Replaced":
        return step(() => {
          contents.replace(scope, event.objects)
          if (listed.add(scope).size === scopes.length) synced.openUnsafe()
        })
      case "Applied":
        return step(() => contents.apply(event.object))
      case "Deleted":
        return step(() => contents.remove(event.object))
    }
  }

  yield* Effect.forEach(
    scopes,
    (scope, index) =>
      listWatchAs(resource, scope, (object) => contents.entryOf(index, object)).pipe(
        Stream.runForEach((event) => reflect(index, event)),
        Effect.forkScoped({ startImmediately: true })
      ),
    { discard: true }
  )

  return {
    get: (key) => Effect.sync(() => Option.fromUndefinedOr(contents.get(key))),
    by: (index, text) => Effect.sync(() => contents.by(index, text)),
    values: Effect.sync(() => contents.values()),
    changes: Stream.unwrap(
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => {
            const subscription = new Subscription(contents)
            subscriptions.add(subscription)
            return subscription
          }),
          (subscription) => Effect.sync(() => subscriptions.delete(subscription))
        ),
        ({ take }) => Stream.fromIterableEffectRepeat(take)
      )
    ),
    synced: synced.await,
    written: (object) => step(() => contents.write(object))
  }
})

/** What two of the scopes have in common, in words; `undefined` if nothing. Labels are no help: an object may have both. */
const overlapIn = (scopes: ReadonlyArray<ListScope>): string | undefined => {
  const namespaces = scopes.map(({ namespace }) => namespace)
  if (namespaces.length > 1 && namespaces.includes(undefined)) {
    return "one scope is all namespaces, and so has those of the others; leave the others out"
  }
  const twice = namespaces.find((namespace, index) => namespaces.indexOf(namespace) !== index)
  return twice === undefined ? undefined : `two scopes have the namespace ${twice}; name it once`
}

/** A decimal number as etcd counts, of any length. */
const NUMBER = /^[1-9][0-9]*$/u

/**
 * Whether a version of an object is known to come after another. Versions of one kind can be compared where both are numbers
 * (KEP-5504); of others it is only known whether they are the same.
 */
const isNewer = (version: string, than: string): boolean =>
  NUMBER.test(version) &&
  NUMBER.test(than) &&
  (version.length === than.length ? version > than : version.length > than.length)

interface Entry<V> {
  readonly key: string
  readonly uid: string
  readonly version: string
  /** Which scope's list has the object. */
  readonly scope: number
  readonly value: V
}

/** The objects by their keys, with their indexes. */
class Contents<A extends KubeObject, V> {
  readonly #entries = new Map<string, Entry<V>>()
  readonly #indexes: ReadonlyMap<string, Index<V>>
  readonly #decode: (object: A) => V
  /** Called for each change, once the new value is there, with the value before. */
  readonly #onChange: (key: string, before: V | undefined) => void

  constructor(
    { decode, indexes }: Pick<StoreOptions<A, V, string>, "decode" | "indexes">,
    onChange: (key: string, before: V | undefined) => void
  ) {
    this.#decode = decode
    this.#indexes = new Map(Object.entries(indexes).map(([name, textsOf]) => [name, new Index(textsOf)]))
    this.#onChange = onChange
  }

  get keys(): Iterable<string> {
    return this.#entries.keys()
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)?.value
  }

  by(index: string, text: string): ReadonlyArray<V> {
    const keys = this.#indexes.get(index)?.keys(text) ?? []
    return Array.from(keys, (key) => this.#entries.get(key)).flatMap((entry) =>
      entry === undefined ? [] : [entry.value]
    )
  }

  values(): ReadonlyArray<V> {
    return Array.from(this.#entries.values(), ({ value }) => value)
  }

  /** What is kept of an object: the entry that is there, if the object has not changed since. */
  entryOf(scope: number, object: A): Entry<V> {
    const keys = keysOf(object)
    const known = this.#same(keys)
    const version = versionOf(object)
    if (known !== undefined && version !== "" && known.version === version) return known
    return { ...keys, version, scope, value: this.#decode(object) }
  }

  /** A list is the truth of its scope, whatever versions its objects have: an API server may have been restored from a backup. */
  replace(scope: number, entries: ReadonlyArray<Entry<V>>): void {
    const listed = new Set(entries.map(({ key }) => key))
    for (const { key, scope: entryScope } of Array.from(this.#entries.values())) {
      if (entryScope === scope && !listed.has(key)) this.#set(key, undefined)
    }
    for (const entry of entries) this.#set(entry.key, entry)
  }

  /** A watch that lags behind our own writes brings versions from before them. */
  apply(entry: Entry<V>): void {
    const known = this.#same(entry)
    if (known === undefined || !isNewer(known.version, entry.version)) this.#set(entry.key, entry)
  }

  remove(entry: Entry<V>): void {
    if (this.#same(entry) !== undefined) this.#set(entry.key, undefined)
  }

  write(object: A): void {
    const known = this.#same(keysOf(object))
    if (known !== undefined && isNewer(versionOf(object), known.version)) {
      this.#set(known.key, this.entryOf(known.scope, object))
    }
  }

  /** The entry of the very same object, not of another that has or had its name. */
  #same({ key, uid }: Pick<Entry<V>, "key" | "uid">): Entry<V> | undefined {
    const entry = this.#entries.get(key)
    return entry?.uid === uid ? entry : undefined
  }

  #set(key: string, entry: Entry<V> | undefined): void {
    const before = this.#entries.get(key)
    // The watch repeats our own writes, and a list the objects that have not changed.
    if (before === entry) return
    if (entry === undefined) this.#entries.delete(key)
    else this.#entries.set(key, entry)
    for (const index of this.#indexes.values()) index.move(key, before?.value, entry?.value)
    this.#onChange(key, before?.value)
  }
}

const keysOf = ({ metadata }: KubeObject): Pick<Entry<unknown>, "key" | "uid"> => ({
  key: keyOf(metadata),
  uid: metadata.uid ?? ""
})

const versionOf = ({ metadata }: KubeObject): string => metadata.resourceVersion ?? ""

/** The keys of values by one of their properties. */
class Index<V> {
  readonly #textsOf: (value: V) => ReadonlyArray<string>
  /** A key that is alone has no set of its own: most texts, such as a repository, are of one object. */
  readonly #keys = new Map<string, string | Set<string>>()

  constructor(textsOf: (value: V) => ReadonlyArray<string>) {
    this.#textsOf = textsOf
  }

  keys(text: string): Iterable<string> {
    const keys = this.#keys.get(text) ?? []
    return typeof keys === "string" ? [keys] : keys
  }

  move(key: string, before: V | undefined, after: V | undefined): void {
    const [old, texts] = [before, after].map((value) => (value === undefined ? [] : this.#textsOf(value)))
    for (const text of old ?? []) this.#remove(text, key)
    for (const text of texts ?? []) this.#add(text, key)
  }

  #add(text: string, key: string): void {
    const keys = this.#keys.get(text)
    if (keys === undefined) this.#keys.set(text, key)
    else if (typeof keys !== "string") keys.add(key)
    else if (keys !== key) this.#keys.set(text, new Set([keys, key]))
  }

  #remove(text: string, key: string): void {
    const keys = this.#keys.get(text)
    if (keys instanceof Set) keys.delete(key)
    if (keys === key || (keys instanceof Set && keys.size === 0)) this.#keys.delete(text)
  }
}

/** The changes that one subscriber has yet to take: for each key, the value that the subscriber knows. */
class Subscription<V> {
  readonly #known: Map<string, V | undefined>
  readonly #hasChanges = Latch.makeUnsafe()
  readonly take: Effect.Effect<ReadonlyArray<StoreChange<V>>>

  constructor(contents: Pick<Contents<KubeObject, V>, "keys" | "get">) {
    this.#known = new Map(Array.from(contents.keys, (key) => [key, undefined]))
    this.take = Effect.map(this.#hasChanges.await, () => {
      const changes = Array.from(this.#known, ([key, before]) => ({ key, before, after: contents.get(key) }))
      this.#known.clear()
      this.#hasChanges.closeUnsafe()
      // An object may have come and gone.
      return changes.filter(({ after, before }) => before !== after)
    })
    this.release()
  }

  add(key: string, before: V | undefined): void {
    if (!this.#known.has(key)) this.#known.set(key, before)
  }

  release(): void {
    if (this.#known.size > 0) this.#hasChanges.openUnsafe()
  }
}
