/** The number of series and the size of an exposition are bounded, however many Images there are and whatever users write. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { ImageSample } from "../../src/metrics/imageMetrics.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"

const IMAGES = 10_000
const MEGABYTE = 1_000_000

/** Every fifth Image fails. */
const imageOf = (index: number, { name, namespace }: Pick<ImageSample, "name" | "namespace">): ImageSample => ({
  namespace,
  name,
  ready: index % 5 === 0 ? "False" : "True",
  reason: index % 5 === 0 ? "CopyFailed" : "Copied",
  isStalled: false,
  isSuspended: false,
  isRateLimited: false,
  tags: { copied: 12, failed: index % 5 === 0 ? 2 : 0, waiting: 0 },
  freshness: { lastInSync: 1_774_000_000 + index, intervalSeconds: 3_600, isOverdue: false },
  checkedSeconds: index
})

/** The series of an exposition with all Images, which are copied from 20 registries. */
const exposed = (names: (index: number) => Pick<ImageSample, "name" | "namespace"> & { readonly source: string }) =>
  Effect.gen(function* () {
    const metrics = yield* Metrics
    const all = Array.from({ length: IMAGES }, (_, index) => imageOf(index, names(index)))
    metrics.images.sampling(Effect.succeed(all))
    for (const [index] of all.entries()) {
      const { source } = names(index)
      metrics.copies.started(source)
      metrics.copies.bytes(source, "sent", 1_000_000)
      metrics.copies.bytes(source, "present", 1_000_000)
      for (const method of ["GET", "HEAD", "POST", "PATCH", "PUT"]) {
        metrics.registries.answered(`registry-${index % 20}.example.com`, method, "200", 0.1)
      }
    }
    const { body } = yield* metrics.exposition
    const series = body.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    return { body, count: (name: string) => series.filter((line) => line.startsWith(`${name}{`)).length, series }
  })

const USUAL = (index: number) => ({
  namespace: `team-${index % 50}`,
  name: `payments-service-${index}`,
  source: `registry-${index % 20}.example.com/payments/service-${index}:1.x`
})

describe("10,000 Images", () => {
  it.effect("10,000 Images have 1,000 series of each metric of single Images, and at most 1.2 MB", () =>
    Effect.gen(function* () {
      const { body, count, series } = yield* exposed(USUAL)
      assert.strictEqual(count("skopeo_operator_image_last_in_sync_timestamp_seconds"), 1_000)
      assert.strictEqual(count("skopeo_operator_image_ready"), 1_000)
      assert.strictEqual(count("skopeo_operator_image_tags"), 3_000)
      assert.strictEqual(count("skopeo_operator_reload_total"), 1_001)
      assert.isBelow(series.length, 12_000)
      assert.isBelow(body.length, 1.2 * MEGABYTE)
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("10,000 Images without series of single Images have fewer than 4,000 series", () =>
    Effect.gen(function* () {
      const { count, series } = yield* exposed(USUAL)
      assert.strictEqual(count("skopeo_operator_image_ready"), 0)
      assert.isBelow(series.length, 4_000)
    }).pipe(Effect.provide(Metrics.layerWith({ perImage: false })))
  )

  it.effect("the longest names that the API server accepts make no larger exposition", () =>
    Effect.gen(function* () {
      const { body } = yield* exposed((index) => ({
        namespace: `${index % 50}`.padStart(63, "n"),
        name: `${index}`.padStart(253, "i"),
        source: `${index}`.padStart(770, "s")
      }))
      assert.isBelow(Buffer.byteLength(body), 1.2 * MEGABYTE)
    }).pipe(Effect.provide(Metrics.layer))
  )
})
