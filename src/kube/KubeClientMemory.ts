/** {@link KubeClient} over an API server in memory, for tests and for work without a cluster. */
import { Clock, Effect, Latch, Layer, type Result, Schema, Stream } from "effect"
import { ApiServerStore, type Refusal, type StoredChange, type StoredObject } from "./ApiServerStore.ts"
import { KubeClient, KubeError, type WatchEvent } from "./KubeClient.ts"
import type { KubeObject, Resource } from "./Resource.ts"

/** The options of {@link layer}. */
export interface KubeClientMemoryOptions {
  /** The state of the API server, which outlives the client. Default an empty store. */
  readonly store?: ApiServerStore
}

const decode = <A extends KubeObject>(resource: Resource<A>, object: StoredObject): Effect.Effect<A> =>
  Effect.orDie(Schema.decodeUnknownEffect(resource.schema)(object))

const toEvent = <A extends KubeObject>(resource: Resource<A>, change: StoredChange): Effect.Effect<WatchEvent<A>> =>
  Effect.map(decode(resource, change.object), (object) => ({
    type: change.type,
    object,
    resourceVersion: String(change.version)
  }))

const make = (store: ApiServerStore): KubeClient["Service"] => {
  const request = <A>(
    operation: string,
    step: (now: number) => Result.Result<A, Refusal>
  ): Effect.Effect<A, KubeError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.mapError(Effect.fromResult(step(now)), (refusal) => new KubeError({ operation, ...refusal }))
    )

  const write = <A extends KubeObject>(
    operation: string,
    resource: Resource<A>,
    step: (now: number) => Result.Result<StoredObject, Refusal>
  ): Effect.Effect<A, KubeError> => Effect.flatMap(request(operation, step), (object) => decode(resource, object))

  return KubeClient.of({
    get: (resource, name) =>
      Effect.suspend(() => {
        const object = store.get(resource, name)
        return object === undefined ? Effect.succeedNone : Effect.asSome(decode(resource, object))
      }),

    list: (resource, scope) =>
      Effect.suspend(() => {
        const { items, ...page } = store.list(resource, scope)
        return Effect.map(
          Effect.forEach(items, (object) => decode(resource, object)),
          (items) => ({ ...page, items })
        )
      }),

    watch: (resource, scope) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const arrived: Array<StoredChange> = []
          const hasArrived = Latch.makeUnsafe()
          const listen = (change: StoredChange) => {
            arrived.push(change)
            hasArrived.openUnsafe()
          }
          const take = Effect.map(hasArrived.await, () => {
            hasArrived.closeUnsafe()
            return arrived.splice(0)
          })
          const { resourceVersion } = scope
          const from = resourceVersion === undefined ? undefined : Number(resourceVersion)
          const { past, version } = yield* Effect.acquireRelease(
            request(`watch ${resource.plural}`, () => store.watch(resource, scope, from, listen)),
            ({ stop }) => Effect.sync(stop)
          )
          const bookmark = {
            type: "BOOKMARK",
            resourceVersion: String(version),
            ...(from === undefined ? { isInitialEnd: true } : {})
          } as const
          return Stream.fromIterable(past).pipe(
            Stream.mapEffect((change) => toEvent(resource, change)),
            Stream.concat(Stream.succeed(bookmark)),
            Stream.concat(
              Stream.mapEffect(Stream.fromIterableEffectRepeat(take), (change) => toEvent(resource, change))
            )
          )
        })
      ),

    create: (resource, object) =>
      write(`create ${resource.plural} ${object.metadata.name}`, resource, (now) =>
        store.create(resource, object, now)
      ),

    update: (resource, object) =>
      write(`update ${resource.plural} ${object.metadata.name}`, resource, () => store.update(resource, object)),

    apply: (resource, object) =>
      write(`apply ${resource.plural} ${object.metadata.name}`, resource, (now) => store.apply(resource, object, now)),

    applyStatus: (resource, object) =>
      write(`apply status of ${resource.plural} ${object.metadata.name}`, resource, () =>
        store.applyStatus(resource, object)
      ),

    patch: (resource, name, patch) =>
      write(`patch ${resource.plural} ${name.name}`, resource, () => store.patch(resource, name, patch)),

    delete: (resource, name, options) =>
      request(`delete ${resource.plural} ${name.name}`, (now) => store.delete(resource, name, now, options))
  })
}

/**
 * A client of an API server in memory.
 *
 * @example
 * const test = Effect.gen(function* () {
 *   const kube = yield* KubeClient
 *   return yield* kube.get(Images, { namespace: "team", name: "node" })
 * }).pipe(Effect.provide(KubeClientMemory.layer()))
 */
export const layer = (options: KubeClientMemoryOptions = {}): Layer.Layer<KubeClient> =>
  Layer.sync(KubeClient, () => make(options.store ?? new ApiServerStore()))
