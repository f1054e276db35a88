/**
 * Drives the reconciler: what happens to Images and to their copies becomes keys in a queue, and the queue's own timers
 * bring the rest. Nothing polls.
 */
import { Context, Deferred, Effect, Layer, Option, Stream } from "effect"
import { CopyEngine, type ImageKey } from "../copy/CopyEngine.ts"
import { KubeClient, type ListScope } from "../kube/KubeClient.ts"
import { listWatch } from "../kube/ListWatch.ts"
import { type ImageObject, Images } from "../kube/Resources.ts"
import { Metrics } from "../Metrics.ts"
import { Reconciler } from "./Reconciler.ts"
import * as WorkQueue from "./WorkQueue.ts"

export interface ControllerOptions {
  readonly scope?: ListScope
  /** Images reconciled at once. Default 10. */
  readonly concurrency?: number
}

/** Runs for as long as its layer's scope. */
export class Controller extends Context.Service<
  Controller,
  {
    /** Completes when all Images have been listed once. */
    readonly synced: Effect.Effect<void>
  }
>()("skopeo-operator/controller/Controller") {
  static readonly layer = (
    options: ControllerOptions = {}
  ): Layer.Layer<Controller, never, KubeClient | CopyEngine | Metrics | Reconciler> =>
    Layer.effect(Controller, make(options))
}

const keyOf = (image: ImageKey): string => `${image.namespace}/${image.name}`
const imageOf = (key: string): ImageKey => {
  const slash = key.indexOf("/")
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}
const keyOfObject = ({ metadata }: ImageObject): string => `${metadata.namespace ?? ""}/${metadata.name}`

/** What of an Image calls for a reconcile when it changes: not its status, which is the operator's own writing. */
const triggerOf = ({ metadata }: ImageObject): string =>
  JSON.stringify([metadata.uid, metadata.generation, metadata.deletionTimestamp])

/** Whether a watch brings a version of the same Image from before one that is known already. */
const isOlder = (object: ImageObject, known: ImageObject): boolean => {
  const [version = "", knownVersion = ""] = [object.metadata.resourceVersion, known.metadata.resourceVersion]
  if (object.metadata.uid !== known.metadata.uid) return false
  return /^[0-9]+$/u.test(version) && /^[0-9]+$/u.test(knownVersion) && BigInt(version) < BigInt(knownVersion)
}

const make = Effect.fnUntraced(function* (options: ControllerOptions) {
  const kube = yield* KubeClient
  const engine = yield* CopyEngine
  const metrics = yield* Metrics
  const reconciler = yield* Reconciler
  const synced = yield* Deferred.make<void>()
  const images = new Map<string, ImageObject>()

  /** The newest version of an Image there is: the watch may lag behind the operator's own writes. */
  const newest = (key: string) =>
    Effect.map(
      kube.get(Images, imageOf(key)),
      Option.match({
        onNone: () => {
          images.delete(key)
          return undefined
        },
        onSome: (object) => {
          images.set(key, object)
          return object
        }
      })
    )

  const reconcile = (object: ImageObject) =>
    reconciler.reconcile(object).pipe(
      Effect.catchIf(
        (error) => error._tag === "KubeError" && error.reason === "Conflict",
        (conflict) =>
          Effect.flatMap(newest(keyOfObject(object)), (found) =>
            found === undefined ? Effect.fail(conflict) : reconciler.reconcile(found)
          )
      )
    )

  const work = Effect.fnUntraced(function* (key: string) {
    const object = images.has(key) ? images.get(key) : yield* newest(key)
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) {
      yield* reconciler.removed(imageOf(key))
      return undefined
    }
    const { next, object: written } = yield* reconcile(object)
    // What came by the watch meanwhile is this write or a later one: anything else would have been a conflict.
    if (images.get(key) === object) images.set(key, written)
    return next._tag === "At" ? next.millis : undefined
  })

  const queue = yield* WorkQueue.make({
    work: (key: string) =>
      metrics
        .reconciling(work(key), (again) => (again === undefined ? "success" : "requeue_after"))
        .pipe(Effect.annotateLogs({ image: key })),
    ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
    onDepth: metrics.queueDepth
  })
  const add = (key: string) =>
    Effect.suspend(() => {
      metrics.queueAdded()
      return queue.add(key)
    })

  const applied = (object: ImageObject) => {
    const key = keyOfObject(object)
    const before = images.get(key)
    if (before !== undefined && isOlder(object, before)) return Effect.void
    images.set(key, object)
    return before !== undefined && triggerOf(before) === triggerOf(object) ? Effect.void : add(key)
  }
  const removed = (key: string) =>
    Effect.suspend(() => {
      images.delete(key)
      return Effect.andThen(queue.forget(key), add(key))
    })

  yield* engine.changes.pipe(
    Stream.runForEach((image) => add(keyOf(image))),
    Effect.forkScoped({ startImmediately: true })
  )
  yield* listWatch(Images, options.scope ?? {}).pipe(
    Stream.runForEach((event) => {
      switch (event._tag) {
        case "Replaced":
          return Effect.gen(function* () {
            const present = new Set(event.objects.map(keyOfObject))
            for (const key of Array.from(images.keys())) if (!present.has(key)) yield* removed(key)
            yield* Effect.forEach(event.objects, applied, { discard: true })
            yield* Deferred.succeed(synced, undefined)
          })
        case "Applied":
          return applied(event.object)
        case "Deleted":
          return removed(keyOfObject(event.object))
      }
    }),
    Effect.provideService(KubeClient, kube),
    Effect.forkScoped({ startImmediately: true })
  )
  return { synced: Deferred.await(synced) }
})
