/**
 * Drives the reconciler: what happens to Images and to their copies becomes keys in a queue, and the queue's own timers
 * bring the rest. Nothing polls.
 */
import { Context, Effect, Layer, Option, Stream } from "effect"
import { CopyEngine, type ImageKey } from "../copy/CopyEngine.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import { KubeClient } from "../kube/KubeClient.ts"
import { Images } from "../kube/Resources.ts"
import { keyOf, type StoreChange } from "../kube/Store.ts"
import { Metrics } from "../Metrics.ts"
import { ImageStore } from "./ImageStore.ts"
import { type ReconcileError, Reconciler } from "./Reconciler.ts"
import * as WorkQueue from "./WorkQueue.ts"

export interface ControllerOptions {
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
  ): Layer.Layer<Controller, never, ImageStore | KubeClient | CopyEngine | Metrics | Reconciler> =>
    Layer.effect(Controller, make(options))
}

const imageOf = (key: string): ImageKey => {
  const slash = key.indexOf("/")
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

/** Whether a change calls for a reconcile: not one of the status, which the operator itself writes. */
const isTrigger = ({ after, before }: StoreChange<StoredImage>): boolean =>
  before?.uid !== after?.uid || before?.generation !== after?.generation || before?.isDeleting !== after?.isDeleting

const isRefusal = (reason: "Conflict" | "NotFound" | "Forbidden") => (error: ReconcileError) =>
  error._tag === "KubeError" && error.reason === reason

const make = Effect.fnUntraced(function* (options: ControllerOptions) {
  const kube = yield* KubeClient
  const images = yield* ImageStore
  const engine = yield* CopyEngine
  const metrics = yield* Metrics
  const reconciler = yield* Reconciler

  /** Reads an Image from the API server, for the watch may lag behind. Answers whether the Image exists. */
  const refresh = Effect.fnUntraced(function* (key: string) {
    const object = yield* kube.get(Images, imageOf(key))
    if (Option.isSome(object)) yield* images.written(object.value)
    return Option.isSome(object)
  })

  const removed = (key: string) => Effect.as(reconciler.removed(imageOf(key)), undefined)

  const reconcile = Effect.fnUntraced(function* (image: StoredImage) {
    const { next, written } = yield* reconciler.reconcile(image)
    if (Option.isSome(written)) yield* images.written(written.value)
    return next._tag === "At" ? next.millis : undefined
  })

  /** An Image that has changed meanwhile is read again. One that is gone is removed, before the watch reports that. */
  const reconcileNewest = (key: string, image: StoredImage) =>
    reconcile(image).pipe(
      Effect.catchIf(
        isRefusal("Conflict"),
        Effect.fnUntraced(function* () {
          const found = (yield* refresh(key)) ? yield* images.get(key) : Option.none()
          return yield* Option.match(found, { onNone: () => removed(key), onSome: reconcile })
        })
      ),
      Effect.catchIf(isRefusal("NotFound"), () => removed(key))
    )

  const work = Effect.fnUntraced(function* (key: string) {
    const found = yield* images.get(key)
    if (Option.isSome(found) && !found.value.isDeleting) return yield* reconcileNewest(key, found.value)
    // An engine may have copies of an Image that the store does not have. They are ended only if the API server does not have
    // it either: otherwise the Image is new, and the watch brings it, or it is outside of the store's scopes. The operator may
    // have no right to read it there.
    const exists = Effect.catchIf(refresh(key), isRefusal("Forbidden"), () => Effect.succeed(true))
    if (Option.isNone(found) && (yield* exists)) return undefined
    return yield* removed(key)
  })

  const queue = yield* WorkQueue.make({
    work: (key: string) =>
      // An Image that has not been listed yet must not be taken for one that is gone.
      Effect.andThen(
        images.synced,
        metrics.reconciling(work(key), (again) => (again === undefined ? "success" : "requeue_after"))
      ).pipe(Effect.annotateLogs({ image: key })),
    ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
    onDepth: metrics.queueDepth
  })
  const add = (key: string) =>
    Effect.suspend(() => {
      metrics.queueAdded()
      return queue.add(key)
    })

  yield* engine.changes.pipe(
    Stream.runForEach((image) => add(keyOf(image))),
    Effect.forkScoped({ startImmediately: true })
  )
  yield* images.changes.pipe(
    Stream.filter(isTrigger),
    Stream.runForEach(({ after, before, key }) => {
      const isGone = before !== undefined && before.uid !== after?.uid
      return Effect.andThen(isGone ? queue.forget(key) : Effect.void, add(key))
    }),
    Effect.forkScoped({ startImmediately: true })
  )
  return { synced: images.synced }
})
