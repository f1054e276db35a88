/** A scrape of /metrics while thousands of copies wait, in this process: the destination takes no manifest. */
import { Clock, Effect, Layer, Logger, Schedule } from "effect"
import { HttpClient } from "effect/http"
import { CopyEngine } from "../../../src/copy/CopyEngine.ts"
import { KubeClient } from "../../../src/kube/KubeClient.ts"
import { Images } from "../../../src/kube/Resources.ts"
import { RegistryClient } from "../../../src/registry/RegistryClient.ts"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import { metricsServer } from "../../../src/Server.ts"
import * as Faults from "../../support/Faults.ts"
import { freePort } from "../../support/freePort.ts"
import { DESTINATION, makeRegistries, operatorLayer, SOURCE } from "../../support/world.ts"
import { median } from "../copy/statistics.ts"
import { BenchFailed } from "../copy/measure.ts"
import { NOTHING } from "./environment.ts"
import type { Figure, Row } from "./Row.ts"

const COPIES = 8_000
const SCRAPES = 20
const GOAL_MILLIS = 100

const numbers = Array.from({ length: COPIES }, (_, index) => index)
const nameOf = (index: number): string => `app-${index}`

const measure = Effect.gen(function* () {
  const registries = makeRegistries()
  pushSampleImage(registries.source, "app", "1.0.0", "scrape")
  const silent = Faults.of(RegistryClient, [{ method: "putManifest", before: () => Effect.never }])
  const port = yield* freePort
  return yield* Effect.gen(function* () {
    const [kube, engine, client] = [yield* KubeClient, yield* CopyEngine, yield* HttpClient.HttpClient]
    yield* Effect.forEach(
      numbers,
      (index) =>
        kube.create(Images, {
          metadata: { namespace: "team", name: nameOf(index) },
          spec: {
            source: { name: `${SOURCE}/app`, version: "1.0.0" },
            destination: { name: `${DESTINATION}/${nameOf(index)}` }
          }
        }),
      { discard: true }
    )
    yield* Effect.forEach(
      numbers,
      (index) =>
        engine
          .copies({ namespace: "team", name: nameOf(index) })
          .pipe(Effect.repeat({ until: (copies) => copies.length > 0, schedule: Schedule.spaced("20 millis") })),
      { discard: true }
    ).pipe(
      Effect.timeoutOrElse({
        duration: "2 minutes",
        orElse: () => Effect.fail(new BenchFailed({ detail: `${COPIES} copies do not wait within 2 minutes` }))
      })
    )
    const scrape = Effect.gen(function* () {
      const start = yield* Clock.currentTimeNanos
      yield* Effect.flatMap(client.get(`http://127.0.0.1:${port}/metrics`), (response) => response.text)
      return Number((yield* Clock.currentTimeNanos) - start) / 1e6
    })
    // The first scrapes compile the code.
    yield* Effect.repeat(scrape, { times: 4 })
    const times = yield* Effect.forEach(Array.from({ length: SCRAPES }), () => scrape)
    const what = `a scrape with ${COPIES} waiting copies`
    const figures: ReadonlyArray<Figure> = [
      { what: `${what}, median of ${SCRAPES}`, unit: "ms", measured: median(times), goal: GOAL_MILLIS },
      { what: `${what}, the slowest of ${SCRAPES}`, unit: "ms", measured: Math.max(...times) }
    ]
    return figures
  }).pipe(
    Effect.provide(
      metricsServer({ port, setting: "PORT" }).pipe(
        Layer.provideMerge(operatorLayer({ layer: silent.layer(registries.layer) }))
      )
    ),
    Effect.provide(Logger.layer([]))
  )
})

export const scrape: Row = { name: "scrape", needs: NOTHING, measure: () => measure }
