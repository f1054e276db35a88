/**
 * A copy of all objects of a kind with indexes, which a watch keeps current. kube-rs calls this a reflector with its
 * store, client-go an informer.
 */
import { Cause, Effect, Exit, Latch, Option, Schema, type Scope, Stream } from "effect"
import type { KubeClient, ListScope } from "./KubeClient.ts"
import { listWatchAs, type StoreEvent } from "./ListWatch.ts"
import { Refusals } from "./Refusals.ts"
import { keyOf, type KubeObject, type Resource } from "./Resource.ts"

export { keyOf }

/** A change of one key. `before` is absent for a new object, `after` for a deleted object. */
export interface StoreChange<V> {
  readonly key: string
  readonly before: V | undefined
  readonly after: V | undefined
}

/**
 * The objects of a kind. The store may lag behind the API server, except for writes that are passed to `written`. Only
 * `synced` and `changes` wait.
 */
export interface Store<A extends KubeObject, V, Index extends string> {
  /** The value of an object by its key, which is `namespace/name`. */
  readonly get: (key: string) => Effect.Effect<Option.Option<V>>
  /** The values that an index has for a text. The cost grows with the number of these values only. */
  readonly by: (index: Index, text: string) => Effect.Effect<ReadonlyArray<V>>
  readonly values: Effect.Effect<ReadonlyArray<V>>
  /**
   * The current values, as changes of new objects, and then each change once the store has it. The stream never ends.
   * A slow subscriber gets one change for several changes of a key: from the value that the subscriber knows to the
   * newest. A subscriber therefore holds at most one change per key. The stream dies if the store no longer follows the
   * API server.
   */
  readonly changes: Stream.Stream<StoreChange<V>>
  /** Completes once every scope has been listed. Dies as `changes` does. */
  readonly synced: Effect.Effect<void>
  /** Why the API server no longer reports changes: its refusals. `None` if it does. */
  readonly forbidden: Effect.Effect<Option.Option<string>>
  /**
   * Updates the store with the answer to the operator's own write or read, before the watch brings the object. The
   * answer is used only if the store has the same object (by uid) in an earlier version. A late answer therefore
   * reverts nothing and restores no deleted object. Only the watch adds a new object.
   */
  readonly written: (object: A) => Effect.Effect<void>
}

export interface StoreOptions<A, V, Index extends string> {
  /** The scopes that are listed and watched, each by itself. No two scopes may share a namespace. */
  readonly scopes: ReadonlyArray<ListScope>
  /**
   * Makes the stored value of an object. Called once per version. The function is total: a broken object has a value
   * too.
   */
  readonly decode: (object: A) => V
  /** The texts under which an index finds a value, as a pure function of the value. */
  readonly indexes: Readonly<Record<Index, (value: V) => ReadonlyArray<string>>>
}

/** Two scopes share a namespace. An object in both scopes would be dropped when either list no longer has it. */
export class OverlappingScopes extends Schema.TaggedError<OverlappingScopes>()("OverlappingScopes", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** Makes a store that follows all objects of a kind until its scope ends. Fails with {@link OverlappingScopes}. */
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
  let failure: Cause.Cause<never> | undefined
  const listed = new Set<number>()
  const refusals = new Refusals()

  /** Changes the contents in one step. Subscribers continue only after the step, so that none sees half of a list. */
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

  /** Ends the waits of all subscribers, because no more changes come. */
  const stop = (exit: Exit.Exit<void>): Effect.Effect<void> =>
    Effect.sync(() => {
      failure = Exit.isFailure(exit) ? exit.cause : Cause.die(new Error(`the watch of ${resource.plural} has ended`))
      for (const subscription of subscriptions) subscription.fail(failure)
      synced.openUnsafe()
    })

  yield* Effect.forEach(
    scopes,
    (scope, index) =>
      listWatchAs(resource, scope, (object) => contents.entryOf(index, object), refusals.of(String(index))).pipe(
        Stream.runForEach((event) => reflect(index, event)),
        Effect.onExit(stop),
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
            if (failure !== undefined) subscription.fail(failure)
            return subscription
          }),
          (subscription) => Effect.sync(() => subscriptions.delete(subscription))
        ),
        ({ take }) => Stream.fromIterableEffectRepeat(take)
      )
    ),
    synced: Effect.flatMap(synced.await, () => (failure === undefined ? Effect.void : Effect.failCause(failure))),
    forbidden: Effect.sync(() => refusals.lasting),
    written: (object) => step(() => contents.write(object))
  }
})

/**
 * Describes the overlap of two scopes. `undefined` if there is none. Labels do not separate scopes: an object may have
 * both.
 */
const overlapIn = (scopes: ReadonlyArray<ListScope>): string | undefined => {
  const namespaces = scopes.map(({ namespace }) => namespace)
  if (namespaces.length > 1 && namespaces.includes(undefined)) {
    return "one scope is all namespaces, which include the other scopes' namespaces; remove the other scopes"
  }
  const twice = namespaces.find((namespace, index) => namespaces.indexOf(namespace) !== index)
  return twice === undefined ? undefined : `two scopes have the namespace ${twice}; remove one of them`
}

/** A version as etcd counts: a decimal number of any length. */
const NUMBER = /^[1-9][0-9]*$/u

/**
 * Whether a version of an object is known to be newer than another. Versions of one kind can be compared if both are
 * numbers (KEP-5504). Other versions can only be equal or not.
 */
const isNewer = (version: string, than: string): boolean =>
  NUMBER.test(version) &&
  NUMBER.test(than) &&
  (version.length === than.length ? version > than : version.length > than.length)

interface Entry<V> {
  readonly key: string
  readonly uid: string
  readonly version: string
  /** The scope whose list has the object. */
  readonly scope: number
  readonly value: V
}

/** The objects by key, with their indexes. */
class Contents<A extends KubeObject, V> {
  readonly #entries = new Map<string, Entry<V>>()
  readonly #indexes: ReadonlyMap<string, Index<V>>
  readonly #decode: (object: A) => V
  /** Called for each change with the value before, after the new value is stored. */
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
    const values: Array<V> = []
    for (const key of this.#indexes.get(index)?.keys(text) ?? []) {
      const entry = this.#entries.get(key)
      if (entry !== undefined) values.push(entry.value)
    }
    return values
  }

  values(): ReadonlyArray<V> {
    return Array.from(this.#entries.values(), ({ value }) => value)
  }

  /** The entry of an object: the stored entry if the object has not changed, else a new one. */
  entryOf(scope: number, object: A): Entry<V> {
    const keys = keysOf(object)
    const known = this.#same(keys)
    const version = versionOf(object)
    if (known !== undefined && version !== "" && known.version === version) return known
    return { ...keys, version, scope, value: this.#decode(object) }
  }

  /**
   * A list replaces its scope whatever the versions of its objects: an API server may have been restored from a backup.
   */
  replace(scope: number, entries: ReadonlyArray<Entry<V>>): void {
    const listed = new Set(entries.map(({ key }) => key))
    for (const { key, scope: entryScope } of Array.from(this.#entries.values())) {
      if (entryScope === scope && !listed.has(key)) this.#set(key, undefined)
    }
    for (const entry of entries) this.#set(entry.key, entry)
  }

  /** Stores a watched object, unless the store already has a newer version from the operator's own write. */
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

  /** The entry of the same object by uid, not of another object with the same name. */
  #same({ key, uid }: Pick<Entry<V>, "key" | "uid">): Entry<V> | undefined {
    const entry = this.#entries.get(key)
    return entry?.uid === uid ? entry : undefined
  }

  #set(key: string, entry: Entry<V> | undefined): void {
    const before = this.#entries.get(key)
    // The watch repeats the operator's own writes, and a list repeats unchanged objects.
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

/** An index: keys of values by a text of the value. */
class Index<V> {
  readonly #textsOf: (value: V) => ReadonlyArray<string>
  /** A single key is stored without a set, because most texts, such as a repository, belong to one object. */
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

/** The pending changes of one subscriber: for each changed key, the value that the subscriber knows. */
class Subscription<V> {
  readonly #known: Map<string, V | undefined>
  readonly #hasChanges = Latch.makeUnsafe()
  #failure: Cause.Cause<never> | undefined
  readonly take: Effect.Effect<ReadonlyArray<StoreChange<V>>>

  constructor(contents: Pick<Contents<KubeObject, V>, "keys" | "get">) {
    this.#known = new Map(Array.from(contents.keys, (key) => [key, undefined]))
    this.take = Effect.flatMap(this.#hasChanges.await, () => {
      if (this.#failure !== undefined) return Effect.failCause(this.#failure)
      const changes = Array.from(this.#known, ([key, before]) => ({ key, before, after: contents.get(key) }))
      this.#known.clear()
      this.#hasChanges.closeUnsafe()
      // An object may have been created and deleted in between.
      return Effect.succeed(changes.filter(({ after, before }) => before !== after))
    })
    this.release()
  }

  add(key: string, before: V | undefined): void {
    if (!this.#known.has(key)) this.#known.set(key, before)
  }

  release(): void {
    if (this.#known.size > 0) this.#hasChanges.openUnsafe()
  }

  fail(cause: Cause.Cause<never>): void {
    this.#failure = cause
    this.#hasChanges.openUnsafe()
  }
}
