/** The port of copy engines. An engine is observed, not awaited: the caller starts copies and later asks for their states. */
import { Context, type Effect, type Option, Schema, type Stream } from "effect"
import { type Copy, type CopyTask, REFUSALS } from "../domain/Copy.ts"
import type { ImageKey } from "../domain/ImageKey.ts"

/** An engine could not carry out a call, for instance because the API server does not answer. A later call may succeed. */
export class CopyEngineError extends Schema.TaggedError<CopyEngineError>()("CopyEngineError", {
  reason: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/**
 * One copy could not be started, but other copies can: `DestinationBusy` while another Image's copy writes the same tag,
 * `SecretNotCreated` while the copy's Job waits for its credentials, `JobsForbidden` while the engine cannot follow Jobs. A
 * later start may succeed.
 */
export class CopyRefused extends Schema.TaggedError<CopyRefused>()("CopyRefused", {
  reason: Schema.Literals(REFUSALS),
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** The abilities of an engine beyond whole images. Checks and decisions depend on them. */
export interface EngineSupport {
  /** The engine copies some of an image's platforms. */
  readonly platforms: boolean
  /** The engine copies OCI referrers with an image. Cosign's tags are plain tags to every engine. */
  readonly referrers: boolean
  /** The engine reads manifests in this process, through the same RegistryClient and its manifest cache. */
  readonly manifests: boolean
}

/**
 * Makes copies. `DirectEngine.layer` copies in this process, `JobEngine.layer` with Kubernetes Jobs. Another layer needs the
 * required members only: the reconciler decides everything else.
 *
 * **Gotchas**
 *
 * - To copy one image, use `copy`. To learn of ended copies, use `OutcomeListener`. Neither needs an engine of your own.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { CopyEngine, type CopyTask } from "skopeo-operator"
 *
 * declare const task: CopyTask
 *
 * const program = Effect.gen(function* () {
 *   const engine = yield* CopyEngine
 *   yield* engine.start(task)
 *   return yield* engine.copies(task.image)
 * })
 * ```
 */
export class CopyEngine extends Context.Service<
  CopyEngine,
  {
    /** The engine's abilities. They do not change. */
    readonly supports: EngineSupport

    /**
     * Starts a copy and gives `true`. Does nothing and gives `false` for a copy that is not released yet. Fails with
     * `CopyRefused` if this copy cannot be started now, and with `CopyEngineError` if no copy can.
     */
    readonly start: (task: CopyTask) => Effect.Effect<boolean, CopyEngineError | CopyRefused>

    /** The copies of an Image that wait, that run, and that have finished and are not released yet. */
    readonly copies: (image: ImageKey) => Effect.Effect<ReadonlyArray<Copy>, CopyEngineError>

    /** Stops a copy that waits or runs. The copy's tag is not written afterwards. */
    readonly cancel: (copy: Copy) => Effect.Effect<void, CopyEngineError>

    /** Forgets a finished copy whose outcome is recorded. */
    readonly release: (copy: Copy) => Effect.Effect<void, CopyEngineError>

    /**
     * The Images whose copies change. A late subscriber may miss earlier changes, and asks for `copies` instead. The stream
     * ends only if the engine can no longer follow its copies.
     */
    readonly changes: Stream.Stream<ImageKey>

    /**
     * All copies that have begun and are not released yet, of every Image. The operator reads their progress for each scrape of
     * the metrics. No such member: the engine reports no progress.
     */
    readonly begun?: Effect.Effect<ReadonlyArray<Copy>>

    /** Why the engine cannot start copies now, as a text for users. `None`, or no such member: the engine can. */
    readonly unavailable?: Effect.Effect<Option.Option<string>>

    /**
     * Deletes the remains of deleted Images, such as Jobs that stay for their logs. Remains belong to an Image of this name
     * whose uid is not `uid`, the Image that has the name now. Without `uid` no Image has the name. Optional.
     */
    readonly prune?: (image: ImageKey, uid?: string) => Effect.Effect<void>
  }
>()("skopeo-operator/copy/CopyEngine") {}
