/** The engine that copies in this process. Blobs are streamed from registry to registry. */
import { Cause, Clock, Data, Duration, Effect, Exit, FiberMap, Layer, PubSub, RcMap, Semaphore, Stream } from "effect"
import { accessOf } from "../credentials/access.ts"
import { CredentialError, Credentials } from "../credentials/Credentials.ts"
import { type Copy, type CopyState, type CopyTask, destinationOf, progressOf } from "../domain/Copy.ts"
import { keyOf as imageKeyOf, type ImageKey } from "../domain/ImageKey.ts"
import { formatReference } from "../oci/Reference.ts"
import { RegistryLimits, RequestedFor } from "../registry/limits/RegistryLimits.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import type { RegistryError } from "../registry/RegistryError.ts"
import { spanOf } from "./attributes.ts"
import { BlobPlacement } from "./BlobPlacement.ts"
import { CopyEngine, CopyRefused } from "./CopyEngine.ts"
import { copyImage, type Tagged } from "./copyImage.ts"
import { admit, type Claim, claimOf, CopyLimits, describeWait, enqueue, NONE_WAITING, withdraw } from "./CopyLimits.ts"
import { reasonOf } from "./reasonOf.ts"

/** The default deadline. A copy that continues a failed copy does not send the blobs that have arrived. */
const DEADLINE_SECONDS = 6 * 3_600

class DeadlineExceeded extends Data.TaggedError("DeadlineExceeded")<{ readonly deadline: Duration.Duration }> {}

/** Why a copy fails. */
type CopyFailure = RegistryError | CredentialError | DeadlineExceeded

/** A copy's key: its destination. No two copies write the same tag. */
const keyOf = (task: CopyTask): string => formatReference(destinationOf(task))

const make = Effect.gen(function* () {
  const client = yield* RegistryClient
  const credentials = yield* Credentials
  const limits = yield* CopyLimits
  const registryLimits = yield* RegistryLimits
  const blobs = yield* BlobPlacement
  /** For each registry that counts pulls: the permit to read the manifests of one image. */
  const manifestReaders = yield* RcMap.make({ lookup: (_registry: string) => Semaphore.make(1) })
  const changes = yield* PubSub.unbounded<ImageKey>()
  const fibers = yield* FiberMap.make<string, void, never>()
  const copies = new Map<string, Copy>()
  /** The same copies by Image. */
  const copiesOf = new Map<string, Map<string, Copy>>()
  let waiting = NONE_WAITING
  /** The claims that wait, by the copy's key. */
  const queued = new Map<string, Claim>()
  const running = new Map<string, Claim>()
  let started = 0

  const put = (copy: Copy): void => {
    const image = imageKeyOf(copy.image)
    const own = copiesOf.get(image) ?? new Map<string, Copy>()
    copiesOf.set(image, own)
    copies.set(keyOf(copy), copy)
    own.set(keyOf(copy), copy)
  }

  const drop = (copy: Copy): void => {
    const image = imageKeyOf(copy.image)
    copies.delete(keyOf(copy))
    copiesOf.get(image)?.delete(keyOf(copy))
    if (copiesOf.get(image)?.size === 0) copiesOf.delete(image)
  }

  const isCurrent = (copy: Copy): boolean => copies.get(keyOf(copy))?.id === copy.id

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
    const { destination, source } = yield* accessOf(credentials, copy)
    return yield* copyImage(
      { client, blobs },
      {
        source,
        digest: copy.digest,
        platforms: copy.platforms,
        referrers: copy.referrers,
        destination,
        ...(copy.missing === undefined ? {} : { missing: copy.missing }),
        tag: copy.tag,
        onlyIfMissing: copy.onlyIfMissing,
        whileReading: readOneImageAtATime(source),
        onProgress: (progress) => put({ ...copy, state: { _tag: "Running", progress } })
      }
    )
  })

  /** Records the outcome of a copy, and starts the next copies. */
  const end = Effect.fnUntraced(function* (copy: Copy, exit: Exit.Exit<Tagged, CopyFailure>) {
    const at = yield* Clock.currentTimeMillis
    const progress = progressOf(copies.get(keyOf(copy)) ?? copy)
    const moved = progress === undefined ? {} : { progress }
    const state = Exit.match(exit, {
      onSuccess: ({ _tag, digest }): CopyState => {
        if (_tag === "Present") return { _tag, at, digest, ...moved }
        return { _tag: "Succeeded", at, ...(digest === copy.destinationDigest ? {} : { digest }), ...moved }
      },
      onFailure: (cause): CopyState => ({ _tag: "Failed", at, ...moved, ...failureOf(cause) })
    })
    put({ ...copy, state })
    running.delete(keyOf(copy))
    yield* announce([copy, ...(yield* beginNext)])
  }, Effect.uninterruptible)

  const deadline = Duration.seconds(limits.deadlineSeconds ?? DEADLINE_SECONDS)

  const run = (copy: Copy): Effect.Effect<void> =>
    copyOnce(copy).pipe(
      Effect.timeoutOrElse({ duration: deadline, orElse: () => Effect.fail(new DeadlineExceeded({ deadline })) }),
      Effect.provideService(RequestedFor, copy.image.namespace),
      Effect.tap(({ _tag }) => Effect.annotateCurrentSpan("outcome", _tag === "Present" ? _tag : "Succeeded")),
      Effect.withSpan("copy", spanOf(copy, copy.id), { captureStackTrace: false }),
      Effect.annotateLogs({ image: imageKeyOf(copy.image), tag: copy.tag }),
      Effect.exit,
      Effect.flatMap((exit) => end(copy, exit))
    )

  /** Starts the copies that have a free slot, and gives them. */
  const beginNext: Effect.Effect<ReadonlyArray<Copy>> = Effect.suspend(() => {
    const { admitted, waiting: rest } = admit(waiting, running.values(), limits)
    waiting = rest
    for (const claim of admitted) {
      queued.delete(claim.key)
      running.set(claim.key, claim)
    }
    const begun = admitted.flatMap(({ key }): ReadonlyArray<Copy> => {
      const copy = copies.get(key)
      return copy === undefined ? [] : [{ ...copy, state: { _tag: "Running" } }]
    })
    begun.forEach(put)
    return Effect.as(
      Effect.forEach(begun, (copy) => FiberMap.run(fibers, keyOf(copy), run(copy), { startImmediately: false }), {
        discard: true
      }),
      begun
    )
  })

  /** Publishes the Images of changed copies: each once, because each time is a reconcile. */
  const announce = (changed: ReadonlyArray<Copy>): Effect.Effect<void> =>
    Effect.asVoid(PubSub.publishAll(changes, new Map(changed.map(({ image }) => [imageKeyOf(image), image])).values()))

  return CopyEngine.of({
    supports: { platforms: true, referrers: true, manifests: true },

    start: Effect.fn("DirectEngine.start")(function* (task) {
      const now = yield* Clock.currentTimeMillis
      // No other fiber runs between here and `enqueue`.
      const key = keyOf(task)
      const other = copies.get(key)
      // A finished copy keeps its tag until its outcome is recorded.
      if (other !== undefined) {
        if (other.image.uid === task.image.uid) return false
        return yield* new CopyRefused({
          reason: "DestinationBusy",
          detail: `${key} is being written for Image ${imageKeyOf(other.image)}`
        })
      }
      started += 1
      const order = started
      put({ ...task, id: `${now}-${order}`, state: { _tag: "Waiting", reason: describeWait(limits) } })
      const claim = claimOf(key, order, task)
      queued.set(key, claim)
      waiting = enqueue(waiting, claim)
      // Only the new copy can begin now.
      yield* beginNext
      if (copies.get(key)?.state._tag === "Waiting") yield* PubSub.publish(changes, task.image)
      return true
    }, Effect.uninterruptible),

    copies: Effect.fn("DirectEngine.copies")((image) =>
      Effect.sync(() => Array.from(copiesOf.get(imageKeyOf(image))?.values() ?? []))
    ),

    cancel: Effect.fn("DirectEngine.cancel")(function* (copy) {
      if (!isCurrent(copy)) return
      const key = keyOf(copy)
      const claim = queued.get(key)
      if (claim !== undefined) waiting = withdraw(waiting, claim)
      queued.delete(key)
      yield* FiberMap.remove(fibers, key)
      // Another call may have removed the copy meanwhile.
      if (!isCurrent(copy)) return
      // The copy is dropped before its Image is published, because the Image is reconciled at once.
      drop(copy)
      running.delete(key)
      yield* announce([copy, ...(yield* beginNext)])
    }, Effect.uninterruptible),

    release: Effect.fn("DirectEngine.release")((copy) =>
      Effect.sync(() => {
        if (isCurrent(copy)) drop(copy)
      })
    ),

    changes: Stream.fromPubSub(changes)
  })
})

const failureOf = (
  cause: Cause.Cause<CopyFailure>
): Omit<Extract<CopyState, { readonly _tag: "Failed" }>, "_tag" | "at"> => {
  const failure = cause.reasons.find(Cause.isFailReason)?.error
  if (failure === undefined) return { reason: "CopyFailed", message: Cause.pretty(cause).split("\n")[0] ?? "" }
  if (failure instanceof CredentialError) return { reason: failure.reason, message: failure.message }
  if (failure instanceof DeadlineExceeded) {
    return { reason: "DeadlineExceeded", message: `the copy has not ended after ${Duration.format(failure.deadline)}` }
  }
  const { message, until } = failure
  return {
    reason: reasonOf(failure),
    message,
    ...(until === undefined ? {} : { until })
  }
}

/** Copies in this process. Running copies are interrupted when the layer's scope closes; no tag is written afterwards. */
export const layer: Layer.Layer<CopyEngine, never, RegistryClient | RegistryLimits | Credentials | CopyLimits> =
  Layer.effect(CopyEngine, make).pipe(Layer.provide(BlobPlacement.layer))
