/** One reconcile: gather facts, let the domain decide, act. The facts come from the registries, not from memory. */
import { Clock, Context, Effect, Layer, Option } from "effect"
import { CopyEngine, type CopyEngineError } from "../copy/CopyEngine.ts"
import type { Credentials } from "../credentials/Credentials.ts"
import type { Policy } from "../credentials/Policy.ts"
import { type Copy, type CopyTask, isFinished } from "../domain/Copy.ts"
import type { ImageHeader, ImageStatus } from "../domain/Image.ts"
import { type ImageKey, keyOf } from "../domain/ImageKey.ts"
import { decide, type Decision } from "../domain/plan/decide.ts"
import { eventsOf } from "../domain/plan/events.ts"
import { arrivedDigest, type Gathered, obsoleteCopies } from "../domain/plan/facts.ts"
import type { NextCheck } from "../domain/plan/schedule.ts"
import { sameStatus } from "../domain/plan/status.ts"
import { readStoredImage, type StoredImage } from "../domain/StoredImage.ts"
import { KubeClient, type KubeError } from "../kube/KubeClient.ts"
import { type ImageObject, Images } from "../kube/Resources.ts"
import { Metrics } from "../metrics/Metrics.ts"
import type { RegistryLimits } from "../registry/limits/RegistryLimits.ts"
import type { RegistryClient } from "../registry/RegistryClient.ts"
import * as CopyMeter from "./CopyMeter.ts"
import { DestinationClaims } from "./DestinationClaims.ts"
import { ImageEvents } from "./events/ImageEvents.ts"
import * as Gather from "./gather.ts"
import { ImageMemory } from "./ImageMemory.ts"
import { OutcomeListener } from "./Outcomes.ts"
import * as Log from "./reconcileLog.ts"

/** Why a reconcile could not read or write. The reconcile is retried. */
export type ReconcileError = KubeError | CopyEngineError

/** A change came before a decision, and nothing was done. */
export interface Superseded {
  readonly _tag: "Superseded"
  readonly why: "Changed"
}

/** The outcome of a reconcile. */
export interface Reconciled {
  /** When to reconcile again, unless the Image or one of its copies changes before. */
  readonly next: NextCheck | Superseded
  /** The Image that the API server answered with, if the status was written. */
  readonly written: Option.Option<ImageObject>
}

/** The field manager that owns the fields of an Image's status. */
export const FIELD_MANAGER = "skopeo-operator"

/**
 * Reconciles one Image at a time. A caller must not reconcile the same Image twice at once. `Controller.layer()` does this for all
 * Images of an `ImageStore`.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Images, KubeClient, readStoredImage, Reconciler } from "skopeo-operator"
 *
 * const once = Effect.gen(function* () {
 *   const kube = yield* KubeClient
 *   const { reconcile } = yield* Reconciler
 *   const { items } = yield* kube.list(Images, { namespace: "team-a" })
 *   return yield* Effect.forEach(items, (image) => reconcile(readStoredImage(image)))
 * })
 * ```
 */
export class Reconciler extends Context.Service<
  Reconciler,
  {
    /**
     * Checks an Image if a check is due, starts and cancels copies, and writes the status. Gives the time of the next
     * reconcile. Fails with `KubeError` or `CopyEngineError`; the caller retries later. A registry's failure is no error: it is
     * a condition of the Image.
     *
     * `changed` completes when the Image has changed. A running check is then ended, because it may take minutes. A decision
     * that is made is always carried out.
     */
    readonly reconcile: (image: StoredImage, changed?: Effect.Effect<void>) => Effect.Effect<Reconciled, ReconcileError>
    /** Cancels the copies of a deleted Image. Copied tags stay. Fails with `CopyEngineError`. */
    readonly removed: (key: ImageKey) => Effect.Effect<void, ReconcileError>
  }
>()("skopeo-operator/controller/Reconciler") {
  /** The reconciler, with an empty memory of Images. */
  static readonly layer: Layer.Layer<
    Reconciler,
    never,
    | KubeClient
    | RegistryClient
    | RegistryLimits
    | CopyEngine
    | Credentials
    | Policy
    | Metrics
    | DestinationClaims
    | ImageEvents
  > = Layer.effect(
    Reconciler,
    Effect.suspend(() => make)
  )
}

/** The status that the API server has, and the resource version of the Image with that status. */
type StoredStatus = Pick<StoredImage, "resourceVersion" | "status">

const SUPERSEDED: Superseded = { _tag: "Superseded", why: "Changed" }

/** The most attempts to write a decision while other clients write the Image. */
const WRITES = 5

/** A decision that was carried out, with its outcome. */
interface Done {
  readonly decision: Decision
  readonly written: Option.Option<ImageObject>
  /** The version of the Image that has the decision's status. */
  readonly resourceVersion: string
  /** Copies that the engine refused to start. */
  readonly refused: ReadonlyArray<Copy>
}

const make = Effect.gen(function* () {
  const kube = yield* KubeClient
  const engine = yield* CopyEngine
  const metrics = yield* Metrics
  const meter = CopyMeter.make(engine, metrics)
  const memory = new ImageMemory()
  const claims = yield* DestinationClaims
  const events = yield* ImageEvents
  const listen = yield* OutcomeListener
  const gather = yield* Gather.make({ claims, memory, supports: engine.supports })

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

  /**
   * Remembers the facts of a check until the next reconcile. Without a check the memory stays as it is. A check that will be
   * resumed keeps its answers and its position.
   */
  const remember = (image: StoredImage, gathered: Gathered, { observed, status }: Decision): void => {
    if (gathered._tag === "Unobserved" && !gathered.mirror.suspend) return
    if (observed === undefined) {
      const isResumed = status.checkFailure !== undefined && gathered._tag !== "Invalid" && !gathered.mirror.suspend
      if (isResumed) memory.forgetCheck(image)
      else memory.forget(image)
    } else if (gathered._tag === "Observed") memory.checked(image, { observed, warnings: gathered.warnings ?? [] })
    else memory.updated(image, observed)
  }

  /** Counts and logs a finished copy after its outcome was written to the status. Then the engine may forget the copy. */
  const recordEnd = Effect.fnUntraced(function* (copy: Copy, before: ImageStatus) {
    meter.ended(copy)
    if (arrivedDigest(copy) !== undefined) memory.arrived(copy)
    yield* Log.copyEnded(copy, before)
    yield* engine.release(copy)
  })

  /** Starts a copy that does not run yet. Gives a copy that the engine refuses as a failed copy. */
  const start = (image: StoredImage, task: CopyTask): Effect.Effect<ReadonlyArray<Copy>, CopyEngineError> =>
    Effect.gen(function* () {
      if (!(yield* engine.start(task))) return []
      meter.started(task, labelOf(image), yield* Clock.currentTimeMillis)
      return []
    }).pipe(
      Effect.catchTag("CopyRefused", ({ message, reason }) =>
        Effect.map(Clock.currentTimeMillis, (at): ReadonlyArray<Copy> => [
          { ...task, id: `refused-${at}`, state: { _tag: "Failed", at, reason, message } }
        ])
      )
    )

  /**
   * The one exit of a reconcile. The status is written before Events are reported, before finished copies are released, and
   * before copies start. After a crash between two steps, the next operator learns the rest from the registries.
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
    // A status that needs no write is the stored status, whose transitions were reported after its write.
    if (Option.isSome(written)) yield* events.report(image, eventsOf(stored.status, status, own(image, release)))
    remember(image, gathered, decision)
    yield* Effect.forEach(release, (copy) => recordEnd(copy, stored.status), { discard: true })
    if (engine.prune !== undefined) yield* engine.prune(image, image.uid)
    if (gathered.copies.length === cancel.length + release.length) meter.settled(image)
    const refused = yield* Effect.forEach(decision.start, (task) => start(image, task))
    const resourceVersion = Option.getOrUndefined(written)?.metadata.resourceVersion ?? stored.resourceVersion
    return { written, resourceVersion, refused: refused.flat() }
  })

  /**
   * Decides and acts. If another client wrote only the Image's metadata meanwhile, the same facts are decided on again. Other
   * clients may write labels at any rate, and the result of a check must not be lost.
   */
  const carryOut = (
    image: StoredImage,
    stored: StoredStatus & ImageHeader,
    gathered: Gathered,
    now: number,
    attempts = WRITES
  ): Effect.Effect<Done, ReconcileError> =>
    Effect.sync(() => decide(stored, gathered, now)).pipe(
      Effect.tap(({ cancel, release, start }) =>
        Effect.annotateCurrentSpan({ cancelled: cancel.length, ended: release.length, started: start.length })
      ),
      Effect.withSpan("decide", {}, { captureStackTrace: false }),
      Effect.flatMap((decision) =>
        Effect.map(act(image, stored, gathered, decision), (done) => ({ ...done, decision }))
      ),
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

  /**
   * The newest version of an Image. None if the Image, its spec, its request or its status has changed: then the facts are
   * gathered again.
   */
  const newestVersion = Effect.fnUntraced(function* (image: StoredImage) {
    const { generation, name, namespace, requestedAt, status, uid } = image
    const isSame = (stored: StoredImage): boolean =>
      stored.uid === uid &&
      stored.generation === generation &&
      stored.requestedAt === requestedAt &&
      !stored.isDeleting &&
      sameStatus(stored.status, status)
    const object = yield* kube.get(Images, { name, namespace })
    return Option.map(object, (found) => readStoredImage(found)).pipe(Option.filter(isSame))
  })

  /** The copies of an Image. A copy that no check would keep is cancelled before the check, which may take minutes. */
  const copiesOf = Effect.fnUntraced(function* (image: StoredImage) {
    const copies = yield* engine.copies(image)
    if (image._tag === "Unreadable" || image.mirror.suspend) return copies
    const obsolete = obsoleteCopies(image, image.mirror, copies)
    yield* Effect.forEach(obsolete, engine.cancel, { discard: true })
    return copies.filter((copy) => !obsolete.includes(copy))
  })

  const reconcile = Effect.fnUntraced(function* (
    image: StoredImage,
    changed: Effect.Effect<void>
  ): Effect.fn.Return<Reconciled, ReconcileError> {
    const gathered = yield* Effect.raceFirst(
      Effect.asSome(gather(image, yield* copiesOf(image))),
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
    // A check may take longer than the pause after it.
    const now = yield* Clock.currentTimeMillis
    if (gathered._tag === "Blocked") yield* Log.checkFailed(image, gathered.failure, now)
    const { decision, refused, resourceVersion, written } = yield* carryOut(image, image, gathered, now)
    yield* listen(image, { uid: image.uid, gathered, ended: decision.release, refused })
    if (refused.length === 0) return { next: decision.next, written }
    // The refused copies are facts for one more decision, which changes the status only.
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
        Effect.annotateLogs({ image: keyOf(image) }),
        Effect.withSpan(
          "reconcile",
          { attributes: { image: keyOf(image), uid: image.uid, generation: image.generation } },
          { captureStackTrace: false }
        )
      ),
    removed: Effect.fn("Reconciler.removed")(function* (key) {
      memory.forget(key)
      meter.removed(key)
      const copies = yield* engine.copies(key)
      yield* Effect.forEach(copies, (copy) => (isFinished(copy) ? engine.release(copy) : engine.cancel(copy)), {
        discard: true
      })
      if (engine.prune !== undefined) yield* engine.prune(key)
    })
  })
})

/** The copies without those for an earlier Image of the same name. */
const own = ({ uid }: StoredImage, copies: ReadonlyArray<Copy>): ReadonlyArray<Copy> =>
  copies.filter(({ image }) => image.uid === uid)

/** The label of an Image's copies in the metrics. */
const labelOf = (image: StoredImage): string =>
  image._tag === "Unreadable" ? "" : `${image.spec.source.name}:${image.spec.source.version}`
