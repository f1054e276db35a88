/** An Image that is deleted while the operator is busy with it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { ImageStore } from "../../src/controller/ImageStore.ts"
import { KubeClient, KubeError } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Images } from "../../src/kube/Resources.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import * as Faults from "../support/Faults.ts"
import { applyImage, conditionText, makeRegistries, operatorLayer, readImage } from "../support/world.ts"

const conflict = new KubeError({ operation: "apply status", code: 409, reason: "Conflict", detail: "scripted" })
const notFound = new KubeError({ operation: "apply status", code: 404, reason: "NotFound", detail: "scripted" })

/** An operator with an API server that a test slows down. */
const makeWorld = () => {
  const registries = makeRegistries()
  pushSampleImage(registries.source, "app", "v1", "one")
  const kube = Faults.of(KubeClient)
  /** The delay of a watch's events, in milliseconds. */
  const watch = { lag: 0 }
  const lagging = Layer.effect(
    KubeClient,
    Effect.map(KubeClient, (inner) =>
      KubeClient.of({
        ...inner,
        watch: (resource, scope) =>
          Stream.tap(inner.watch(resource, scope), () => (watch.lag === 0 ? Effect.void : Effect.sleep(watch.lag)))
      })
    )
  ).pipe(Layer.provide(KubeClientMemory.layer()))
  return { ...registries, kube, watch, layer: operatorLayer(registries, { kube: kube.layer(lagging) }) }
}

const assertNoErrors = Effect.gen(function* () {
  const { body } = yield* (yield* Metrics).exposition
  assert.match(body, /^controller_runtime_reconcile_errors_total\{.*\} 0$/mu)
})

const start = Effect.gen(function* () {
  yield* (yield* Controller).synced
  yield* applyImage("app", {
    mode: "Recurrent",
    frequency: "1m",
    source: { name: "source.test/app", version: "v1" },
    destination: { name: "dest.test/m/app" }
  })
  yield* TestClock.adjust("5 seconds")
  assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
})

const remove = Effect.gen(function* () {
  yield* (yield* KubeClient).delete(Images, { namespace: "team", name: "app" })
})

describe("an Image that is deleted", () => {
  it.effect("an Image that is deleted while the operator reads it after a conflict does not come back", () => {
    const { kube, layer, requests } = makeWorld()
    return Effect.gen(function* () {
      yield* start
      kube.plan.push(
        { method: "applyStatus", nth: 1, ...Faults.failing(conflict) },
        { method: "get", when: ({ plural }) => plural === Images.plural, nth: 1, ...Faults.answerDelayed("400 millis") }
      )
      kube.calls.length = 0
      const isRead = () => kube.calls.some(({ method }) => method === "get")
      for (let step = 0; step < 700 && !isRead(); step++) yield* TestClock.adjust("100 millis")
      // The API server has read the Image, and its answer is on its way.
      assert.isTrue(isRead())
      yield* TestClock.adjust("200 millis")
      yield* remove
      yield* TestClock.adjust("10 seconds")
      requests.length = 0
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(requests, [])
      assert.deepStrictEqual(yield* (yield* ImageStore).values, [])
      yield* assertNoErrors
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "an Image that is deleted before the watch reports it is left alone after the first status write that gets NotFound",
    () => {
      const { layer, requests, watch } = makeWorld()
      return Effect.gen(function* () {
        yield* start
        watch.lag = 3_600_000
        yield* remove
        requests.length = 0
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(requests.toSorted(), ["HEAD dest.test/m/app:v1", "HEAD source.test/app:v1"], "one check")
        requests.length = 0
        yield* TestClock.adjust("50 minutes")
        assert.lengthOf(yield* (yield* ImageStore).values, 1)
        yield* TestClock.adjust("1 day")
        assert.deepStrictEqual(yield* (yield* ImageStore).values, [])
        assert.deepStrictEqual(requests, [])
        yield* assertNoErrors
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("an Image that only the answer to a status write calls missing is not gone: the write is retried", () => {
    const { kube, layer } = makeWorld()
    return Effect.gen(function* () {
      kube.plan.push({ method: "applyStatus", nth: 1, ...Faults.failing(notFound) })
      yield* start
    }).pipe(Effect.provide(layer))
  })
})
