/**
 * An API server in memory: for tests, and for work without a cluster. It behaves as the real one where a controller can
 * tell: versions and conflicts, generations, status apart from spec, admission and defaults, finalizers, owners, a
 * watch history that expires.
 */
import { Clock, Effect, Layer, PubSub, Result, Schema, Stream } from "effect"
import { instant } from "../text/instant.ts"
import { KubeClient, KubeError, type ListPage, type ListScope, type ObjectName, type WatchEvent } from "./KubeClient.ts"
import { apiVersionOf, type KubeObject, type Resource } from "./Resource.ts"

export interface KubeClientMemoryOptions {
  /** How many changes a watch can go back before it is told 410. Default 1,000. */
  readonly history?: number
}

type Json = Readonly<Record<string, unknown>>

/** An object as stored: its metadata is known, the rest is as it was written. */
interface Stored extends Json {
  readonly metadata: Json & { readonly name: string; readonly namespace?: string; readonly uid: string }
}

interface Change {
  readonly version: number
  readonly type: "ADDED" | "MODIFIED" | "DELETED"
  readonly kind: string
  readonly object: Stored
  /** What it was before: a watch of labels tells what came to have them, and what no longer has them. */
  readonly before: Stored | undefined
}

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/** Objects are merged field by field, everything else is replaced; server-side apply for a single manager. */
const merge = (base: unknown, patch: unknown): unknown =>
  isObject(base) && isObject(patch) ? mergeFields(base, patch) : patch

const mergeFields = (base: Json, patch: Json): Json => ({
  ...base,
  ...Object.fromEntries(Object.entries(patch).map(([key, value]) => [key, merge(base[key], value)]))
})

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

const without = (object: Json, ...keys: ReadonlyArray<string>): Json =>
  Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)))

const kindOf = (resource: Pick<Resource<KubeObject>, "group" | "plural">): string =>
  `${resource.plural}.${resource.group}`
const keyOf = (kind: string, name: ObjectName): string => `${kind}/${name.namespace ?? ""}/${name.name}`

const matches = (kind: string, scope: ListScope, object: Stored, objectKind: string): boolean => {
  if (kind !== objectKind) return false
  if (scope.namespace !== undefined && scope.namespace !== object.metadata.namespace) return false
  if (scope.labelSelector === undefined) return true
  const labels = isObject(object.metadata["labels"]) ? object.metadata["labels"] : {}
  return scope.labelSelector.split(",").every((term) => {
    const [key = "", value] = term.split("=")
    return labels[key] === value
  })
}

/** A change as a watch of a scope tells it; nothing if it happened outside of that. */
const seenIn = (kind: string, scope: ListScope, change: Change): ReadonlyArray<Change> => {
  const was = change.before !== undefined && matches(kind, scope, change.before, change.kind)
  const is = change.type !== "DELETED" && matches(kind, scope, change.object, change.kind)
  if (!was && !is) return []
  return [{ ...change, type: !was ? "ADDED" : !is ? "DELETED" : "MODIFIED" }]
}

const timestamp = Effect.map(Clock.currentTimeMillis, instant)

const make = Effect.fnUntraced(function* (options: KubeClientMemoryOptions) {
  const objects = new Map<string, Stored>()
  const history: Array<Change> = []
  const kept = options.history ?? 1_000
  const changes = yield* PubSub.unbounded<Change>()
  /** By uid, what admission put into a status and nobody has written since: that is no writer's to remove. */
  const unclaimed = new Map<string, Json>()
  let version = 1
  let created = 0

  const fail = (operation: string, code: number, reason: string, detail: string) =>
    new KubeError({ operation, code, reason, detail })

  const decode = <A extends KubeObject>(resource: Resource<A>, object: Stored): Effect.Effect<A> =>
    Effect.orDie(Schema.decodeUnknownEffect(resource.schema)(object))

  const record = (kind: string, type: Change["type"], object: Stored): Effect.Effect<Stored> =>
    Effect.suspend(() => {
      version += 1
      const stored: Stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } }
      const key = keyOf(kind, stored.metadata)
      const before = objects.get(key)
      if (type === "DELETED") objects.delete(key)
      else objects.set(key, stored)
      const change: Change = { version, type, kind, object: stored, before }
      history.push(change)
      if (history.length > kept) history.shift()
      return Effect.as(PubSub.publish(changes, change), stored)
    })

  /** Removes an object, and then what it owned, as the garbage collector does. */
  const remove = (kind: string, object: Stored): Effect.Effect<void> =>
    Effect.gen(function* () {
      yield* record(kind, "DELETED", object)
      unclaimed.delete(object.metadata.uid)
      for (const [key, other] of Array.from(objects)) {
        const owners = other.metadata["ownerReferences"]
        const owned = Array.isArray(owners) && owners.some((owner: Json) => owner["uid"] === object.metadata.uid)
        if (owned) yield* remove(key.slice(0, key.indexOf("/")), other)
      }
    })

  const admit = (operation: string, resource: Resource<KubeObject>, object: Json): Effect.Effect<Json, KubeError> => {
    if (resource.admit === undefined) return Effect.succeed(object)
    return Result.match(resource.admit(object), {
      onSuccess: (admitted) => Effect.succeed(admitted),
      onFailure: (detail) => Effect.fail(fail(operation, 422, "Invalid", detail))
    })
  }

  const insert = Effect.fnUntraced(function* (operation: string, resource: Resource<KubeObject>, object: Json) {
    const body: Json = { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind }
    const admitted = yield* admit(operation, resource, resource.statusSubresource ? without(body, "status") : body)
    const metadata = isObject(body["metadata"]) ? body["metadata"] : {}
    created += 1
    const uid = `00000000-0000-4000-8000-${String(created).padStart(12, "0")}`
    if (isObject(admitted["status"])) unclaimed.set(uid, admitted["status"])
    return yield* record(kindOf(resource), "ADDED", {
      ...admitted,
      metadata: {
        ...without(metadata, "resourceVersion"),
        name: String(metadata["name"]),
        uid,
        generation: 1,
        creationTimestamp: yield* timestamp
      }
    })
  })

  /** Fails if the caller speaks of another object, or of an older version of this one. */
  const expectCurrent = (
    operation: string,
    object: Json,
    current: Stored,
    guards: ReadonlyArray<"uid" | "resourceVersion">
  ): Effect.Effect<void, KubeError> => {
    const metadata = isObject(object["metadata"]) ? object["metadata"] : {}
    const stale = guards.some((field) => metadata[field] !== undefined && metadata[field] !== current.metadata[field])
    return stale
      ? Effect.fail(fail(operation, 409, "Conflict", "the object has been modified; read it again and retry"))
      : Effect.void
  }

  const update = Effect.fnUntraced(function* (kind: string, current: Stored, next: Stored) {
    if (same(without(current, "metadata"), without(next, "metadata")) && same(current.metadata, next.metadata)) {
      return current
    }
    const specMoved = !same(without(current, "metadata", "status"), without(next, "metadata", "status"))
    const stored = yield* record(kind, "MODIFIED", {
      ...next,
      metadata: {
        ...next.metadata,
        generation: Number(current.metadata["generation"]) + (specMoved ? 1 : 0)
      }
    })
    const finalizers = stored.metadata["finalizers"]
    const held = Array.isArray(finalizers) && finalizers.length > 0
    if (stored.metadata["deletionTimestamp"] !== undefined && !held) yield* remove(kind, stored)
    return stored
  })

  const named = (object: Json): ObjectName => {
    const metadata = isObject(object["metadata"]) ? object["metadata"] : {}
    const namespace = metadata["namespace"]
    return { name: String(metadata["name"]), ...(typeof namespace === "string" ? { namespace } : {}) }
  }

  const toEvent = <A extends KubeObject>(resource: Resource<A>, change: Change): Effect.Effect<WatchEvent<A>> =>
    Effect.map(decode(resource, change.object), (object) => ({
      type: change.type,
      object,
      resourceVersion: String(change.version)
    }))

  return KubeClient.of({
    get: (resource, name) =>
      Effect.suspend(() => {
        const object = objects.get(keyOf(kindOf(resource), name))
        return object === undefined ? Effect.succeedNone : Effect.asSome(decode(resource, object))
      }),

    list: <A extends KubeObject>(
      resource: Resource<A>,
      scope: ListScope & { readonly limit?: number; readonly continue?: string }
    ) =>
      Effect.suspend((): Effect.Effect<ListPage<A>> => {
        const kind = kindOf(resource)
        const all = [...objects.entries()]
          .filter(([key, object]) => matches(kind, scope, object, key.slice(0, key.indexOf("/"))))
          .sort(([a], [b]) => (a < b ? -1 : 1))
        // A later page speaks of the first one's version, so that a watch from it misses no change made in between.
        const [at = String(version), after = ""] = scope.continue?.split(" ") ?? []
        const rest = all.filter(([key]) => key > after)
        const page = rest.slice(0, scope.limit)
        const last = page.at(-1)?.[0]
        const more = page.length < rest.length && last !== undefined
        return Effect.map(
          Effect.forEach(page, ([, object]) => decode(resource, object)),
          (items) => ({
            items,
            resourceVersion: at,
            ...(more ? { continue: `${at} ${last}` } : {})
          })
        )
      }),

    watch: (resource, scope) =>
      Stream.unwrap(
        Effect.gen(function* () {
          // Subscribed before history is read, so that no change falls between the two.
          const subscription = yield* PubSub.subscribe(changes)
          const from = Number(scope.resourceVersion)
          const oldest = history[0]?.version ?? version + 1
          if (from + 1 < oldest && from < version) {
            return Stream.fail(fail(`watch ${resource.plural}`, 410, "Expired", `too old resource version: ${from}`))
          }
          const kind = kindOf(resource)
          const past = history.filter((change) => change.version > from)
          const caughtUp = version
          const live = Stream.fromSubscription(subscription).pipe(Stream.filter((change) => change.version > caughtUp))
          const relevant = (stream: Stream.Stream<Change>) =>
            stream.pipe(
              Stream.flatMap((change) => Stream.fromIterable(seenIn(kind, scope, change))),
              Stream.mapEffect((change) => toEvent(resource, change))
            )
          return relevant(Stream.fromIterable(past)).pipe(
            Stream.concat(Stream.succeed({ type: "BOOKMARK", resourceVersion: String(caughtUp) } as const)),
            Stream.concat(relevant(live))
          )
        })
      ),

    create: (resource, object) =>
      Effect.gen(function* () {
        const name = named(object)
        const operation = `create ${resource.plural} ${name.name}`
        if (objects.has(keyOf(kindOf(resource), name))) {
          return yield* fail(operation, 409, "AlreadyExists", `${resource.plural} "${name.name}" already exists`)
        }
        return yield* decode(resource, yield* insert(operation, resource, object))
      }),

    apply: (resource, object) =>
      Effect.gen(function* () {
        const kind = kindOf(resource)
        const operation = `apply ${resource.plural} ${named(object).name}`
        const current = objects.get(keyOf(kind, named(object)))
        if (current === undefined) {
          const metadata: Json = { ...object.metadata }
          if (metadata["uid"] !== undefined || metadata["resourceVersion"] !== undefined) {
            return yield* fail(operation, 409, "Conflict", "the object to be changed does not exist")
          }
          return yield* decode(resource, yield* insert(operation, resource, object))
        }
        yield* expectCurrent(operation, object, current, ["uid", "resourceVersion"])
        const patch = resource.statusSubresource ? without(object, "status") : object
        // The spec an applier names is its whole spec: a field it leaves out goes back to its default.
        const spec =
          "spec" in patch
            ? { spec: resource.admit === undefined ? merge(current["spec"], patch["spec"]) : patch["spec"] }
            : {}
        const merged: Stored = {
          ...current,
          ...mergeFields(current, without(patch, "spec", "metadata")),
          metadata: {
            ...current.metadata,
            ...mergeFields(current.metadata, { ...object.metadata }),
            name: current.metadata.name,
            uid: current.metadata.uid
          }
        }
        const admitted = yield* admit(operation, resource, { ...merged, ...spec })
        return yield* decode(
          resource,
          yield* update(kind, current, { ...merged, ...admitted, metadata: merged.metadata })
        )
      }),

    applyStatus: (resource, object) =>
      Effect.gen(function* () {
        const kind = kindOf(resource)
        const name = named(object)
        const operation = `apply status of ${resource.plural} ${name.name}`
        const current = objects.get(keyOf(kind, name))
        if (current === undefined) {
          return yield* fail(operation, 404, "NotFound", `${resource.plural} "${name.name}" not found`)
        }
        yield* expectCurrent(operation, object, current, ["resourceVersion"])
        const { status: written }: Json = { ...object }
        const status = isObject(written) ? written : {}
        const rest = without(unclaimed.get(current.metadata.uid) ?? {}, ...Object.keys(status))
        unclaimed.set(current.metadata.uid, rest)
        return yield* decode(resource, yield* update(kind, current, { ...current, status: { ...rest, ...status } }))
      }),

    delete: (resource, name, deletion = {}) =>
      Effect.gen(function* () {
        const kind = kindOf(resource)
        const current = objects.get(keyOf(kind, name))
        if (current === undefined) return
        if (deletion.uid !== undefined && deletion.uid !== current.metadata.uid) {
          return yield* fail(
            `delete ${resource.plural} ${name.name}`,
            409,
            "Conflict",
            `the uid in the precondition (${deletion.uid}) is not that of the object (${current.metadata.uid})`
          )
        }
        const finalizers = current.metadata["finalizers"]
        if (!Array.isArray(finalizers) || finalizers.length === 0) return yield* remove(kind, current)
        if (current.metadata["deletionTimestamp"] !== undefined) return
        yield* record(kind, "MODIFIED", {
          ...current,
          metadata: {
            ...current.metadata,
            generation: Number(current.metadata["generation"]) + 1,
            deletionTimestamp: yield* timestamp
          }
        })
      })
  })
})

/** An empty API server of one's own in memory. */
export const layer = (options: KubeClientMemoryOptions = {}): Layer.Layer<KubeClient> =>
  Layer.effect(KubeClient, make(options))
