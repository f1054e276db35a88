/**
 * 10,000 Recurrent Images of one frequency that were created at once, in memory and in simulated time: how many of them are
 * checked in the busiest second, in times of the mean.
 */
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { KubeClient } from "../../../src/kube/KubeClient.ts"
import { Images } from "../../../src/kube/Resources.ts"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import { DESTINATION, makeRegistries, operatorLayer, SOURCE } from "../../support/world.ts"
import { NOTHING } from "./environment.ts"
import type { Figure, Row } from "./Row.ts"

const IMAGES = 10_000
const FREQUENCY_SECONDS = 300
/** All Images are checked when they are created. The regular checks after it count. */
const ROUNDS = 2
const GOAL = 3

const numbers = Array.from({ length: IMAGES }, (_, index) => index)

const measure = Effect.suspend(() => {
  const { destination, layer, requests, source } = makeRegistries()
  pushSampleImage(source, "app", "1.0.0", "spread")
  pushSampleImage(destination, "app", "1.0.0", "spread")
  const root = destination.manifest("app", "1.0.0")
  if (root !== undefined) {
    for (const index of numbers) destination.putManifest("app", `copy-${index}`, root.bytes, root.mediaType)
  }
  return Effect.gen(function* () {
    const kube = yield* KubeClient
    yield* Effect.forEach(
      numbers,
      (index) =>
        kube.create(Images, {
          metadata: { namespace: "team", name: `app-${index}` },
          spec: {
            mode: "Recurrent",
            frequency: `${FREQUENCY_SECONDS}s`,
            source: { name: `${SOURCE}/app`, version: "1.0.0" },
            destination: { name: `${DESTINATION}/app`, version: `copy-${index}` }
          }
        }),
      { discard: true }
    )
    yield* TestClock.adjust("1 second")
    const counts: Array<number> = []
    for (let second = 0; second < ROUNDS * FREQUENCY_SECONDS; second += 1) {
      requests.splice(0)
      yield* TestClock.adjust("1 second")
      counts.push(requests.filter((request) => request.startsWith(`HEAD ${DESTINATION}/`)).length)
    }
    const [total, busiest] = [counts.reduce((sum, count) => sum + count, 0), Math.max(...counts)]
    const figures: ReadonlyArray<Figure> = [
      {
        what: `${IMAGES} Recurrent Images of ${FREQUENCY_SECONDS / 60}m: checks in the busiest second, of the mean`,
        unit: "times",
        measured: busiest / (total / counts.length),
        goal: GOAL
      }
    ]
    return figures
  }).pipe(Effect.provide(operatorLayer({ layer })), Effect.provide(Layer.mergeAll(TestClock.layer(), Logger.layer([]))))
})

export const spread: Row = { name: "spread", needs: NOTHING, measure: () => measure }
