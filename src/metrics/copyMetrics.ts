/** The metrics of copies. */
import { Effect } from "effect"
import type { Instruments } from "./instruments.ts"
import { Labels, LABELS } from "./labels.ts"

export interface CopyMetrics {
  /** A copy was started. `image` is `name:version` of the Image's source. */
  readonly started: (image: string) => void
  /**
   * A copy's outcome was recorded. `seconds` is the time from the copy's start, if this process has seen the start. `reason` is
   * why the copy failed: one of a bounded number of words.
   */
  readonly finished: (outcome: "succeeded" | "failed", seconds: number | undefined, reason?: string) => void
  /** A destination has more bytes of a copy: `sent` by the copy, or `present` because of a mount or an earlier push. */
  readonly bytes: (image: string, how: "sent" | "present", bytes: number) => void
  /** No Image has this source and version any more. Its series end. */
  readonly gone: (image: string) => void
  /**
   * Sets the effect that runs before each scrape, and replaces the one before. The effect gives the remaining bytes of running
   * copies, by image.
   */
  readonly sampling: (sample: Effect.Effect<ReadonlyMap<string, number>>) => void
}

export const copyMetrics = ({
  counter,
  gauge,
  histogram
}: Instruments): CopyMetrics & {
  /** Called before each scrape. */
  readonly sample: Effect.Effect<void>
} => {
  const reloads = counter("skopeo_operator_reload_total")
  const copies = counter("skopeo_operator_copies_total")
  const failures = counter("skopeo_operator_copy_failures_total")
  const seconds = histogram("skopeo_operator_copy_duration_seconds")
  const bytes = counter("skopeo_operator_copy_bytes_total")
  const remaining = gauge("skopeo_operator_copy_bytes_remaining")
  for (const outcome of ["succeeded", "failed"]) {
    copies.inc({ outcome }, 0)
    seconds.zero({ outcome })
  }
  const labels = new Labels(LABELS.images, (image) => {
    reloads.remove({ image })
    for (const how of ["sent", "present"]) bytes.remove({ image, how })
  })
  let sampled: Effect.Effect<ReadonlyMap<string, number>> = Effect.succeed(new Map())

  return {
    started: (image) => reloads.inc({ image: labels.of(image) }),
    finished: (outcome, duration, reason) => {
      copies.inc({ outcome })
      if (reason !== undefined) failures.inc({ reason })
      if (duration !== undefined) seconds.observe({ outcome }, duration)
    },
    bytes: (image, how, count) => {
      if (count > 0) bytes.inc({ image: labels.of(image), how }, count)
    },
    gone: (image) => labels.drop(image),
    sampling: (sample) => {
      sampled = sample
    },
    sample: Effect.map(
      Effect.suspend(() => sampled),
      (counts) => {
        // An image without running copies has no series.
        remaining.reset()
        for (const [image, count] of counts) remaining.inc({ image: labels.of(image) }, count)
        labels.scraped()
      }
    )
  }
}
