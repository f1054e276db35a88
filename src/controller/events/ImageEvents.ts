/** The port for the Events of Images. */
import { Context, Effect, Layer } from "effect"
import type { ImageIdentity } from "../../domain/Copy.ts"
import type { ImageEvent } from "../../domain/plan/events.ts"

/** The Image of a report. The repositories are absent while the spec has a mistake. */
export interface ReportedImage extends ImageIdentity {
  readonly generation: number
  /** The complete name of the repository, such as `docker.io/library/node`. */
  readonly source?: string
  readonly destination?: string
}

/** Reports Events. A reconcile never waits for a report, and a report that fails does not fail the reconcile. */
export class ImageEvents extends Context.Service<
  ImageEvents,
  {
    /** Reports the Events of an Image. Returns at once. Events beyond the limits are dropped and counted. */
    readonly report: (image: ReportedImage, events: ReadonlyArray<ImageEvent>) => Effect.Effect<void>
  }
>()("skopeo-operator/controller/events/ImageEvents") {
  /** Reports nothing, as without a cluster. */
  static readonly layerNone: Layer.Layer<ImageEvents> = Layer.succeed(ImageEvents, { report: () => Effect.void })
}
