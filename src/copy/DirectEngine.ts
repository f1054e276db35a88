/** Copies in this process, from registry to registry, streaming. */
import { Cause, Clock, Effect, Exit, FiberMap, Layer, Option, PubSub, RcMap, Semaphore, Stream } from "effect"
import { accessOf } from "../credentials/access.ts"
import { CredentialError, Credentials } from "../credentials/Credentials.ts"
import { type Copy, type CopyState, type CopyTask, destinationOf, progressOf } from "../domain/Copy.ts"
import { formatReference } from "../oci/Reference.ts"
import { RegistryLimits, RequestedFor } from "../registry/limits/RegistryLimits.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import type { RegistryError } from "../registry/RegistryError.ts"
import { CopyEngine, CopyRefused, type ImageKey } from "./CopyEngine.ts"
import { copyImage } from "./copyImage.ts"
import { CopyLimits } from "./CopyLimits.ts"
import { KnownBlobs } from "./KnownBlobs.ts"

const make = Effect.gen(function* () {
  const client = yield* RegistryClient
  const credentials = yield* Credentials
  const limits = yield* CopyLimits
  const registryLimits = yield* RegistryLimits
  const known = yield* KnownBlobs
  const turns = yield* RcMap.make({ lookup: (_registry: string) => Semaphore.make(1) })
  const changes = yield* PubSub.unbounded<ImageKey>()
  const fibers = yield* FiberMap.make<string, void, never>()
  /** By destination: there is never more than one copy to a tag. */
  const copies = new Map<string, Copy>()
  let started = 0

  const keyOf = (task: CopyTask): string => formatReference(destinationOf(task))

  const put = (copy: Copy, state: CopyState): Copy => {
    const next = { ...copy, state }
    copies.set(keyOf(copy), next)
    return next
  }

  /** Where pulls are counted, the manifests of one image are read before those of the next: few pulls make whole copies. */
  const inTurn =
    (source: RepositoryAccess) =>
    <A, E, R>(reading: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.flatMap(registryLimits.allowance(source), ({ metered }) =>
        metered
          ? Effect.scoped(
              Effect.flatMap(RcMap.get(turns, source.repository.registry), (turn) => turn.withPermit(reading))
            )
          : reading
      )

  const run = (copy: Copy): Effect.Effect<void> =>
    Effect.flatMap(accessOf(credentials, copy), ({ destination, source }) =>
      copyImage({
        source,
        digest: copy.digest,
        platforms: copy.platforms,
        referrers: copy.referrers,
        destination,
        ...(copy.missing === undefined ? {} : { missing: copy.missing }),
        tag: copy.tag,
        onlyIfMissing: copy.onlyIfMissing,
        whileReading: inTurn(source),
        onProgress: (progress) => put(copy, { _tag: "Running", progress })
      })
    ).pipe(
      (copying) =>
        Effect.andThen(
          Effect.sync(() => put(copy, { _tag: "Running" })),
          copying
        ),
      limits.withRoom(copy),
      Effect.provideService(RegistryClient, client),
      Effect.provideService(KnownBlobs, known),
      Effect.provideService(RequestedFor, copy.image.namespace),
      Effect.exit,
      Effect.flatMap((exit) =>
        Effect.gen(function* () {
          const at = yield* Clock.currentTimeMillis
          const progress = progressOf(copies.get(keyOf(copy)) ?? copy)
          const moved = progress === undefined ? {} : { progress }
          put(
            copy,
            Exit.match(exit, {
              onSuccess: Option.match({
                onNone: (): CopyState => ({ _tag: "Succeeded", at, ...moved }),
                onSome: (digest): CopyState => ({ _tag: "Present", at, digest, ...moved })
              }),
              onFailure: (cause): CopyState => ({ _tag: "Failed", at, ...moved, ...failureOf(cause, at) })
            })
          )
          yield* PubSub.publish(changes, copy.image)
        })
      )
    )

  return CopyEngine.of({
    supports: { platforms: true, referrers: true, manifests: true },

    start: Effect.fnUntraced(function* (task) {
      const key = keyOf(task)
      const known = copies.get(key)
      // A copy that has ended since its Image was looked at is news, not a place that is free.
      if (known !== undefined) {
        if (known.image.uid === task.image.uid) return false
        return yield* new CopyRefused({
          reason: "DestinationBusy",
          detail: `${key} is being written for Image ${known.image.namespace}/${known.image.name}`
        })
      }
      started += 1
      const now = yield* Clock.currentTimeMillis
      const copy: Copy = { ...task, id: `${now}-${started}`, state: { _tag: "Waiting", reason: limits.reason } }
      copies.set(key, copy)
      yield* FiberMap.run(fibers, key, run(copy))
      return true
    }),

    copies: (image) =>
      Effect.sync(() =>
        [...copies.values()].filter(
          (copy) => copy.image.namespace === image.namespace && copy.image.name === image.name
        )
      ),

    cancel: (copy) =>
      Effect.suspend(() => {
        const key = keyOf(copy)
        if (copies.get(key)?.id !== copy.id) return Effect.void
        // Forgotten before it is said: whoever hears of it looks at once.
        return FiberMap.remove(fibers, key).pipe(
          Effect.andThen(
            Effect.sync(() => {
              copies.delete(key)
            })
          ),
          Effect.andThen(PubSub.publish(changes, copy.image)),
          Effect.asVoid
        )
      }),

    release: (copy) =>
      Effect.sync(() => {
        if (copies.get(keyOf(copy))?.id === copy.id) copies.delete(keyOf(copy))
      }),

    changes: Stream.fromPubSub(changes)
  })
})

const failureOf = (
  cause: Cause.Cause<RegistryError | CredentialError>,
  now: number
): Omit<Extract<CopyState, { readonly _tag: "Failed" }>, "_tag" | "at"> => {
  const failure = cause.reasons.find(Cause.isFailReason)?.error
  if (failure === undefined) return { reason: "CopyFailed", message: Cause.pretty(cause).split("\n")[0] ?? "" }
  if (failure instanceof CredentialError) return { reason: failure.reason, message: failure.message }
  const { message, reason, side, until } = failure
  return {
    reason: reason._tag === "NotFound" ? (side === "source" ? "SourceNotFound" : "DestinationNotFound") : reason._tag,
    message,
    ...(until === undefined ? {} : { retryAfterMillis: until - now })
  }
}

/** Copies end when the layer's scope closes; none leaves a half-written tag. */
export const layer: Layer.Layer<CopyEngine, never, RegistryClient | RegistryLimits | Credentials | CopyLimits> =
  Layer.effect(CopyEngine, make).pipe(Layer.provide(KnownBlobs.layer))
