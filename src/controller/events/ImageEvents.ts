/** The port for the Events of Images. */
import { Context, Effect, Layer } from "effect"
import type { ImageIdentity } from "../../domain/Copy.ts"
import type { ImageEvent } from "../../domain/plan/events.ts"

/** Reports Events. A reconcile never waits for a report, and a report that fails does not fail the reconcile. */
export class ImageEvents extends Context.Service<
  ImageEvents,
  {
    /** Reports the Events of an Image. Returns at once. Events beyond the limits are dropped and counted. */
    readonly report: (image: ImageIdentity, events: ReadonlyArray<ImageEvent>) => Effect.Effect<void>
  }
>()("skopeo-operator/controller/events/ImageEvents") {
  /** Reports nothing, as without a cluster. */
  static readonly layerNone: Layer.Layer<ImageEvents> = Layer.succeed(ImageEvents, { report: () => Effect.void })
}
