/**
 * Drives the reconciler. A change of an Image, a change of an Image's copies, and a time that has come each add the Image's
 * key to the work queue. A change of the policy adds all keys. Nothing polls.
 */
import { Cause, Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Option, Predicate, Schema, Stream } from "effect"
import { CopyEngine, type CopyEngineError } from "../copy/CopyEngine.ts"
import { Policy } from "../credentials/Policy.ts"
import * as ImageKey from "../domain/ImageKey.ts"
import { suspensionOf } from "../domain/plan/events.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import { KubeClient } from "../kube/KubeClient.ts"
import { Images } from "../kube/Resources.ts"
import { keyOf, type StoreChange } from "../kube/Store.ts"
import { Metrics } from "../metrics/Metrics.ts"
import { innermostCause } from "../text/Cause.ts"
import * as ChangeRate from "./ChangeRate.ts"
import * as CopyChanges from "./CopyChanges.ts"
import { DestinationClaims } from "./DestinationClaims.ts"
import * as Due from "./Due.ts"
import { ImageEvents } from "./events/ImageEvents.ts"
import { imageSample } from "./imageSample.ts"
import { ImageStore } from "./ImageStore.ts"
import type { Lane, Priority } from "./QueueState.ts"
import { type ReconcileError, Reconciler } from "./Reconciler.ts"
import * as WorkQueue from "./WorkQueue.ts"

/** The options of {@link Controller}. */
export interface ControllerOptions {
  /** How many Images are reconciled at once. Default 20. */
  readonly concurrency?: number
}

/**
 * The controller no longer receives some of the changes that it reacts to. The controller does not recover: the operator has
 * to be restarted.
 */
export class ControllerStopped extends Schema.TaggedError<ControllerStopped>()("ControllerStopped", {
  detail: Schema.String
}) {
  override get message(): string {
    return `the controller has stopped: ${this.detail}; restart the operator`
  }
}

/**
 * Reconciles the Images of the `ImageStore`. The controller starts with its layer, and stops when the layer's scope closes or
 * when `running` fails.
 *
 * @example
 * ```ts
 * const program = Effect.flatMap(Controller, (controller) => controller.running)
 * const layer = Controller.layer().pipe(
 *   Layer.provide(Reconciler.layer),
 *   Layer.provide(DestinationClaims.layer),
 *   Layer.provide(ImageStore.layer()),
 *   Layer.provide(DirectEngine.layer)
 * )
 * ```
 */
export class Controller extends Context.Service<
  Controller,
  {
    /** Completes when the `ImageStore` has listed all Images once. */
    readonly synced: Effect.Effect<void>
    /**
     * Never completes. Fails with `ControllerStopped` when a stream of changes has ended or was interrupted, and dies with the
     * defect of a stream that died. A program that runs an operator waits for this effect.
     */
    readonly running: Effect.Effect<never, ControllerStopped>
    /**
     * Completes as soon as no Image waits to be reconciled, no Image is being reconciled, and no Image has a copy that waits,
     * runs or is not recorded yet. Later times do not count, such as the next check or the retry of a failed copy. A change
     * that has not reached the controller does not count either. Fails with `CopyEngineError` if the engine cannot list its
     * copies.
     */
    readonly idle: Effect.Effect<void, CopyEngineError>
  }
>()("skopeo-operator/controller/Controller") {
  /** The controller over its store, its reconciler and its copy engine. */
  static readonly layer = (
    options: ControllerOptions = {}
  ): Layer.Layer<
    Controller,
    never,
    ImageStore | DestinationClaims | ImageEvents | KubeClient | CopyEngine | Metrics | Policy | Reconciler
  > => Layer.effect(Controller, make(options))
}

/** Whether a change causes a reconcile. A change of the status does not: the operator itself writes the status. */
const isTrigger = ({ after, before }: StoreChange<StoredImage>): boolean =>
  before?.uid !== after?.uid ||
  before?.generation !== after?.generation ||
  before?.requestedAt !== after?.requestedAt ||
  before?.isDeleting !== after?.isDeleting

/** An Image that waits for its finalizers gets no copies. */
const isLiving = ({ isDeleting }: StoredImage): boolean => !isDeleting

const isRefusal = (reason: "Conflict" | "NotFound" | "Forbidden") => (error: ReconcileError) =>
  error._tag === "KubeError" && error.reason === reason

/** Why a key is added to the queue. */
interface Trigger {
  readonly key: string
  readonly priority: Priority
}

const high = (key: string): Trigger => ({ key, priority: "High" })
const low = (key: string): Trigger => ({ key, priority: "Low" })

/** Makes the end of a stream a failure. */
const endless =
  (changes: string) =>
  <A>(stream: Stream.Stream<A>): Stream.Stream<A, ControllerStopped> =>
    Stream.concat(stream, Stream.fail(new ControllerStopped({ detail: `the stream of ${changes} has ended` })))

const make = Effect.fnUntraced(function* ({ concurrency = 20 }: ControllerOptions) {
  const kube = yield* KubeClient
  const images = yield* ImageStore
  const engine = yield* CopyEngine
  const metrics = yield* Metrics
  const reconciler = yield* Reconciler
  const claims = yield* DestinationClaims
  const events = yield* ImageEvents
  const policy = yield* Policy

  /** Reads an Image from the API server, because the watch may be late. Gives whether the Image exists. */
  const refresh = Effect.fnUntraced(function* (key: string) {
    const object = yield* kube.get(Images, ImageKey.parse(key))
    if (Option.isSome(object)) yield* images.written(object.value)
    return Option.isSome(object)
  })

  const removed = (key: string) => Effect.as(reconciler.removed(ImageKey.parse(key)), undefined)

  /** By the key of each Image that is reconciled: completed when a user changes the Image, or when the policy changes. */
  const changes = new Map<string, Deferred.Deferred<void>>()

  /** The queue works on a changed Image at once: a running check of the Image ends, and earlier failures do not count. */
  const supersede = ({ key }: StoreChange<StoredImage>): Effect.Effect<void> => {
    const changed = changes.get(key)
    return Effect.andThen(queue.forget(key), changed === undefined ? Effect.void : Deferred.succeed(changed, undefined))
  }

  const noteLeaving = ({ after, key }: StoreChange<StoredImage>): Effect.Effect<void> =>
    Effect.sync(() => {
      if (after === undefined) left.add(key)
      else left.delete(key)
    })

  /**
   * Reports that a user has suspended or resumed an Image. The status does not say that an Image is suspended, so a change
   * that came while no process ran is not reported.
   */
  const reportSuspension = ({ after, before }: StoreChange<StoredImage>): Effect.Effect<void> =>
    before?._tag === "Readable" && after?._tag === "Readable" && before.uid === after.uid
      ? events.report(after, suspensionOf(before.spec.suspend, after.spec.suspend))
      : Effect.void

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

  /**
   * Reconciles an Image. After a conflict the Image is read and reconciled again. A missing Image is removed before the watch
   * reports the deletion.
   */
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
    // An Image that the store had is deleted, or is no longer in the store's scopes. Its copies end in both cases. The engine
    // may also have copies of an Image that the store never had. Such copies end only if the API server lacks the Image too.
    // Otherwise the Image is new and the watch will report the Image, or another operator follows the Image, and this operator
    // may have no right to read the Image.
    const isUnknown = Option.isNone(found) && !left.delete(key)
    const exists = Effect.catchIf(refresh(key), isRefusal("Forbidden"), () => Effect.succeed(true))
    if (isUnknown && (yield* exists)) return undefined
    return yield* removed(key).pipe(Effect.tapError(() => Effect.sync(() => left.add(key))))
  })

  /** A source that does not answer delays the Images of that source only. Most Images share one destination. */
  const laneOf = (key: string): Effect.Effect<Lane> =>
    Effect.map(images.get(key), (found) => {
      const source = Option.isSome(found) && found.value._tag === "Readable" ? found.value.source : undefined
      return { namespace: ImageKey.parse(key).namespace, host: source?.split("/", 1)[0] }
    })

  metrics.queue.concurrency(concurrency)
  metrics.images.sampling(
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.map(images.values, (values) => values.map((image) => imageSample(image, now)))
    )
  )

  const due = yield* Due.make<string>()
  const queue = yield* WorkQueue.make({
    work: (key: string) =>
      // Before the first list is complete, a key without an Image is not a deleted Image.
      Effect.andThen(
        images.synced,
        metrics.reconciling(work(key), (again) => (again === undefined ? "success" : "requeue_after"))
      ).pipe(Effect.tapDefect(reportDefect), Effect.annotateLogs({ image: key })),
    concurrency,
    due,
    laneOf,
    observer: metrics.queue
  })

  const rate = yield* ChangeRate.make<StoredImage>()

  const reactTo = (
    changes: Stream.Stream<StoreChange<StoredImage>>,
    isListed: (change: StoreChange<StoredImage>) => boolean
  ) => {
    const triggersOf = Effect.fnUntraced(function* (change: StoreChange<StoredImage>) {
      // The first list brings every Image.
      if (isListed(change)) return [low(change.key)]
      return [high(change.key), ...(yield* claims.concerned(change)).map(low)]
    })
    return changes.pipe(
      Stream.mapEffect(rate.limit),
      Stream.filter(Predicate.isNotUndefined),
      Stream.tap(supersede),
      Stream.mapEffect(triggersOf),
      Stream.flattenIterable
    )
  }

  /**
   * The Images of the first list, then the Images that users change. A change also brings the younger Images that may gain or
   * lose a claimed tag. A changed Image starts with no failures, because the old spec caused the failures.
   */
  const changedImages = Stream.unwrap(
    Effect.map(Effect.andThen(images.synced, images.values), (values) => {
      const listed = new Map(values.map((image) => [keyOf(image), image]))
      const changes = images.changes.pipe(
        Stream.filter(isTrigger),
        Stream.tap(noteLeaving),
        Stream.tap(reportSuspension)
      )
      return reactTo(changes, ({ after, key }) => {
        const image = listed.get(key)
        listed.delete(key)
        return image !== undefined && image === after
      })
    })
  ).pipe(endless("changes of Images"))
  const postponedImages = reactTo(rate.postponed, () => false).pipe(endless("postponed changes of Images"))
  const copies = yield* CopyChanges.make(engine)
  const changedCopies = copies.counted.pipe(Stream.map(high), endless("changes of copies"))
  const postponedCopies = copies.postponed.pipe(Stream.map(high), endless("postponed changes of copies"))
  /** All Images, because a change of the policy may concern each of them. Running checks end, and begin anew if they may. */
  const judgedImages = policy.changes.pipe(
    Stream.tap(() =>
      Effect.forEach([...changes.values()], (changed) => Deferred.succeed(changed, undefined), { discard: true })
    ),
    Stream.mapEffect(() => images.values),
    Stream.flattenIterable,
    Stream.map((image) => low(keyOf(image))),
    endless("changes of the policy")
  )
  const dueImages = due.keys.pipe(Stream.map(low), endless("Images that are due"))

  const enqueue = (triggers: Stream.Stream<Trigger, ControllerStopped>) =>
    Stream.runForEach(triggers, ({ key, priority }) => {
      metrics.queue.added()
      return queue.add(key, priority)
    })

  // The engine's changes are followed first, because the first Image already causes a call of the engine.
  const driver = yield* Effect.all(
    [changedCopies, postponedCopies, changedImages, postponedImages, judgedImages, dueImages].map(enqueue),
    {
      concurrency: "unbounded"
    }
  ).pipe(Effect.andThen(Effect.never), Effect.tapCause(reportEnd), Effect.forkScoped({ startImmediately: true }))

  /** Whether no Image has a copy. A finished copy counts, because its outcome is not recorded yet. */
  const hasNoCopies = Effect.gen(function* () {
    for (const image of yield* images.values) if ((yield* engine.copies(image)).length > 0) return false
    return true
  })

  return Controller.of({
    synced: images.synced,
    running: Effect.flatMap(Fiber.await(driver), (exit) =>
      // The program would take an interrupt for a signal that stops the program.
      Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
        ? Effect.fail(new ControllerStopped({ detail: "its fiber was interrupted" }))
        : exit
    ),
    idle: queue.idle.pipe(
      // The question to the engine is dropped when a reconcile begins before the engine answers.
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
