import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Metrics } from "../src/Metrics.ts"

describe("the metrics of registries", () => {
  it.effect("requests to registries are counted by registry, method and status, and quotas are gauges", () =>
    Effect.gen(function* () {
      const { exposition, registries } = yield* Metrics
      registries.answered("docker.io", "HEAD", "200")
      registries.answered("docker.io", "HEAD", "200")
      registries.answered("docker.io", "GET", "429")
      registries.quota("docker.io", 17, 100)
      registries.quota("docker.io", 16, 100)
      const { body } = yield* exposition
      for (const line of [
        'skopeo_operator_registry_requests_total{registry="docker.io",method="HEAD",code="200"} 2',
        'skopeo_operator_registry_requests_total{registry="docker.io",method="GET",code="429"} 1',
        'skopeo_operator_registry_budget_remaining{registry="docker.io"} 16',
        'skopeo_operator_registry_budget_limit{registry="docker.io"} 100'
      ]) {
        assert.include(body, line)
      }
    }).pipe(Effect.provide(Metrics.layer()))
  )

  it.effect("the metrics of registries have a limited number of labels, however many registries Images name", () =>
    Effect.gen(function* () {
      const { exposition, registries } = yield* Metrics
      for (let index = 0; index < 1_000; index++) registries.answered(`r${index}.test`, "HEAD", "200")
      const { body } = yield* exposition
      const lines = body.split("\n").filter((line) => line.startsWith("skopeo_operator_registry_requests_total{"))
      assert.lengthOf(lines, 101)
      assert.include(lines.at(-1), 'registry="other"')
      assert.match(lines.at(-1) ?? "", / 900$/u)
    }).pipe(Effect.provide(Metrics.layer()))
  )
})

describe("the copies of Images", () => {
  it.effect("the series of copies are bounded in number, whatever names and versions users write", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      for (let index = 0; index < 5_000; index++) {
        metrics.copyStarted(`evil.test/app:${index}`)
        metrics.bytesCopied(`evil.test/app:${index}`, "sent", 10)
        metrics.bytesCopied(`evil.test/app:${index}`, "present", 1)
      }
      metrics.sampling(
        Effect.succeed(new Map(Array.from({ length: 5_000 }, (_, index) => [`evil.test/app:${index}`, 2])))
      )
      const lines = (yield* metrics.exposition).body.split("\n")
      const seriesOf = (name: string) => lines.filter((line) => line.startsWith(`${name}{`))
      for (const [name, series, other] of [
        ["skopeo_operator_reload_total", 1_001, '{image="other"} 4000'],
        ["skopeo_operator_copy_bytes_total", 2_002, '{image="other",how="sent"} 40000'],
        ["skopeo_operator_copy_bytes_remaining", 1_001, '{image="other"} 8000']
      ] as const) {
        assert.lengthOf(seriesOf(name), series)
        assert.include(seriesOf(name), `${name}${other}`)
      }
    }).pipe(Effect.provide(Metrics.layer()))
  )
})
