/** Waits until the operator has made the checks that a user asked for. */
import { Deferred, type Duration, Effect, Option, Stream } from "effect"
import type { ImageStatus } from "../../domain/Image.ts"
import { isSettled } from "../../domain/settled.ts"
import { readStoredImage, type StoredImage } from "../../domain/StoredImage.ts"
import type { KubeClient, KubeError, ListScope } from "../../kube/KubeClient.ts"
import { listWatchAs } from "../../kube/ListWatch.ts"
import { keyOf } from "../../kube/Resource.ts"
import { Images } from "../../kube/Resources.ts"
import type { CommandFailure } from "../CommandFailure.ts"
import type { ClusterImage } from "./ClusterImage.ts"
import { failureOf } from "./refusals.ts"

/** An Image whose check was asked for. */
export interface Requested {
  /** The Image with the request. */
  readonly image: ClusterImage
  readonly requestedAt: string
  /** The request that the status had answered before. */
  readonly answeredBefore: string
}

/** The end of the wait for an Image. */
export type Outcome =
  | { readonly _tag: "Handled"; readonly status: ImageStatus }
  | { readonly _tag: "Deleted" }
  /** The time is over. `isAnswered`: the check is made, and its copies have not ended. */
  | { readonly _tag: "Late"; readonly isAnswered: boolean; readonly status: ImageStatus }

/**
 * Waits until all checks are made and their copies have ended. `report` is called for each Image as soon as its wait ends. Fails if
 * the API server forbids to watch Images.
 */
export const awaitHandled = Effect.fnUntraced(function* <E, R>(
  requested: ReadonlyArray<Requested>,
  timeout: Duration.Duration,
  report: (requested: Requested, outcome: Outcome) => Effect.Effect<void, E, R>
): Effect.fn.Return<ReadonlyArray<Outcome>, E | CommandFailure, R | KubeClient> {
  const open = new Map(requested.map((one) => [keyOf(one.image.metadata), one]))
  const newest = new Map<string, StoredImage>()
  const outcomes: Array<Outcome> = []
  const forbidden = yield* Deferred.make<never, KubeError>()

  const end = (key: string, one: Requested, outcome: Outcome) => {
    open.delete(key)
    outcomes.push(outcome)
    return report(one, outcome)
  }
  const look = (image: StoredImage) => {
    const key = keyOf(image)
    const one = open.get(key)
    if (one === undefined) return Effect.void
    if (image.uid !== one.image.metadata.uid) return end(key, one, { _tag: "Deleted" })
    newest.set(key, image)
    return isAnswered(one, image) && isSettled(image)
      ? end(key, one, { _tag: "Handled", status: image.status })
      : Effect.void
  }
  const lose = (isLost: (key: string) => boolean) =>
    Effect.forEach(
      [...open].filter(([key]) => isLost(key)),
      ([key, one]) => end(key, one, { _tag: "Deleted" }),
      { discard: true }
    )

  const changes = listWatchAs(
    Images,
    scopeOf(requested),
    (object) => readStoredImage(object),
    (failure) => {
      const refusal = Option.filter(failure, ({ code }) => code === 403)
      if (Option.isSome(refusal)) Deferred.doneUnsafe(forbidden, Effect.fail(refusal.value))
    }
  ).pipe(
    Stream.mapEffect((event) => {
      switch (event._tag) {
        case "Applied":
          return look(event.object)
        case "Deleted": {
          const deleted = keyOf(event.object)
          return lose((key) => key === deleted)
        }
        case "Replaced": {
          const listed = new Set(event.objects.map(keyOf))
          return Effect.andThen(
            Effect.forEach(event.objects, look, { discard: true }),
            lose((key) => !listed.has(key))
          )
        }
      }
    }),
    Stream.takeUntil(() => open.size === 0),
    Stream.runDrain
  )
  yield* Effect.raceFirst(changes, Effect.mapError(Deferred.await(forbidden), failureOf)).pipe(
    Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.void })
  )
  yield* Effect.forEach([...open], ([key, one]) => {
    const image = newest.get(key)
    return end(key, one, {
      _tag: "Late",
      isAnswered: image !== undefined && isAnswered(one, image),
      status: image?.status ?? {}
    })
  })
  return outcomes
})

/** Whether the status answers this request, or a later one of another user. */
const isAnswered = (
  { answeredBefore, requestedAt }: Requested,
  { requestedAt: newest, status: { lastHandledReconcileAt = "" } }: StoredImage
): boolean =>
  lastHandledReconcileAt === requestedAt ||
  (lastHandledReconcileAt !== answeredBefore && lastHandledReconcileAt === newest)

/** The smallest scope that has all of the Images. */
const scopeOf = (requested: ReadonlyArray<Requested>): ListScope => {
  const namespaces = [...new Set(requested.map(({ image }) => image.metadata.namespace))]
  const [namespace] = namespaces
  if (namespaces.length !== 1 || namespace === undefined) return {}
  const [only, ...others] = requested
  return only === undefined || others.length > 0
    ? { namespace }
    : { namespace, fieldSelector: `metadata.name=${only.image.metadata.name}` }
}
