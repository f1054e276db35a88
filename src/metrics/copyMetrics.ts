/** The metrics of copies. */
import { Effect } from "effect"
import * as prometheus from "prom-client"
import { Labels, LABELS } from "./labels.ts"

export interface CopyMetrics {
  /** A copy was started. `image` is `name:version` of the Image's source. */
  readonly started: (image: string) => void
  /** A copy's outcome was recorded. `seconds` is the time from the copy's start, if this process has seen the start. */
  readonly finished: (outcome: "succeeded" | "failed", seconds: number | undefined) => void
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

export const copyMetrics = (
  registry: prometheus.Registry
): CopyMetrics & {
  /** Called before each scrape. */
  readonly sample: Effect.Effect<void>
} => {
  const registers = [registry]
  const reloads = new prometheus.Counter({
    name: "skopeo_operator_reload_total",
    help: "Number of reloads processed: copies started, by source image and version.",
    labelNames: ["image"],
    registers
  })
  const copies = new prometheus.Counter({
    name: "skopeo_operator_copies_total",
    help: "Copies that have ended, by outcome.",
    labelNames: ["outcome"],
    registers
  })
  const seconds = new prometheus.Histogram({
    name: "skopeo_operator_copy_duration_seconds",
    help: "Time from the start of copies to their end in seconds, including the wait for a place, by outcome.",
    labelNames: ["outcome"],
    buckets: [1, 3, 10, 30, 60, 180, 600, 1_800, 3_600],
    registers
  })
  const bytes = new prometheus.Counter({
    name: "skopeo_operator_copy_bytes_total",
    help: "Bytes of copies at destinations, by source image and version: sent by the copy, or present because of a mount or an earlier push.",
    labelNames: ["image", "how"],
    registers
  })
  const remaining = new prometheus.Gauge({
    name: "skopeo_operator_copy_bytes_remaining",
    help: "Bytes that remain of running copies, by source image and version.",
    labelNames: ["image"],
    registers
  })
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
    finished: (outcome, duration) => {
      copies.inc({ outcome })
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
