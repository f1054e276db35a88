/** One reconcile: gather facts, let the domain decide, act. The facts come from the registries, not from memory. */
import { Clock, Context, Effect, Layer, Option } from "effect"
import { CopyEngine, type CopyEngineError, type ImageKey } from "../copy/CopyEngine.ts"
import type { Credentials } from "../credentials/Credentials.ts"
import { type Copy, type CopyTask, isFinished } from "../domain/Copy.ts"
import type { ImageStatus } from "../domain/Image.ts"
import { decide, type Decision } from "../domain/plan/decide.ts"
import type { Gathered } from "../domain/plan/facts.ts"
import type { NextCheck } from "../domain/plan/schedule.ts"
import { sameStatus } from "../domain/plan/status.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import { KubeClient, type KubeError } from "../kube/KubeClient.ts"
import { type ImageObject, Images } from "../kube/Resources.ts"
import { Metrics } from "../Metrics.ts"
import type { RegistryLimits } from "../registry/limits/RegistryLimits.ts"
import type { RegistryClient } from "../registry/RegistryClient.ts"
import * as CopyMeter from "./CopyMeter.ts"
import * as Gather from "./gather.ts"
import { ImageMemory } from "./ImageMemory.ts"
import * as Log from "./reconcileLog.ts"

/** Why a reconcile could not read or write. The reconcile is retried. */
export type ReconcileError = KubeError | CopyEngineError

/** The outcome of a reconcile. */
export interface Reconciled {
  /** When to reconcile again, unless the Image or one of its copies changes before. */
  readonly next: NextCheck
  /** The Image that the API server answered with, if the status was written. */
  readonly written: Option.Option<ImageObject>
}

/** The field manager that owns the fields of an Image's status. */
export const FIELD_MANAGER = "skopeo-operator"

/** Reconciles one Image at a time. A caller must not reconcile the same Image twice at once. */
export class Reconciler extends Context.Service<
  Reconciler,
  {
    /**
     * Checks an Image if a check is due, starts and cancels copies, and writes the status. Gives the time of the next
     * reconcile. Fails with `KubeError` or `CopyEngineError`; the caller retries later. A registry's failure is no error: it is
     * a condition of the Image.
     */
    readonly reconcile: (image: StoredImage) => Effect.Effect<Reconciled, ReconcileError>
    /** Cancels the copies of a deleted Image. Copied tags stay. Fails with `CopyEngineError`. */
    readonly removed: (key: ImageKey) => Effect.Effect<void, ReconcileError>
  }
>()("skopeo-operator/controller/Reconciler") {
  /** The reconciler, with an empty memory of Images. */
  static readonly layer: Layer.Layer<
    Reconciler,
    never,
    KubeClient | RegistryClient | RegistryLimits | CopyEngine | Credentials | Metrics
  > = Layer.effect(
    Reconciler,
    Effect.suspend(() => make)
  )
}

/** The status that the API server has, and the resource version of the Image with that status. */
type StoredStatus = Pick<StoredImage, "resourceVersion" | "status">

const nameOf = (image: ImageKey): string => `${image.namespace}/${image.name}`

const make = Effect.gen(function* () {
  const kube = yield* KubeClient
  const engine = yield* CopyEngine
  const metrics = yield* Metrics
  const meter = CopyMeter.make(engine, metrics)
  const memory = new ImageMemory()
  const gather = yield* Gather.make({ memory, supports: engine.supports })

  /** Writes the status if the status differs from the stored one. The write names the resource version of the stored status. */
  const writeStatus = (
    { name, namespace, uid }: StoredImage,
    { resourceVersion, status: stored }: StoredStatus,
    status: ImageStatus
  ): Effect.Effect<Option.Option<ImageObject>, KubeError> =>
    sameStatus(stored, status)
      ? Effect.succeedNone
      : Effect.asSome(
          kube.applyStatus(Images, { metadata: { name, namespace, uid, resourceVersion }, status }, FIELD_MANAGER)
        )

  /** Remembers the facts of a check until the next reconcile. Without a check the memory stays as it is. */
  const remember = (image: StoredImage, gathered: Gathered, { observed }: Decision): void => {
    if (gathered._tag === "Blocked" || (gathered._tag === "Unobserved" && !gathered.mirror.suspend)) return
    if (observed === undefined) memory.forget(image)
    else if (gathered._tag === "Observed") memory.checked(image, { observed, warnings: gathered.warnings ?? [] })
  }

  /** Counts and logs a finished copy after its outcome was written to the status. Then the engine may forget the copy. */
  const recordEnd = Effect.fnUntraced(function* (copy: Copy) {
    meter.ended(copy)
    metrics.copyFinished(copy.state._tag === "Failed" ? "failed" : "succeeded")
    yield* Log.copyEnded(copy)
    yield* engine.release(copy)
  })

  /** Starts a copy that does not run yet. Gives a copy that the engine refuses as a failed copy. */
  const start = (image: StoredImage, task: CopyTask): Effect.Effect<ReadonlyArray<Copy>, CopyEngineError> =>
    Effect.gen(function* () {
      if (!(yield* engine.start(task))) return []
      const label = labelOf(image)
      meter.started(image, label)
      metrics.copyStarted(label)
      yield* Log.copyStarted(task)
      return []
    }).pipe(
      Effect.catchTag("CopyRefused", ({ message, reason }) =>
        Effect.map(Clock.currentTimeMillis, (at): ReadonlyArray<Copy> => [
          { ...task, id: `refused-${at}`, state: { _tag: "Failed", at, reason, message } }
        ])
      )
    )

  /**
   * The one exit of a reconcile. The status is written before copies start and before finished copies are released. After a
   * crash between two of these steps, the next operator learns the rest from the registries.
   */
  const act = Effect.fnUntraced(function* (
    image: StoredImage,
    stored: StoredStatus,
    gathered: Gathered,
    decision: Decision
  ) {
    const { cancel, release, status } = decision
    yield* Effect.forEach(cancel, engine.cancel, { discard: true })
    const written = yield* writeStatus(image, stored, status)
    remember(image, gathered, decision)
    yield* Effect.forEach(release, recordEnd, { discard: true })
    if (gathered.copies.length === cancel.length + release.length) meter.settled(image)
    const refused = yield* Effect.forEach(decision.start, (task) => start(image, task))
    return { written, refused: refused.flat() }
  })

  const reconcile = Effect.fnUntraced(function* (image: StoredImage): Effect.fn.Return<Reconciled, ReconcileError> {
    const gathered = yield* gather(image, yield* engine.copies(image))
    if (gathered._tag === "Blocked") yield* Log.checkFailed(image, gathered.failure)
    // A check may take longer than the pause after it.
    const now = yield* Clock.currentTimeMillis
    const decision = decide(image, gathered, now)
    const { refused, written } = yield* act(image, image, gathered, decision)
    if (refused.length === 0) return { next: decision.next, written }
    // The refused copies are facts for one more decision, which changes the status only.
    yield* Log.copiesRefused(refused)
    const known = { ...gathered, copies: [...gathered.copies, ...refused] }
    const again: Decision = { ...decide(image, known, now), cancel: [], release: [], start: [] }
    const resourceVersion = Option.getOrUndefined(written)?.metadata.resourceVersion ?? image.resourceVersion
    const after = yield* act(image, { resourceVersion, status: decision.status }, known, again)
    return { next: again.next, written: Option.orElse(after.written, () => written) }
  })

  return Reconciler.of({
    reconcile: (image) =>
      reconcile(image).pipe(
        Effect.tap(({ next }) => Effect.annotateCurrentSpan("next", next.why)),
        Effect.tapError(Log.reconcileFailed),
        Effect.annotateLogs({ image: nameOf(image) }),
        Effect.withSpan(
          "reconcile",
          { attributes: { image: nameOf(image), uid: image.uid, generation: image.generation } },
          { captureStackTrace: false }
        )
      ),
    removed: Effect.fn("Reconciler.removed")(function* (key) {
      memory.forget(key)
      meter.settled(key)
      const copies = yield* engine.copies(key)
      yield* Effect.forEach(copies, (copy) => (isFinished(copy) ? engine.release(copy) : engine.cancel(copy)), {
        discard: true
      })
      if (engine.removed !== undefined) yield* engine.removed(key)
    })
  })
})

/** The label of an Image's copies in the metrics. */
const labelOf = (image: StoredImage): string =>
  image._tag === "Unreadable" ? "" : `${image.spec.source.name}:${image.spec.source.version}`
