/** Copies the tags of Images once, and gives the outcome of each tag. */
import { Effect, Option, Result, Schema, Scope, Stream } from "effect"
import type { CopyEngineError } from "../copy/CopyEngine.ts"
import { checkManifest } from "../domain/checkManifest.ts"
import { GROUP, type ImageSpec, KIND, VERSION } from "../domain/Image.ts"
import { DEFAULT_NAMESPACE, type ImageKey, keyOf } from "../domain/ImageKey.ts"
import type { ImageOutcome, TagOutcome } from "../domain/Outcome.ts"
import { formatProblem } from "../domain/Problem.ts"
import { KubeClient, type KubeError } from "../kube/KubeClient.ts"
import { Images } from "../kube/Resources.ts"
import { Controller, type ControllerStopped } from "./Controller.ts"
import { ImageStore } from "./ImageStore.ts"
import { Outcomes } from "./Outcomes.ts"
import { untilFinished } from "./untilFinished.ts"

/** An Image as its manifest has it. */
export interface ImageManifest {
  readonly metadata: {
    readonly name: string
    /** Default `default`. */
    readonly namespace?: string
  }
  readonly spec: typeof ImageSpec.Encoded
}

/**
 * An element of {@link sync}:
 * - `Tag`: a tag was copied, is present, was skipped, or failed
 * - `Image`: the end of an Image, with its condition and the last outcome of each of its tags
 */
export type SyncOutcome =
  ({ readonly _tag: "Tag"; readonly image: ImageKey } & TagOutcome) | ({ readonly _tag: "Image" } & ImageOutcome)

/** The options of {@link sync}. */
export interface SyncOptions {
  /**
   * Whether the run waits for rate limits of registries, however long, and goes on. Default false: an Image that a rate limit holds
   * back ends with the reason `RateLimited`.
   */
  readonly waitForRateLimit?: boolean
}

/** Images that the operator refuses. The message has a line for each mistake: the Image, the field, the value, the remedy. */
export class InvalidImages extends Schema.TaggedError<InvalidImages>()("InvalidImages", {
  mistakes: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return this.mistakes.join("\n")
  }
}

/**
 * Why {@link sync} fails as a whole. The failure of a registry is no such error: it is the outcome of a tag or of an Image.
 * - `InvalidImages`: an Image is not valid, or its name is given twice; nothing was copied
 * - `KubeError`: another run over the same layer has an Image of the name
 * - `ControllerStopped`, `CopyEngineError`: the operator's own parts have ended
 */
export type SyncError = InvalidImages | KubeError | ControllerStopped | CopyEngineError

/**
 * Copies the tags that Images select, once: a Recurrent Image is checked once too. Emits a `Tag` as soon as the outcome of a tag
 * is known, and at the end an `Image` for each Image in the given order. The stream ends when no work is left but retries of
 * what failed.
 *
 * **Gotchas**
 *
 * - A tag that failed at first and was copied at a later attempt is emitted twice. The `Image` has the last outcome.
 * - An Image whose source cannot be listed has no tags. Its `Image` says why: `ready` is false, with `reason` and `message`.
 * - A consumer that ends early, or that is interrupted, ends the copies. No tag is half written.
 *
 * @example
 * ```ts
 * import { NodeRuntime, NodeServices } from "@effect/platform-node"
 * import { Console, Effect, Layer, Stream } from "effect"
 * import { Local, sync } from "skopeo-operator"
 *
 * const images = [
 *   {
 *     metadata: { name: "argocd" },
 *     spec: {
 *       source: { name: "quay.io/argoproj/argocd", version: "v2.13.x" },
 *       destination: { name: "registry.corp/argoproj/argocd" }
 *     }
 *   }
 * ]
 *
 * sync(images).pipe(
 *   Stream.runForEach((outcome) => Console.log(outcome)),
 *   Effect.provide(Local.layer().pipe(Layer.provide(NodeServices.layer))),
 *   NodeRuntime.runMain
 * )
 * ```
 */
export const sync = (
  images: Iterable<ImageManifest>,
  { waitForRateLimit = false }: SyncOptions = {}
): Stream.Stream<SyncOutcome, SyncError, Controller | ImageStore | KubeClient | Outcomes> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const admitted = yield* admit(images)
      const kube = yield* KubeClient
      const controller = yield* Controller
      const store = yield* ImageStore
      const outcomes = yield* Outcomes
      const scope = yield* Effect.scope
      const keys = new Set(admitted.map(({ metadata }) => keyOf(metadata)))
      /** The actions that were emitted, by Image and tag. */
      const emitted = new Map<string, string>()
      const positionOf = (image: ImageKey, tag: string): string => `${keyOf(image)} ${tag}`

      const running = Effect.gen(function* () {
        yield* controller.synced
        yield* Effect.forEach(
          admitted,
          (image) =>
            Effect.acquireRelease(kube.create(Images, image), ({ metadata }) =>
              Effect.ignore(kube.delete(Images, { name: metadata.name, namespace: metadata.namespace ?? "" }))
            ),
          { discard: true }
        )
        yield* untilFinished(keys, { waitForRateLimit })
        // A status is written before the outcomes of its tags are known.
        yield* controller.idle
      }).pipe(Scope.provide(scope))

      const live = outcomes.changes.pipe(
        Stream.filter(({ image, tag }) => tag.action !== "pending" && keys.has(keyOf(image))),
        Stream.map(({ image, tag }): SyncOutcome => ({ _tag: "Tag", image, ...tag })),
        Stream.merge(Stream.fromEffectDrain(Effect.raceFirst(running, controller.running)), { haltStrategy: "right" }),
        Stream.tap((outcome) =>
          Effect.sync(() => {
            if (outcome._tag === "Tag") emitted.set(positionOf(outcome.image, outcome.tag), outcome.action)
          })
        )
      )
      const ended = Effect.gen(function* () {
        const stored = (yield* Effect.forEach(keys, (key) => store.get(key))).flatMap(Option.toArray)
        const ends = yield* Effect.forEach(stored, (image) => outcomes.of(image))
        const missed = ends.flatMap(({ name, namespace, tags }) =>
          tags
            .filter(
              ({ action, tag }) => action !== "pending" && emitted.get(positionOf({ name, namespace }, tag)) !== action
            )
            .map((tag): SyncOutcome => ({ _tag: "Tag", image: { namespace, name }, ...tag }))
        )
        return [...missed, ...ends.map((image): SyncOutcome => ({ _tag: "Image", ...image }))]
      })
      return Stream.concat(live, Stream.fromIterableEffect(ended))
    })
  )

/** The Images with their namespaces. Fails with all mistakes of all Images. */
const admit = (images: Iterable<ImageManifest>) => {
  const mistakes: Array<string> = []
  const keys = new Set<string>()
  const admitted = [...images].map(({ metadata: { name, namespace = DEFAULT_NAMESPACE }, spec }) => {
    const image = { metadata: { name, namespace }, spec }
    const key = keyOf(image.metadata)
    const result = checkManifest({ apiVersion: `${GROUP}/${VERSION}`, kind: KIND, ...image })
    if (Result.isFailure(result)) mistakes.push(...result.failure.map((problem) => `${key}: ${formatProblem(problem)}`))
    if (keys.has(key)) mistakes.push(`${key}: metadata.name: is given twice; rename one of the two Images`)
    keys.add(key)
    return image
  })
  return mistakes.length > 0 ? Effect.fail(new InvalidImages({ mistakes })) : Effect.succeed(admitted)
}
