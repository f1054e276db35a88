/** Failed checks: the status has each failure, and the time of the next check. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Images } from "../../src/kube/Resources.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { applyImage, conditionText, makeRegistries, operatorLayer, readImage } from "../support/world.ts"

const source = { name: "source.test/app", version: "v1" }
const destination = { name: "dest.test/app" }
const nowhere = { name: "nowhere.test/app", version: "v1" }

const checkFailure = Effect.map(readImage("app"), ({ status }) => status.checkFailure)

/** Registries, and an API server that outlives the operators that run over it. */
const makeWorld = () => {
  const registries = makeRegistries()
  pushSampleImage(registries.source, "app", "v1", "app")
  /** Runs with an operator of a new process. */
  const process = <A, E>(work: Effect.Effect<A, E, Controller | KubeClient | Metrics>) =>
    Effect.flatMap(KubeClient, (kube) =>
      Effect.andThen(
        Effect.flatMap(Controller, ({ synced }) => synced),
        work
      ).pipe(Effect.provide(Layer.fresh(operatorLayer(registries, { kube: Layer.succeed(KubeClient, kube) }))))
    )
  return { ...registries, process }
}

describe("failed checks", () => {
  it.effect(
    "a failed check is counted in the status, is no error of the reconcile, and is forgotten after a successful check",
    () => {
      const { process, requests } = makeWorld()
      return process(
        Effect.gen(function* () {
          yield* applyImage("app", { source: nowhere, destination })
          yield* TestClock.adjust("10 millis")
          const image = yield* readImage("app")
          assert.strictEqual(conditionText(image, "Ready"), "False Unreachable")
          assert.strictEqual(conditionText(image, "Reconciling"), "True ProgressingWithRetry")
          const first = yield* checkFailure
          assert.deepStrictEqual([first?.attempts, first?.nextAttemptAt], [1, "1970-01-01T00:00:01Z"])
          yield* TestClock.adjust("1 hour")
          const later = yield* checkFailure
          // The pause is doubled from 750 ms to 15 minutes: 11 checks in the first quarter of an hour, and three more.
          assert.isTrue((later?.attempts ?? 0) >= 14 && (later?.attempts ?? 0) <= 15, `${later?.attempts} attempts`)
          const { body } = yield* (yield* Metrics).exposition
          assert.match(body, /^controller_runtime_reconcile_errors_total\{.*\} 0$/mu)

          requests.length = 0
          yield* applyImage("app", { source: { ...nowhere, version: "v2" }, destination })
          yield* TestClock.adjust("10 millis")
          assert.strictEqual((yield* checkFailure)?.attempts, 1, "another spec begins at one, and is checked at once")
          yield* applyImage("app", { source, destination })
          yield* TestClock.adjust("10 millis")
          assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
          assert.isUndefined(yield* checkFailure)
        })
      ).pipe(Effect.provide(KubeClientMemory.layer()))
    }
  )

  it.effect("a failed check is retried by a new process at its time, and not before", () => {
    const { destination: registry, process, requests } = makeWorld()
    return Effect.gen(function* () {
      yield* process(
        Effect.gen(function* () {
          yield* applyImage("app", { mode: "Recurrent", source: { ...source, version: "v2" }, destination })
          yield* TestClock.adjust("20 minutes")
        })
      )
      const failed = yield* checkFailure
      requests.length = 0
      const pause = Date.parse(failed?.nextAttemptAt ?? "") - (yield* Clock.currentTimeMillis)
      yield* process(TestClock.adjust(pause - 1))
      assert.deepStrictEqual(requests, [])
      assert.deepStrictEqual(yield* checkFailure, failed)
      yield* process(TestClock.adjust("1 second"))
      assert.strictEqual((yield* checkFailure)?.attempts, (failed?.attempts ?? 0) + 1)
      assert.isUndefined(registry.tags("app"))
    }).pipe(Effect.provide(KubeClientMemory.layer()))
  })

  it.effect("a failed check that release 0.1.0 stored without a time is retried at once", () => {
    const { process } = makeWorld()
    return Effect.gen(function* () {
      const kube = yield* KubeClient
      yield* applyImage("app", { mode: "Recurrent", source, destination })
      yield* kube.applyStatus(
        Images,
        {
          metadata: { namespace: "team", name: "app" },
          status: {
            observedGeneration: -1,
            lastCheckedAt: "1970-01-01T00:00:00Z",
            conditions: ["Ready", "Reconciling"].map((type) => ({
              type,
              status: type === "Ready" ? "False" : "True",
              reason: type === "Ready" ? "Unreachable" : "ProgressingWithRetry",
              message: "no answer",
              observedGeneration: 1,
              lastTransitionTime: "1970-01-01T00:00:00Z"
            }))
          }
        },
        "skopeo-operator"
      )
      yield* process(TestClock.adjust("10 millis"))
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
    }).pipe(Effect.provide(KubeClientMemory.layer()))
  })
})
