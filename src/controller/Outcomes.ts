/**
 * The outcomes of the tags of all Images, as reconciles learn them. An operator in a cluster keeps none: a pattern may have
 * thousands of tags, and their outcome is in the status. A local run keeps them for its report.
 */
import { Context, Effect, Layer, PubSub, Stream } from "effect"
import {
  type ImageOutcome,
  NO_OUTCOMES,
  type ReconcileFacts,
  type TagOutcome,
  type TagOutcomes,
  withReconcile,
  withUnrecorded
} from "../domain/Outcome.ts"
import type { Copy } from "../domain/Copy.ts"
import { conditionOf } from "../domain/Image.ts"
import { type ImageKey, keyOf } from "../domain/ImageKey.ts"
import { isReason } from "../domain/Reason.ts"
import type { StoredImage } from "../domain/StoredImage.ts"

/**
 * Called after each reconcile whose decision was carried out. `facts.ended` has the copies that have ended, each with its task and
 * its final state. The next reconcile of the Image waits for the listener, so the listener hands slow work to a fiber of its own.
 */
export type OutcomeListener = (image: ImageKey, facts: ReconcileFacts) => Effect.Effect<void>

/**
 * The listener of the reconciler, of `Local.layer` and of `Cluster.layer`. By default the facts of a reconcile are not kept.
 *
 * @example
 * ```ts
 * import { Console, Effect, Layer } from "effect"
 * import { Cluster, OutcomeListener } from "skopeo-operator"
 *
 * const notify = Layer.succeed(OutcomeListener, (_image, { ended }) =>
 *   Effect.forEach(ended, ({ state, tag }) => Console.log(tag, state._tag), { discard: true })
 * )
 *
 * const live = Cluster.layer.pipe(Layer.provide(notify))
 * ```
 */
export const OutcomeListener = Context.Reference<OutcomeListener>("skopeo-operator/controller/OutcomeListener", {
  defaultValue: () => () => Effect.void
})

/** An outcome of a tag that is new. */
export interface TagChange {
  readonly image: ImageKey
  readonly tag: TagOutcome
}

/** The outcomes of a run. The reconciler must be built over {@link Outcomes.layer}. */
export class Outcomes extends Context.Service<
  Outcomes,
  {
    /**
     * The outcome of an Image: its condition, and every tag that was selected so far. Of the copies that the engine has, the ended
     * ones count too: the controller may record their ends a moment later.
     */
    readonly of: (image: StoredImage, copies?: ReadonlyArray<Copy>) => Effect.Effect<ImageOutcome>
    /** The tags whose action changes, of all Images. A late subscriber misses earlier changes. */
    readonly changes: Stream.Stream<TagChange>
  }
>()("skopeo-operator/controller/Outcomes") {
  /** Keeps the outcomes of all Images for as long as the layer. */
  static readonly layer: Layer.Layer<Outcomes> = Layer.effectContext(Effect.suspend(() => make))

  /** Keeps no outcome, for a process that runs for ever. */
  static readonly layerNone: Layer.Layer<Outcomes> = Layer.sync(Outcomes, () => ({
    of: (image) => Effect.sync(() => imageOutcome(image, [])),
    changes: Stream.never
  }))
}

const make = Effect.gen(function* () {
  const outcomes = new Map<string, { readonly uid: string; readonly tags: TagOutcomes }>()
  const changes = yield* PubSub.unbounded<TagChange>()
  const alsoListening = yield* OutcomeListener
  const known = (image: ImageKey, uid: string): TagOutcomes => {
    const found = outcomes.get(keyOf(image))
    return found?.uid === uid ? found.tags : NO_OUTCOMES
  }
  const service = Outcomes.of({
    of: (image, copies = []) =>
      Effect.sync(() => imageOutcome(image, [...withUnrecorded(known(image, image.uid), copies).values()])),
    changes: Stream.fromPubSub(changes)
  })
  const listen: OutcomeListener = ({ name, namespace }, facts) => {
    const image = { namespace, name }
    const before = known(image, facts.uid)
    const tags = withReconcile(before, facts)
    outcomes.set(keyOf(image), { uid: facts.uid, tags })
    const changed = [...tags.values()].filter((tag) => before.get(tag.tag)?.action !== tag.action)
    return Effect.andThen(
      PubSub.publishAll(
        changes,
        changed.map((tag) => ({ image, tag }))
      ),
      alsoListening(image, facts)
    )
  }
  return Context.make(Outcomes, service).pipe(Context.add(OutcomeListener, listen))
})

const imageOutcome = (image: StoredImage, tags: ReadonlyArray<TagOutcome>): ImageOutcome => {
  const ready = conditionOf(image.status, "Ready")
  return {
    namespace: image.namespace,
    name: image.name,
    ...(image._tag === "Readable" ? { source: image.source, destination: image.destination } : {}),
    ready: ready?.status === "True",
    stalled: conditionOf(image.status, "Stalled") !== undefined,
    suspended: image._tag === "Readable" && image.spec.suspend,
    reason: ready !== undefined && isReason(ready.reason) ? ready.reason : "",
    message: ready?.message ?? "",
    tags
  }
}
