/**
 * The state of an API server, in memory: objects, their versions, and a history that expires. The state outlives its
 * clients (`KubeClientMemory`): a later client reads the objects that an earlier client wrote.
 *
 * The store behaves as a real API server in everything that a controller can observe: versions and conflicts,
 * generations, the status subresource, admission and defaults, finalizers, owners.
 */
import { Result } from "effect"
import { instant } from "../text/instant.ts"
import type { ListScope, MergePatch, ObjectName, WrittenMetadata } from "./KubeClient.ts"
import { matchesLabels, parseLabelSelector } from "./LabelSelector.ts"
import { apiVersionOf, type KubeObject, type Resource } from "./Resource.ts"

/** The options of an {@link ApiServerStore}. */
export interface ApiServerStoreOptions {
  /** How many past changes a watch can start from before it gets 410. Default 1,000. */
  readonly history?: number
  /** The state of an earlier store. Default an empty state. */
  readonly snapshot?: StoreSnapshot
}

/** The state of a store, as JSON can hold it: all but the history of changes. */
export interface StoreSnapshot {
  /** The version of the last change. Later versions are higher. */
  readonly version: number
  /** The number of objects created so far, from which uids are made. */
  readonly created: number
  /** The objects by their keys. */
  readonly objects: Readonly<Record<string, StoredObject>>
  /** By uid, the fields of a status that admission set and no client has written. */
  readonly unclaimed: Readonly<Record<string, Json>>
}

export type Json = Readonly<Record<string, unknown>>

/** An object as stored. Its metadata is complete, and all other fields are as a client wrote them. */
export interface StoredObject extends Json {
  readonly metadata: Json & { readonly name: string; readonly namespace?: string; readonly uid: string }
}

/** One change of a stored object. */
export interface StoredChange {
  readonly version: number
  readonly type: "ADDED" | "MODIFIED" | "DELETED"
  readonly kind: string
  readonly object: StoredObject
  /** The object before the change. A watch with labels reports objects that gained or lost the labels. */
  readonly before: StoredObject | undefined
}

/** The refusal of a request: the HTTP status, the API server's reason, and a sentence. */
export interface Refusal {
  readonly code: number
  readonly reason: string
  readonly detail: string
}

export interface StoredPage {
  readonly items: ReadonlyArray<StoredObject>
  readonly resourceVersion: string
  readonly continue?: string
}

export interface StoredWatch {
  readonly past: ReadonlyArray<StoredChange>
  /** The version of the last change in `past`. */
  readonly version: number
  readonly stop: () => void
}

/** The fields of a resource that the store needs. */
export type StoredResource = Pick<
  Resource<KubeObject>,
  "group" | "version" | "kind" | "plural" | "statusSubresource" | "admit"
>

/** The object of a client's write. */
export interface WrittenObject {
  readonly metadata: WrittenMetadata
  readonly spec?: unknown
  readonly status?: unknown
}

const EMPTY: StoreSnapshot = { version: 1, created: 0, objects: {}, unclaimed: {} }

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/** Server-side apply for a single manager: objects are merged field by field, all other values are replaced. */
const merge = (base: unknown, patch: unknown): unknown =>
  isObject(base) && isObject(patch) ? mergeFields(base, patch) : patch

const mergeFields = (base: Json, patch: Json): Json => ({
  ...base,
  ...Object.fromEntries(Object.entries(patch).map(([key, value]) => [key, merge(base[key], value)]))
})

/** JSON merge patch (RFC 7386): null removes a field. */
const mergePatch = (base: unknown, patch: Json): Json =>
  Object.fromEntries(
    Object.entries({
      ...(isObject(base) ? base : {}),
      ...Object.fromEntries(
        Object.entries(patch).map(([key, value]) => [
          key,
          isObject(value) ? mergePatch(isObject(base) ? base[key] : undefined, value) : value
        ])
      )
    }).filter(([key, value]) => value !== null || !(key in patch))
  )

const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b)

/** Whether two objects are the same, except for some of their fields. A write shares most fields with the object before it. */
const sameExcept = (a: Json, b: Json, ...except: ReadonlyArray<string>): boolean =>
  Object.keys({ ...a, ...b }).every((key) => except.includes(key) || same(a[key], b[key]))

const without = (object: Json, ...keys: ReadonlyArray<string>): Json =>
  Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)))

/** The metadata that no client writes. */
const SERVER_METADATA = [
  "name",
  "namespace",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp"
]

const only = (object: Json, keys: ReadonlyArray<string>): Json =>
  Object.fromEntries(Object.entries(object).filter(([key]) => keys.includes(key)))

const kindOf = ({ group, plural }: StoredResource): string => `${plural}.${group}`
const keyOf = (kind: string, name: ObjectName): string => `${kind}/${name.namespace ?? ""}/${name.name}`
const kindIn = (key: string): string => key.slice(0, key.indexOf("/"))

/** Whether an object of a kind is in a scope. */
type IsIn = (object: StoredObject, kind: string) => boolean

const scopeOf = (resource: StoredResource, { fieldSelector, labelSelector, namespace }: ListScope): IsIn => {
  const scopeKind = kindOf(resource)
  const requirements = labelSelector === undefined ? [] : Result.getOrThrow(parseLabelSelector(labelSelector))
  return (object, kind) =>
    kind === scopeKind &&
    (namespace === undefined || namespace === object.metadata.namespace) &&
    matchesLabels(requirements, isObject(object.metadata["labels"]) ? object.metadata["labels"] : {}) &&
    isSelected(fieldSelector, (path) => fieldAt(object, path))
}

/** Whether an object has the values of a selector, `key=value,…`. */
const isSelected = (selector: string | undefined, valueOf: (key: string) => unknown): boolean =>
  selector === undefined ||
  selector.split(",").every((term) => {
    const [key = "", value] = term.split("=")
    return valueOf(key) === value
  })

const fieldAt = (object: unknown, path: string): unknown =>
  path.split(".").reduce((value: unknown, key) => (isObject(value) ? value[key] : undefined), object)

const hasFinalizers = ({ metadata }: StoredObject): boolean =>
  Array.isArray(metadata["finalizers"]) && metadata["finalizers"].length > 0

const isOwnedBy = ({ metadata }: StoredObject, uid: string): boolean => {
  const owners = metadata["ownerReferences"]
  return Array.isArray(owners) && owners.some((owner: Json) => owner["uid"] === uid)
}

const refused = (code: number, reason: string, detail: string): Result.Result<never, Refusal> =>
  Result.fail({ code, reason, detail })

/**
 * The state of one API server. Each method is one step of the server and waits for nothing. `now` is in milliseconds
 * since the epoch.
 *
 * @example
 * const store = new ApiServerStore()
 * store.create(Images, { metadata: { namespace: "team", name: "node" }, spec }, Date.UTC(2026, 0, 1))
 * const client = KubeClientMemory.layer({ store }) // any number of clients, one after the other or at once
 */
export class ApiServerStore {
  readonly #objects: Map<string, StoredObject>
  readonly #history: Array<StoredChange> = []
  readonly #kept: number
  readonly #listeners = new Set<(change: StoredChange) => void>()
  /** Changes that have not been reported to the listeners. */
  readonly #unreported: Array<StoredChange> = []
  #isReporting = false
  /** By uid, the fields of a status that admission set and no client has written. No write removes these fields. */
  readonly #unclaimed: Map<string, Json>
  #version: number
  #created: number

  constructor({ history = 1_000, snapshot = EMPTY }: ApiServerStoreOptions = {}) {
    this.#kept = history
    this.#objects = new Map(Object.entries(snapshot.objects))
    this.#unclaimed = new Map(Object.entries(snapshot.unclaimed))
    this.#version = snapshot.version
    this.#created = snapshot.created
  }

  /** The state now, for a later store. Objects are never changed, so the state holds them without a copy. */
  snapshot(): StoreSnapshot {
    return {
      version: this.#version,
      created: this.#created,
      objects: Object.fromEntries(this.#objects),
      unclaimed: Object.fromEntries(this.#unclaimed)
    }
  }

  /** The version of the last change. */
  get version(): number {
    return this.#version
  }

  get(resource: StoredResource, name: ObjectName): StoredObject | undefined {
    return this.#objects.get(keyOf(kindOf(resource), name))
  }

  list(
    resource: StoredResource,
    scope: ListScope & { readonly limit?: number; readonly continue?: string }
  ): StoredPage {
    const isIn = scopeOf(resource, scope)
    const all = [...this.#objects.entries()]
      .filter(([key, object]) => isIn(object, kindIn(key)))
      .sort(([a], [b]) => (a < b ? -1 : 1))
    // All pages have the version of the first page, so that a watch from it misses no change made between the pages.
    const [at = String(this.#version), after = ""] = scope.continue?.split(" ") ?? []
    const rest = all.filter(([key]) => key > after)
    const page = rest.slice(0, scope.limit)
    const last = page.at(-1)?.[0]
    return {
      items: page.map(([, object]) => object),
      resourceVersion: at,
      ...(page.length < rest.length && last !== undefined ? { continue: `${at} ${last}` } : {})
    }
  }

  /**
   * Watches a scope. Returns the changes after a version, and calls `listener` with each later change. Refuses with
   * 410 if the history does not reach back to the version. Without a version it returns all objects, as if each had just
   * been added.
   */
  watch(
    resource: StoredResource,
    scope: ListScope,
    version: number | undefined,
    listener: (change: StoredChange) => void
  ): Result.Result<StoredWatch, Refusal> {
    const oldest = this.#history[0]?.version ?? this.#version + 1
    if (version !== undefined && version + 1 < oldest && version < this.#version) {
      return refused(410, "Expired", `too old resource version: ${version}`)
    }
    const isIn = scopeOf(resource, scope)
    const listen = (change: StoredChange) => seenBy(isIn, change).forEach((seen) => listener(seen))
    this.#listeners.add(listen)
    const kind = kindOf(resource)
    return Result.succeed({
      past:
        version === undefined
          ? this.list(resource, scope).items.map((object) => ({
              version: Number(object.metadata["resourceVersion"]),
              type: "ADDED",
              kind,
              object,
              before: undefined
            }))
          : this.#history.filter((change) => change.version > version).flatMap((change) => seenBy(isIn, change)),
      version: this.#version,
      stop: () => void this.#listeners.delete(listen)
    })
  }

  create(resource: StoredResource, object: WrittenObject, now: number): Result.Result<StoredObject, Refusal> {
    const { name } = object.metadata
    return this.get(resource, object.metadata) === undefined
      ? this.#reported(this.#insert(resource, object, now))
      : refused(409, "AlreadyExists", `${resource.plural} "${name}" already exists`)
  }

  /** Replaces an object. The server's own metadata stays, and so does the status if the resource has a status subresource. */
  update(resource: StoredResource, object: WrittenObject): Result.Result<StoredObject, Refusal> {
    const current = this.get(resource, object.metadata)
    if (current === undefined) {
      return refused(404, "NotFound", `${resource.plural} "${object.metadata.name}" not found`)
    }
    if (isStale(object, current, ["uid", "resourceVersion"])) return CONFLICT
    const body: Json = { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind }
    const status = "status" in current ? { status: current["status"] } : {}
    const metadata = { ...object.metadata, ...only(current.metadata, SERVER_METADATA) }
    const replaced: StoredObject = {
      ...(resource.statusSubresource ? { ...without(body, "status"), ...status } : body),
      metadata: { ...metadata, name: current.metadata.name, uid: current.metadata.uid }
    }
    return Result.map(admit(resource, replaced), (admitted) =>
      this.#reported(this.#update(kindOf(resource), current, { ...replaced, ...admitted, metadata: replaced.metadata }))
    )
  }

  apply(resource: StoredResource, object: WrittenObject, now: number): Result.Result<StoredObject, Refusal> {
    const { resourceVersion, uid } = object.metadata
    const current = this.get(resource, object.metadata)
    if (current === undefined) {
      return uid === undefined && resourceVersion === undefined
        ? this.#reported(this.#insert(resource, object, now))
        : refused(409, "Conflict", "the object to be changed does not exist")
    }
    if (isStale(object, current, ["uid", "resourceVersion"])) return CONFLICT
    const written: Json = { ...object }
    const patch = resource.statusSubresource ? without(written, "status") : written
    // An applied spec is complete: a field that it leaves out gets its default again.
    const spec =
      "spec" in patch
        ? { spec: resource.admit === undefined ? merge(current["spec"], patch["spec"]) : patch["spec"] }
        : {}
    const merged: StoredObject = {
      ...current,
      ...mergeFields(current, without(patch, "spec", "metadata")),
      metadata: {
        ...current.metadata,
        ...mergeFields(current.metadata, { ...object.metadata }),
        name: current.metadata.name,
        uid: current.metadata.uid
      }
    }
    return Result.map(admit(resource, { ...merged, ...spec }), (admitted) =>
      this.#reported(
        this.#applied(kindOf(resource), current, { ...merged, ...admitted, metadata: merged.metadata }, now)
      )
    )
  }

  applyStatus(resource: StoredResource, object: WrittenObject): Result.Result<StoredObject, Refusal> {
    const current = this.get(resource, object.metadata)
    if (current === undefined) {
      return refused(404, "NotFound", `${resource.plural} "${object.metadata.name}" not found`)
    }
    if (isStale(object, current, ["resourceVersion"])) return CONFLICT
    const { status: written }: Json = { ...object }
    const status = isObject(written) ? written : {}
    const { uid } = current.metadata
    const rest = without(this.#unclaimed.get(uid) ?? {}, ...Object.keys(status))
    this.#unclaimed.set(uid, rest)
    const updated = this.#update(kindOf(resource), current, { ...current, status: { ...rest, ...status } })
    return Result.succeed(this.#reported(updated))
  }

  /** Merges fields into an object. The server's own metadata stays, and so does the status if the resource has a status subresource. */
  patch(resource: StoredResource, name: ObjectName, patch: MergePatch): Result.Result<StoredObject, Refusal> {
    const current = this.get(resource, name)
    if (current === undefined) return refused(404, "NotFound", `${resource.plural} "${name.name}" not found`)
    const fields = resource.statusSubresource ? without({ ...patch }, "status") : { ...patch }
    const merged = mergePatch(current, fields)
    const metadata = {
      ...(isObject(merged["metadata"]) ? merged["metadata"] : {}),
      ...only(current.metadata, SERVER_METADATA),
      name: current.metadata.name,
      uid: current.metadata.uid
    }
    return Result.map(admit(resource, { ...merged, metadata }), (admitted) =>
      this.#reported(this.#update(kindOf(resource), current, { ...merged, ...admitted, metadata }))
    )
  }

  /** Deletes an object, or sets its deletionTimestamp if it has finalizers. Succeeds if there is no such object. */
  delete(
    resource: StoredResource,
    name: ObjectName,
    now: number,
    options: { readonly uid?: string } = {}
  ): Result.Result<void, Refusal> {
    const current = this.get(resource, name)
    if (current === undefined) return Result.void
    const { uid } = current.metadata
    if (options.uid !== undefined && options.uid !== uid) {
      return refused(409, "Conflict", `the uid in the precondition (${options.uid}) is not that of the object (${uid})`)
    }
    this.#delete(kindOf(resource), current, now)
    return this.#reported(Result.void)
  }

  #insert(resource: StoredResource, object: WrittenObject, now: number): Result.Result<StoredObject, Refusal> {
    const body: Json = { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind }
    return Result.map(admit(resource, resource.statusSubresource ? without(body, "status") : body), (admitted) => {
      this.#created += 1
      const uid = `00000000-0000-4000-8000-${String(this.#created).padStart(12, "0")}`
      if (isObject(admitted["status"])) this.#unclaimed.set(uid, admitted["status"])
      return this.#record(kindOf(resource), "ADDED", {
        ...admitted,
        metadata: {
          ...without({ ...object.metadata }, "resourceVersion"),
          name: object.metadata.name,
          uid,
          generation: 1,
          creationTimestamp: instant(now)
        }
      })
    })
  }

  #update(kind: string, current: StoredObject, next: StoredObject): StoredObject {
    const specMoved = !sameExcept(current, next, "metadata", "status")
    if (!specMoved && same(current["status"], next["status"]) && sameExcept(current.metadata, next.metadata)) {
      return current
    }
    return this.#record(kind, "MODIFIED", {
      ...next,
      metadata: { ...next.metadata, generation: Number(current.metadata["generation"]) + (specMoved ? 1 : 0) }
    })
  }

  /** Updates an object, and removes it if it is being deleted and its last finalizer is gone. */
  #applied(kind: string, current: StoredObject, next: StoredObject, now: number): StoredObject {
    const stored = this.#update(kind, current, next)
    if (stored.metadata["deletionTimestamp"] !== undefined && !hasFinalizers(stored)) this.#remove(kind, stored, now)
    return stored
  }

  /** Removes an object, or marks it for its finalizers. */
  #delete(kind: string, object: StoredObject, now: number): void {
    const { deletionTimestamp, generation } = object.metadata
    if (!hasFinalizers(object)) this.#remove(kind, object, now)
    else if (deletionTimestamp === undefined) {
      this.#record(kind, "MODIFIED", {
        ...object,
        metadata: { ...object.metadata, generation: Number(generation) + 1, deletionTimestamp: instant(now) }
      })
    }
  }

  /** Removes an object and then deletes the objects that it owned, as the garbage collector does. */
  #remove(kind: string, object: StoredObject, now: number): void {
    this.#record(kind, "DELETED", object)
    const { uid } = object.metadata
    this.#unclaimed.delete(uid)
    for (const [key, other] of Array.from(this.#objects)) {
      if (isOwnedBy(other, uid)) this.#delete(kindIn(key), other, now)
    }
  }

  #record(kind: string, type: StoredChange["type"], object: StoredObject): StoredObject {
    this.#version += 1
    const stored: StoredObject = {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(this.#version) }
    }
    const key = keyOf(kind, stored.metadata)
    const before = this.#objects.get(key)
    if (type === "DELETED") this.#objects.delete(key)
    else this.#objects.set(key, stored)
    const change: StoredChange = { version: this.#version, type, kind, object: stored, before }
    this.#history.push(change)
    if (this.#history.length > this.#kept) this.#history.shift()
    this.#unreported.push(change)
    return stored
  }

  /**
   * Calls the listeners with the changes of a step after the step is done. A listener may take another step at once.
   * The changes of that step are reported after these.
   */
  #reported<A>(result: A): A {
    if (this.#isReporting) return result
    this.#isReporting = true
    for (let change = this.#unreported.shift(); change !== undefined; change = this.#unreported.shift()) {
      for (const listener of Array.from(this.#listeners)) listener(change)
    }
    this.#isReporting = false
    return result
  }
}

const CONFLICT = refused(409, "Conflict", "the object has been modified; read it again and retry")

/** Whether a write's uid or version is not that of the stored object. */
const isStale = (
  { metadata }: WrittenObject,
  current: StoredObject,
  guards: ReadonlyArray<"uid" | "resourceVersion">
): boolean => guards.some((field) => metadata[field] !== undefined && metadata[field] !== current.metadata[field])

const admit = ({ admit }: StoredResource, object: Json): Result.Result<Json, Refusal> =>
  admit === undefined
    ? Result.succeed(object)
    : Result.mapError(admit(object), (detail) => ({ code: 422, reason: "Invalid", detail }))

/** A change as a watch of a scope reports it. Empty if the change is outside the scope. */
const seenBy = (isIn: IsIn, change: StoredChange): ReadonlyArray<StoredChange> => {
  const was = change.before !== undefined && isIn(change.before, change.kind)
  const is = change.type !== "DELETED" && isIn(change.object, change.kind)
  if (!was && !is) return []
  return [{ ...change, type: !was ? "ADDED" : !is ? "DELETED" : "MODIFIED" }]
}
