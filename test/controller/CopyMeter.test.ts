/** The bytes of copies in scrapes, as copies start, run and end. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as CopyMeter from "../../src/controller/CopyMeter.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import type { Copy, CopyProgress, CopyState } from "../../src/domain/Copy.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { endpoint } from "../support/endpoints.ts"

const IMAGE = { namespace: "team", name: "app", uid: "1" }
const OTHER = { namespace: "team", name: "other", uid: "2" }

const copyOf = (id: string, state: CopyState, image = IMAGE): Copy => ({
  id,
  image,
  generation: 1,
  source: endpoint("source.test", "app"),
  digest: `sha256:${"a".repeat(64)}`,
  destinationDigest: `sha256:${"a".repeat(64)}`,
  platforms: [],
  referrers: false,
  onlyIfMissing: false,
  destination: endpoint("dest.test", "app"),
  tag: id,
  state
})

const bytes = (done: number, total: number, sent: number): CopyProgress => ({ done, total, sent })
const running = (progress: CopyProgress): CopyState => ({ _tag: "Running", progress })

/** A meter on an engine with the given copies. `scrape` gives the lines about bytes. */
const metered = Effect.gen(function* () {
  const state: { copies: ReadonlyArray<Copy> } = { copies: [] }
  const engine = CopyEngine.of({
    supports: { platforms: true, referrers: true, manifests: true },
    start: () => Effect.succeed(true),
    copies: ({ name }) => Effect.sync(() => state.copies.filter(({ image }) => image.name === name)),
    begun: Effect.sync(() => state.copies.filter((copy) => copy.state._tag !== "Waiting")),
    cancel: () => Effect.void,
    release: () => Effect.void,
    changes: Stream.never
  })
  const metrics = yield* Metrics
  const meter = CopyMeter.make(engine, metrics)
  const scrape = Effect.map(metrics.exposition, ({ body }) =>
    body
      .split("\n")
      .filter((line) => line.startsWith("skopeo_operator_copy_bytes_"))
      .map((line) => line.replace("skopeo_operator_copy_bytes_", ""))
  )
  return { meter, scrape, state }
})

describe("the bytes of copies", () => {
  it.effect("bytes are counted once, as they arrive, and the remaining bytes are shown while copies run", () =>
    Effect.gen(function* () {
      const { meter, scrape, state } = yield* metered
      assert.deepStrictEqual(yield* scrape, [], "no series before there is a copy")

      meter.started(copyOf("b", { _tag: "Running" }), "app:1.x", 0)
      state.copies = [copyOf("a", { _tag: "Waiting", reason: "full" }), copyOf("b", running(bytes(40, 100, 30)))]
      const first = ['total{image="app:1.x",how="sent"} 30', 'total{image="app:1.x",how="present"} 10']
      assert.deepStrictEqual(yield* scrape, [...first, 'remaining{image="app:1.x"} 60'])
      assert.deepStrictEqual(yield* scrape, [...first, 'remaining{image="app:1.x"} 60'], "nothing is counted twice")

      // A blob's attempt is taken back, and its bytes come again.
      state.copies = [copyOf("b", running(bytes(20, 100, 10)))]
      assert.deepStrictEqual(yield* scrape, [...first, 'remaining{image="app:1.x"} 80'])

      const done = copyOf("b", { _tag: "Succeeded", at: 0, progress: bytes(100, 100, 90) })
      state.copies = [done]
      meter.ended(done)
      const last = ['total{image="app:1.x",how="sent"} 90', 'total{image="app:1.x",how="present"} 10']
      assert.deepStrictEqual(yield* scrape, last, "counted when it ends, not again by a scrape before it is released")
      state.copies = []
      assert.deepStrictEqual(yield* scrape, last)
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("bytes are counted by Image, and the bytes of failed copies count too", () =>
    Effect.gen(function* () {
      const { meter, scrape, state } = yield* metered
      meter.started(copyOf("b", { _tag: "Running" }), "app:1.x", 0)
      meter.started(copyOf("b", { _tag: "Running" }, OTHER), "other:2", 0)
      const failed = copyOf(
        "b",
        { _tag: "Failed", at: 0, reason: "CopyFailed", message: "x", progress: bytes(7, 9, 7) },
        OTHER
      )
      state.copies = [copyOf("a", running(bytes(1, 5, 1))), copyOf("c", running(bytes(2, 5, 2))), failed]
      meter.ended(failed)
      meter.settled(OTHER)
      assert.deepStrictEqual(yield* scrape, [
        'total{image="other:2",how="sent"} 7',
        'total{image="app:1.x",how="sent"} 3',
        'remaining{image="app:1.x"} 7'
      ])
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("no bytes are counted while the engine cannot list its copies", () =>
    Effect.gen(function* () {
      const { meter, scrape, state } = yield* metered
      meter.started(copyOf("b", { _tag: "Running" }), "app:1.x", 0)
      state.copies = [copyOf("a", { _tag: "Running" }), copyOf("b", { _tag: "Succeeded", at: 0 })]
      assert.deepStrictEqual(yield* scrape, [])
    }).pipe(Effect.provide(Metrics.layer))
  )
})

describe("the durations of copies", () => {
  it.effect(
    "a copy lasts from its start to its end, a copy that another process started has no duration, and a failed copy has its reason",
    () =>
      Effect.gen(function* () {
        const metrics = yield* Metrics
        const { meter } = yield* metered
        meter.started(copyOf("a", { _tag: "Running" }), "app:1.x", 10_000)
        meter.ended(copyOf("a", { _tag: "Succeeded", at: 12_500 }))
        meter.ended(copyOf("b", { _tag: "Succeeded", at: 12_500 }))
        meter.started(copyOf("a", { _tag: "Running" }), "app:1.x", 20_000)
        meter.ended(copyOf("a", { _tag: "Failed", at: 60_000, reason: "CopyFailed", message: "x" }))
        const { body } = yield* metrics.exposition
        for (const line of [
          'skopeo_operator_copies_total{outcome="succeeded"} 2',
          'skopeo_operator_copy_duration_seconds_sum{outcome="succeeded"} 2.5',
          'skopeo_operator_copy_duration_seconds_count{outcome="succeeded"} 1',
          'skopeo_operator_copy_duration_seconds_sum{outcome="failed"} 40',
          'skopeo_operator_copy_failures_total{reason="CopyFailed"} 1'
        ]) {
          assert.include(body.split("\n"), line)
        }
      }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("the series of a source and version end with the last Image that has copied them", () =>
    Effect.gen(function* () {
      const { meter } = yield* metered
      const { exposition } = yield* Metrics
      const seriesOf = Effect.map(exposition, ({ body }) =>
        Array.from(body.matchAll(/^skopeo_operator_(?:reload|copy_bytes)_total(\{.+\})/gmu), ([, labels]) => labels)
      )
      const copyFrom = (image: typeof IMAGE, label: string) => {
        const copy = copyOf(label, { _tag: "Succeeded", at: 0, progress: bytes(100, 100, 90) }, image)
        meter.started(copy, label, 0)
        meter.ended(copy)
        meter.settled(image)
      }
      copyFrom(IMAGE, "app:1.x")
      copyFrom(OTHER, "app:1.x")
      const series = (label: string) => [
        `{image="${label}"}`,
        `{image="${label}",how="sent"}`,
        `{image="${label}",how="present"}`
      ]
      meter.removed(IMAGE)
      assert.deepStrictEqual(yield* seriesOf, series("app:1.x"), "the other Image still has the label")
      copyFrom(OTHER, "app:2.x")
      assert.deepStrictEqual(yield* seriesOf, series("app:2.x"), "an Image with another version")
      meter.removed(OTHER)
      assert.deepStrictEqual(yield* seriesOf, [])
    }).pipe(Effect.provide(Metrics.layer))
  )
})
