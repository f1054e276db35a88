/** The engine that copies in this process. Blobs are streamed from registry to registry. */
import {
  Cause,
  Clock,
  Data,
  Duration,
  Effect,
  Exit,
  FiberMap,
  Layer,
  PubSub,
  RcMap,
  Semaphore,
  Stream,
  type Tracer
} from "effect"
import { accessOf } from "../credentials/access.ts"
import { CredentialError, Credentials } from "../credentials/Credentials.ts"
import { Policy, PolicyRefused } from "../credentials/Policy.ts"
import { type Copy, type CopyState, progressOf } from "../domain/Copy.ts"
import { keyOf as imageKeyOf, type ImageKey } from "../domain/ImageKey.ts"
import { RegistryLimits, RequestedFor } from "../registry/limits/RegistryLimits.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import type { RegistryError } from "../registry/RegistryError.ts"
import { logStarted, requestingSpan, spanOf } from "./attributes.ts"
import { BlobPlacement } from "./BlobPlacement.ts"
import { CopyBoard, keyOf } from "./CopyBoard.ts"
import { CopyEngine, CopyRefused, type EngineSupport } from "./CopyEngine.ts"
import { copyImage, type Tagged } from "./copyImage.ts"
import { CopyLimits } from "./CopyLimits.ts"
import type { CompanionClaimed } from "./copyReferrers.ts"
import { reasonOf } from "./reasonOf.ts"

/** The abilities of this engine. */
export const SUPPORT: EngineSupport = { platforms: true, referrers: true, manifests: true }

/** The default deadline. A copy that continues a failed copy does not send the blobs that have arrived. */
const DEADLINE_SECONDS = 6 * 3_600

class DeadlineExceeded extends Data.TaggedError("DeadlineExceeded")<{ readonly deadline: Duration.Duration }> {}

/** Why a copy fails. */
type CopyFailure = RegistryError | CompanionClaimed | CredentialError | PolicyRefused | DeadlineExceeded

const make = Effect.gen(function* () {
  const client = yield* RegistryClient
  const services = { credentials: yield* Credentials, policy: yield* Policy }
  const limits = yield* CopyLimits
  const registryLimits = yield* RegistryLimits
  const blobs = yield* BlobPlacement
  /** For each registry that counts pulls: the permit to read the manifests of one image. */
  const manifestReaders = yield* RcMap.make({ lookup: (_registry: string) => Semaphore.make(1) })
  const changes = yield* PubSub.unbounded<ImageKey>()
  const fibers = yield* FiberMap.make<string, void, never>()
  const board = new CopyBoard(limits)
  /** The spans that requested the waiting copies, by the key of the copy. */
  const requesters = new Map<string, Tracer.Span>()

  /**
   * Reads the manifests of one image after the other if the registry counts pulls, so that the remaining pulls suffice for
   * whole copies.
   */
  const readOneImageAtATime =
    (source: RepositoryAccess) =>
    <A, E, R>(reading: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.flatMap(registryLimits.allowance(source), ({ metered }) =>
        metered
          ? Effect.scoped(
              Effect.flatMap(RcMap.get(manifestReaders, source.repository.registry), (reader) =>
                reader.withPermit(reading)
              )
            )
          : reading
      )

  const copyOnce = Effect.fnUntraced(function* (copy: Copy) {
    const { destination, source } = yield* accessOf(services, copy)
    return yield* copyImage(
      { client, blobs },
      {
        source,
        digest: copy.digest,
        platforms: copy.platforms,
        referrers: copy.referrers,
        ...(copy.companionOwner === undefined ? {} : { companionOwner: copy.companionOwner }),
        destination,
        ...(copy.missing === undefined ? {} : { missing: copy.missing }),
        tag: copy.tag,
        onlyIfMissing: copy.onlyIfMissing,
        whileReading: readOneImageAtATime(source),
        isShared: ({ digest }) => !board.countBlob(copy, digest),
        onProgress: (progress) => board.change(copy, { _tag: "Running", progress })
      }
    )
  })

  /** Records the outcome of a copy, and starts the next copies. */
  const end = Effect.fnUntraced(function* (copy: Copy, exit: Exit.Exit<Tagged, CopyFailure>) {
    const at = yield* Clock.currentTimeMillis
    const progress = progressOf(board.at(copy) ?? copy)
    const moved = progress === undefined ? {} : { progress }
    const state = Exit.match(exit, {
      onSuccess: ({ _tag, digest }): CopyState => {
        if (_tag === "Present") return { _tag, at, digest, ...moved }
        return { _tag: "Succeeded", at, ...(digest === copy.destinationDigest ? {} : { digest }), ...moved }
      },
      onFailure: (cause): CopyState => ({ _tag: "Failed", at, ...moved, ...failureOf(cause) })
    })
    board.change(copy, state)
    yield* announce([copy, ...(yield* beginNext)])
  }, Effect.uninterruptible)

  const deadline = Duration.seconds(limits.deadlineSeconds ?? DEADLINE_SECONDS)

  const run = (copy: Copy, requester: Tracer.Span | undefined): Effect.Effect<void> =>
    copyOnce(copy).pipe(
      Effect.timeoutOrElse({ duration: deadline, orElse: () => Effect.fail(new DeadlineExceeded({ deadline })) }),
      Effect.provideService(RequestedFor, copy.image.namespace),
      Effect.tap(({ _tag }) => Effect.annotateCurrentSpan("outcome", _tag === "Present" ? _tag : "Succeeded")),
      Effect.withSpan("copy", spanOf(copy, copy.id, requester), { captureStackTrace: false }),
      Effect.annotateLogs({ image: imageKeyOf(copy.image), tag: copy.tag }),
      Effect.exit,
      Effect.flatMap((exit) => end(copy, exit))
    )

  /** Starts the copies that have a free slot, and gives them. */
  const beginNext: Effect.Effect<ReadonlyArray<Copy>> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const begun = board.admit(now)
    const begin = (copy: Copy) => {
      const key = keyOf(copy)
      const requester = requesters.get(key)
      requesters.delete(key)
      return Effect.andThen(
        logStarted(copy),
        FiberMap.run(fibers, key, run(copy, requester), { startImmediately: false })
      )
    }
    return Effect.as(Effect.forEach(begun, begin, { discard: true }), begun)
  })

  /** Publishes the Images of changed copies: each once, because each time is a reconcile. */
  const announce = (changed: ReadonlyArray<Copy>): Effect.Effect<void> =>
    Effect.asVoid(PubSub.publishAll(changes, new Map(changed.map(({ image }) => [imageKeyOf(image), image])).values()))

  return CopyEngine.of({
    supports: SUPPORT,

    start: Effect.fn("DirectEngine.start")(function* (task) {
      const now = yield* Clock.currentTimeMillis
      const requester = yield* requestingSpan
      // No other fiber runs between here and `add`.
      const other = board.at(task)
      // A finished copy keeps its tag until its outcome is recorded.
      if (other !== undefined) {
        if (other.image.uid === task.image.uid) return false
        return yield* new CopyRefused({
          reason: "DestinationBusy",
          detail: `${keyOf(task)} is being written for Image ${imageKeyOf(other.image)}`
        })
      }
      board.add(task, now)
      if (requester !== undefined) requesters.set(keyOf(task), requester)
      // Only the new copy can begin now.
      yield* beginNext
      if (board.at(task)?.state._tag === "Waiting") yield* PubSub.publish(changes, task.image)
      return true
    }, Effect.uninterruptible),

    copies: Effect.fn("DirectEngine.copies")((image) => Effect.sync(() => board.of(image))),

    begun: Effect.sync(() => board.begun()),

    cancel: Effect.fn("DirectEngine.cancel")(function* (copy) {
      // A waiting copy has no fiber.
      if (board.at(copy)?.state._tag !== "Waiting" && board.has(copy)) yield* FiberMap.remove(fibers, keyOf(copy))
      // Another call may have removed the copy meanwhile.
      if (!board.has(copy)) return
      // The copy is removed before its Image is published, because the Image is reconciled at once.
      board.remove(copy)
      requesters.delete(keyOf(copy))
      yield* announce([copy, ...(yield* beginNext)])
    }, Effect.uninterruptible),

    release: Effect.fn("DirectEngine.release")((copy) => Effect.sync(() => board.remove(copy))),

    changes: Stream.fromPubSub(changes)
  })
})

const failureOf = (
  cause: Cause.Cause<CopyFailure>
): Omit<Extract<CopyState, { readonly _tag: "Failed" }>, "_tag" | "at"> => {
  const failure = cause.reasons.find(Cause.isFailReason)?.error
  if (failure === undefined) return { reason: "CopyFailed", message: Cause.pretty(cause).split("\n")[0] ?? "" }
  if (failure instanceof CredentialError || failure instanceof PolicyRefused)
    return { reason: failure.reason, message: failure.message }
  if (failure instanceof DeadlineExceeded) {
    return { reason: "DeadlineExceeded", message: `the copy has not ended after ${Duration.format(failure.deadline)}` }
  }
  const { message } = failure
  if (failure._tag === "CompanionClaimed") return { reason: "DestinationClaimed", message }
  const { until } = failure
  return {
    reason: reasonOf(failure),
    message,
    ...(until === undefined ? {} : { until })
  }
}

/**
 * Copies in this process. Running copies are interrupted when the layer's scope closes; no tag is written afterwards.
 *
 * @example
 * ```ts
 * import { Layer } from "effect"
 * import { CopyLimits, Credentials, DirectEngine, Policy, RegistryClientHttp } from "skopeo-operator"
 *
 * const live = DirectEngine.layer.pipe(
 *   Layer.provide([RegistryClientHttp.layer(), Credentials.layerAnonymous, Policy.layerNone, CopyLimits.layer({ total: 4 })])
 * )
 * ```
 */
export const layer: Layer.Layer<
  CopyEngine,
  never,
  RegistryClient | RegistryLimits | Credentials | Policy | CopyLimits
> = Layer.effect(CopyEngine, make).pipe(Layer.provide(BlobPlacement.layer))
