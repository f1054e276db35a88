/**
 * Drives the reconciler: what happens to Images and to their copies, and the times that come, become keys in a queue. Nothing
 * polls.
 */
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, Option, Schema, Stream } from "effect"
import { CopyEngine, type CopyEngineError, type ImageKey } from "../copy/CopyEngine.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import { KubeClient } from "../kube/KubeClient.ts"
import { Images } from "../kube/Resources.ts"
import { keyOf, type StoreChange } from "../kube/Store.ts"
import { Metrics } from "../Metrics.ts"
import { innermostCause } from "../text/Cause.ts"
import * as Due from "./Due.ts"
import { ImageStore } from "./ImageStore.ts"
import type { Lane, Priority } from "./QueueState.ts"
import { type ReconcileError, Reconciler } from "./Reconciler.ts"
import * as WorkQueue from "./WorkQueue.ts"

export interface ControllerOptions {
  /** Images reconciled at once. Default 10. */
  readonly concurrency?: number
}

/** The controller no longer hears of something that it has to react to. Only a new controller can help. */
export class ControllerStopped extends Schema.TaggedError<ControllerStopped>()("ControllerStopped", {
  detail: Schema.String
}) {
  override get message(): string {
    return `the controller has stopped: ${this.detail}; restart the operator`
  }
}

/** Runs for as long as its layer's scope, unless `running` fails before. */
export class Controller extends Context.Service<
  Controller,
  {
    /** Completes when all Images have been listed once. */
    readonly synced: Effect.Effect<void>
    /**
     * Never completes, and fails if the controller stops: with `ControllerStopped` when a stream that drives it has ended or
     * was interrupted, or with the defect that it died of. A program that runs an operator waits for this and ends with it.
     */
    readonly running: Effect.Effect<never, ControllerStopped>
    /**
     * Completes as soon as no Image waits to be reconciled, none is being reconciled, and none has a copy that waits, runs
     * or has yet to be recorded. What is due later does not count, such as the next check or the retry of a copy that
     * failed; nor does a change that the controller has yet to hear of. Fails if the engine cannot tell its copies.
     */
    readonly idle: Effect.Effect<void, CopyEngineError>
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

/** An Image that waits for its finalizers gets no copies. */
const isLiving = ({ isDeleting }: StoredImage): boolean => !isDeleting

const isRefusal = (reason: "Conflict" | "NotFound") => (error: ReconcileError) =>
  error._tag === "KubeError" && error.reason === reason

/** Why a key is added to the queue. */
interface Trigger {
  readonly key: string
  readonly priority: Priority
}

/** Makes the end of a stream a failure. */
const endless =
  (what: string) =>
  <A>(stream: Stream.Stream<A>): Stream.Stream<A, ControllerStopped> =>
    Stream.concat(stream, Stream.fail(new ControllerStopped({ detail: `it no longer hears of ${what}` })))

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

  /** By the key of each Image that is reconciled: completed when a user changes the Image. */
  const changes = new Map<string, Deferred.Deferred<void>>()

  /** The queue works on a changed Image at once: its check gives way, and earlier failures do not count. */
  const supersede = ({ after, key }: StoreChange<StoredImage>): Effect.Effect<void> => {
    if (after === undefined) left.add(key)
    else left.delete(key)
    const changed = changes.get(key)
    return Effect.andThen(queue.forget(key), changed === undefined ? Effect.void : Deferred.succeed(changed, undefined))
  }

  const reconcile = Effect.fnUntraced(function* (image: StoredImage) {
    const changed = yield* Deferred.make<void>()
    const key = keyOf(image)
    changes.set(key, changed)
    const { next, written } = yield* reconciler
      .reconcile(image, Deferred.await(changed))
      .pipe(Effect.ensuring(Effect.sync(() => changes.delete(key))))
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
          return yield* Option.match(Option.filter(found, isLiving), {
            onNone: () => removed(key),
            onSome: reconcile
          })
        })
      ),
      Effect.catchIf(
        isRefusal("NotFound"),
        // A proxy or a missing CustomResourceDefinition answers 404 too.
        Effect.fnUntraced(function* (error) {
          return (yield* refresh(key)) ? yield* error : yield* removed(key)
        })
      )
    )

  /** The keys of Images that have left the store since work on them began last. */
  const left = new Set<string>()

  const work = Effect.fnUntraced(function* (key: string) {
    const found = yield* images.get(key)
    if (Option.isSome(found) && isLiving(found.value)) return yield* reconcileNewest(key, found.value)
    // An Image that was here is deleted, or no longer in the store's scopes: neither leaves copies. An engine may also have
    // copies of an Image that the store never had. They are ended only if the API server does not have it either: otherwise
    // the Image is new, and the watch brings it, or another operator follows it.
    const isUnknown = Option.isNone(found) && !left.delete(key)
    if (isUnknown && (yield* refresh(key))) return undefined
    return yield* removed(key).pipe(Effect.tapError(() => Effect.sync(() => left.add(key))))
  })

  /** A source that does not answer holds up its own Images alone. Most Images have one destination. */
  const laneOf = (key: string): Effect.Effect<Lane> =>
    Effect.map(images.get(key), (found) => {
      const source = Option.isSome(found) && found.value._tag === "Readable" ? found.value.source : undefined
      return { namespace: imageOf(key).namespace, host: source?.split("/", 1)[0] }
    })

  const due = yield* Due.make<string>()
  const queue = yield* WorkQueue.make({
    work: (key: string) =>
      // An Image that has not been listed yet must not be taken for one that is gone.
      Effect.andThen(
        images.synced,
        metrics.reconciling(work(key), (again) => (again === undefined ? "success" : "requeue_after"))
      ).pipe(Effect.tapDefect(reportDefect), Effect.annotateLogs({ image: key })),
    ...options,
    due,
    laneOf,
    onDepth: metrics.queueDepth
  })

  /** Images that users have changed, after those of the first list. What has changed is not what failed before. */
  const changedImages = Stream.unwrap(
    Effect.map(Effect.andThen(images.synced, images.values), (values) => {
      const listed = new Map(values.map((image) => [keyOf(image), image]))
      const isListed = ({ after, key }: StoreChange<StoredImage>): boolean => {
        const image = listed.get(key)
        listed.delete(key)
        return image !== undefined && image === after
      }
      return images.changes.pipe(
        Stream.filter(isTrigger),
        Stream.tap(supersede),
        Stream.map((change): Trigger => ({ key: change.key, priority: isListed(change) ? "Low" : "High" }))
      )
    })
  ).pipe(endless("Images"))
  const changedCopies = engine.changes.pipe(
    Stream.map((image): Trigger => ({ key: keyOf(image), priority: "High" })),
    endless("copies")
  )
  const dueImages = due.keys.pipe(
    Stream.map((key): Trigger => ({ key, priority: "Low" })),
    endless("Images that are due")
  )

  const enqueue = (triggers: Stream.Stream<Trigger, ControllerStopped>) =>
    Stream.runForEach(triggers, ({ key, priority }) => {
      metrics.queueAdded()
      return queue.add(key, priority)
    })

  // The engine is heard first: it is asked for copies as soon as an Image is heard of.
  const driver = yield* Effect.all([changedCopies, changedImages, dueImages].map(enqueue), {
    concurrency: "unbounded"
  }).pipe(Effect.andThen(Effect.never), Effect.tapCause(reportEnd), Effect.forkScoped({ startImmediately: true }))

  /** Whether no Image has a copy: not one that has ended either, since that is yet to be recorded. */
  const hasNoCopies = Effect.gen(function* () {
    for (const image of yield* images.values) if ((yield* engine.copies(image)).length > 0) return false
    return true
  })

  return Controller.of({
    synced: images.synced,
    running: Effect.flatMap(Fiber.await(driver), (exit) =>
      // An interrupt would pass for a signal that stops the program.
      Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
        ? Effect.fail(new ControllerStopped({ detail: "it was interrupted" }))
        : exit
    ),
    idle: queue.idle.pipe(
      // What the engine says while the queue is idle is given up when a reconcile begins meanwhile.
      Stream.switchMap((isIdle) => (isIdle ? Stream.fromEffect(hasNoCopies) : Stream.empty)),
      Stream.takeUntil(Boolean),
      Stream.runDrain
    )
  })
})

const reportEnd = (cause: Cause.Cause<ControllerStopped>) =>
  Cause.hasInterruptsOnly(cause)
    ? Effect.void
    : Effect.logError("controller stopped").pipe(Effect.annotateLogs({ error: innermostCause(Cause.squash(cause)) }))

const reportDefect = (defect: unknown) =>
  Effect.logError("reconcile died").pipe(Effect.annotateLogs({ error: innermostCause(defect) }))
