/** One reconcile: gather facts, let the domain decide, act. What is true is asked of the registries, not remembered. */
import { Clock, Context, Effect, Layer, Option } from "effect"
import { CopyEngine, type CopyEngineError, type ImageKey } from "../copy/CopyEngine.ts"
import type { Credentials } from "../credentials/Credentials.ts"
import { type Copy, type CopyTask, isFinished } from "../domain/Copy.ts"
import type { ImageHeader, ImageStatus } from "../domain/Image.ts"
import { decide, type Decision } from "../domain/plan/decide.ts"
import { arrivedDigest, type Gathered } from "../domain/plan/facts.ts"
import type { NextCheck } from "../domain/plan/schedule.ts"
import { sameStatus } from "../domain/plan/status.ts"
import { readStoredImage, type StoredImage } from "../domain/StoredImage.ts"
import { KubeClient, type KubeError } from "../kube/KubeClient.ts"
import { type ImageObject, Images } from "../kube/Resources.ts"
import { Metrics } from "../Metrics.ts"
import type { RegistryLimits } from "../registry/limits/RegistryLimits.ts"
import type { RegistryClient } from "../registry/RegistryClient.ts"
import * as CopyMeter from "./CopyMeter.ts"
import * as Gather from "./gather.ts"
import { ImageMemory } from "./ImageMemory.ts"
import * as Log from "./reconcileLog.ts"

/** A reconcile that came to no decision, or could not carry it out. It is to be tried again. */
export type ReconcileError = KubeError | CopyEngineError

interface Superseded {
  readonly _tag: "Superseded"
  readonly why: "Changed"
}

export interface Reconciled {
  /** When to reconcile again, unless something changes before. `Superseded`: a change came before a decision, nothing was done. */
  readonly next: NextCheck | Superseded
  /** What the API server answered when the status was written, if it was. */
  readonly written: Option.Option<ImageObject>
}

/** Who owns the fields of an Image's status. */
export const FIELD_MANAGER = "skopeo-operator"

export class Reconciler extends Context.Service<
  Reconciler,
  {
    /**
     * Brings one Image closer to what it asks for, and says when to check it again. Fails when the API server or the copy
     * engine does, and its caller tries again later; a registry that cannot be asked is a fact in the Image's status.
     *
     * `changed` completes when the Image is no longer what it was. A check that runs is then given up, for it may wait for
     * minutes. What has been decided is carried out.
     */
    readonly reconcile: (image: StoredImage, changed?: Effect.Effect<void>) => Effect.Effect<Reconciled, ReconcileError>
    /** Stops what is under way for an Image that is gone. Copied tags stay. */
    readonly removed: (key: ImageKey) => Effect.Effect<void, ReconcileError>
  }
>()("skopeo-operator/controller/Reconciler") {
  static readonly layer: Layer.Layer<
    Reconciler,
    never,
    KubeClient | RegistryClient | RegistryLimits | CopyEngine | Credentials | Metrics
  > = Layer.effect(
    Reconciler,
    Effect.suspend(() => make)
  )
}

/** The status that the API server has, and the version of the Image that it is in. */
type StoredStatus = Pick<StoredImage, "resourceVersion" | "status">

const SUPERSEDED: Superseded = { _tag: "Superseded", why: "Changed" }

/** How often a decision is written, if others write the Image at the same time. */
const WRITES = 5

/** What was done, and what came of it. */
interface Done {
  readonly decision: Decision
  readonly written: Option.Option<ImageObject>
  /** The version of the Image that has the decision's status. */
  readonly resourceVersion: string
  /** Copies that the engine refused to start. */
  readonly refused: ReadonlyArray<Copy>
}

const nameOf = (image: ImageKey): string => `${image.namespace}/${image.name}`

const make = Effect.gen(function* () {
  const kube = yield* KubeClient
  const engine = yield* CopyEngine
  const metrics = yield* Metrics
  const meter = CopyMeter.make(engine, metrics)
  const memory = new ImageMemory()
  const gather = yield* Gather.make({ memory, supports: engine.supports })

  /** Writes the status if it differs from the stored one, and only to the version of the Image that has that. */
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

  /** What is known of an Image until the next reconcile. A check that is still to be resumed keeps its answers and its place. */
  const remember = (image: StoredImage, gathered: Gathered, { observed, status }: Decision): void => {
    if (gathered._tag === "Unobserved" && !gathered.mirror.suspend) return
    if (observed === undefined) {
      if (status.checkFailure === undefined || gathered._tag === "Invalid" || gathered.mirror.suspend)
        memory.forget(image)
      else memory.forgetCheck(image)
    } else if (gathered._tag === "Observed") memory.checked(image, { observed, warnings: gathered.warnings ?? [] })
    else memory.updated(image, observed)
  }

  /** The last word on a copy that has ended, once its outcome stands in the status: the engine may forget it. */
  const recordEnd = Effect.fnUntraced(function* (copy: Copy) {
    meter.ended(copy)
    if (arrivedDigest(copy) !== undefined) memory.arrived(copy)
    metrics.copyFinished(copy.state._tag === "Failed" ? "failed" : "succeeded")
    yield* Log.copyEnded(copy)
    yield* engine.release(copy)
  })

  /** Starts a copy, unless it is under way. What the engine refuses is a copy that has failed. */
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
   * The one exit. The status says what is under way before it is, and what has ended before that is forgotten: an operator
   * that starts after a crash between any two of these steps finds out the rest from the registries.
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
    const resourceVersion = Option.getOrUndefined(written)?.metadata.resourceVersion ?? stored.resourceVersion
    return { written, resourceVersion, refused: refused.flat() }
  })

  /**
   * Decides and acts. If another wrote only the Image's metadata meanwhile, what was gathered is decided on again: others write
   * labels as often as they like, and a check is not lost.
   */
  const carryOut = (
    image: StoredImage,
    stored: StoredStatus & ImageHeader,
    gathered: Gathered,
    now: number,
    attempts = WRITES
  ): Effect.Effect<Done, ReconcileError> =>
    Effect.suspend(() => {
      const decision = decide(stored, gathered, now)
      return Effect.map(act(image, stored, gathered, decision), (done) => ({ ...done, decision }))
    }).pipe(
      Effect.catchIf(
        (error) => attempts > 1 && error._tag === "KubeError" && error.reason === "Conflict",
        Effect.fnUntraced(function* (error) {
          const newest = yield* newestVersion(image)
          return yield* Option.match(newest, {
            onNone: () => Effect.fail(error),
            onSome: (version) => carryOut(image, version, gathered, now, attempts - 1)
          })
        })
      )
    )

  /** The newest version of an Image. None if the Image, its spec or its status is another: then all has to be gathered again. */
  const newestVersion = Effect.fnUntraced(function* ({ generation, name, namespace, status, uid }: StoredImage) {
    const isSame = (stored: StoredImage): boolean =>
      stored.uid === uid && stored.generation === generation && !stored.isDeleting && sameStatus(stored.status, status)
    const object = yield* kube.get(Images, { name, namespace })
    return Option.map(object, (found) => readStoredImage(found)).pipe(Option.filter(isSame))
  })

  const reconcile = Effect.fnUntraced(function* (
    image: StoredImage,
    changed: Effect.Effect<void>
  ): Effect.fn.Return<Reconciled, ReconcileError> {
    const gathered = yield* Effect.raceFirst(
      Effect.asSome(gather(image, yield* engine.copies(image))),
      Effect.as(changed, Option.none())
    )
    return yield* Option.match(gathered, {
      onNone: () => Effect.succeed<Reconciled>({ next: SUPERSEDED, written: Option.none() }),
      onSome: (facts) => decideOn(image, facts)
    })
  })

  const decideOn = Effect.fnUntraced(function* (
    image: StoredImage,
    gathered: Gathered
  ): Effect.fn.Return<Reconciled, ReconcileError> {
    if (gathered._tag === "Blocked") yield* Log.checkFailed(image, gathered.failure)
    // A check may take longer than the pause after it.
    const now = yield* Clock.currentTimeMillis
    const { decision, refused, resourceVersion, written } = yield* carryOut(image, image, gathered, now)
    if (refused.length === 0) return { next: decision.next, written }
    // What the engine refused is news for one more decision. The status is all that it changes.
    yield* Log.copiesRefused(refused)
    const known = { ...gathered, copies: [...gathered.copies, ...refused] }
    const again: Decision = { ...decide(image, known, now), cancel: [], release: [], start: [] }
    const after = yield* act(image, { resourceVersion, status: decision.status }, known, again)
    return { next: again.next, written: Option.orElse(after.written, () => written) }
  })

  return Reconciler.of({
    reconcile: (image, changed = Effect.never) =>
      reconcile(image, changed).pipe(
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

/** What copies of an Image are counted under. */
const labelOf = (image: StoredImage): string =>
  image._tag === "Unreadable" ? "" : `${image.spec.source.name}:${image.spec.source.version}`
