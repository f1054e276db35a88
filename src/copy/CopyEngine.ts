/** What makes copies. An engine is observed, not awaited: it is told what should be under way, and asked how that goes. */
import { Context, type Effect, type Option, Schema, type Stream } from "effect"
import { type Copy, type CopyTask, REFUSALS } from "../domain/Copy.ts"
import type { ImageKey } from "../domain/ImageKey.ts"

export type { ImageKey }

/** An engine as a whole could not do what it was told; telling it again later may help. */
export class CopyEngineError extends Schema.TaggedError<CopyEngineError>()("CopyEngineError", {
  reason: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/**
 * One copy could not be started, and others can: `DestinationBusy` while another Image's copy writes the same tag,
 * `SecretNotCreated` while its Job waits for credentials, `JobsForbidden` while the engine cannot follow Jobs. Starting the
 * copy again later may help.
 */
export class CopyRefused extends Schema.TaggedError<CopyRefused>()("CopyRefused", {
  reason: Schema.Literals(REFUSALS),
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** What an engine can do beyond copying whole images, and how it works: checks and decisions go by it. */
export interface EngineSupport {
  /** It copies some of an image's platforms. */
  readonly platforms: boolean
  /** It brings OCI referrers along. Cosign's tags are tags to every engine. */
  readonly referrers: boolean
  /** It reads manifests in this process, through the same RegistryClient. */
  readonly manifests: boolean
}

/**
 * Layers: `DirectEngine` copies in this process, `JobEngine` by Kubernetes Jobs. A layer of one's own needs no
 * more than these five; the reconciler decides everything else.
 */
export class CopyEngine extends Context.Service<
  CopyEngine,
  {
    readonly supports: EngineSupport

    /**
     * Sees to it that a copy is under way; `true` if this call started it. Told again before the copy is released, it
     * does nothing.
     */
    readonly start: (task: CopyTask) => Effect.Effect<boolean, CopyEngineError | CopyRefused>

    /** The copies of an Image: those under way, and those finished and not yet released. */
    readonly copies: (image: ImageKey) => Effect.Effect<ReadonlyArray<Copy>, CopyEngineError>

    /** Stops a copy that waits or runs; its tag is not written afterwards. */
    readonly cancel: (copy: Copy) => Effect.Effect<void, CopyEngineError>

    /** Forgets a finished copy: its outcome has been recorded. */
    readonly release: (copy: Copy) => Effect.Effect<void, CopyEngineError>

    /** The Images whose copies have changed, as it happens. */
    readonly changes: Stream.Stream<ImageKey>

    /** Why the engine can start no copy at present, if so. An engine without it always can. */
    readonly unavailable?: Effect.Effect<Option.Option<string>>

    /** An Image is gone: what is kept of its copies for a reader goes too. An engine without it keeps nothing. */
    readonly removed?: (image: ImageKey) => Effect.Effect<void>
  }
>()("skopeo-operator/copy/CopyEngine") {}
