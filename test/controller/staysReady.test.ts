/** An Image that is Ready stays Ready for a while when its checks fail, and then says so by itself. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import type { HttpHead } from "../../src/http/Http.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import * as Faults from "../support/Faults.ts"
import { applyImage, conditionText, makeRegistries, operatorLayer, readImage, SOURCE } from "../support/world.ts"

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Five hours, in the seconds of a Retry-After. */
const FIVE_HOURS = String((5 * HOUR) / 1_000)

/** A Recurrent Image that is Ready, and a source that fails when it is made to. */
const makeWorld = (failure: "limited" | "silent") => {
  const state = { fails: false }
  const limiter = ({ registry }: { readonly registry: string }): HttpHead =>
    state.fails && failure === "limited" && registry === SOURCE
      ? { status: 429, headers: { "retry-after": FIVE_HOURS } }
      : { status: 200, headers: {} }
  const registries = makeRegistries({ limiter })
  pushSampleImage(registries.source, "app", "v1", "app")
  const client = Faults.of(RegistryClient, [
    {
      method: "head",
      when: ({ repository }) => state.fails && failure === "silent" && repository.registry === SOURCE,
      ...Faults.delayed("1 day")
    }
  ])
  /** Runs with an operator of a new process. */
  const process = <A, E>(work: Effect.Effect<A, E, Controller | KubeClient>) =>
    Effect.flatMap(KubeClient, (kube) =>
      Effect.andThen(
        Effect.flatMap(Controller, ({ synced }) => synced),
        work
      ).pipe(
        Effect.provide(
          Layer.fresh(
            operatorLayer({ layer: client.layer(registries.layer) }, { kube: Layer.succeed(KubeClient, kube) })
          )
        )
      )
    )
  const apply = applyImage("app", {
    mode: "Recurrent",
    frequency: "5m",
    source: { name: "source.test/app", version: "v1" },
    destination: { name: "dest.test/app" }
  })
  return { ...registries, state, process, apply }
}

const pass = (millis: number) => TestClock.adjust(millis)
const conditions = Effect.map(readImage("app"), (image) => [
  conditionText(image, "Ready"),
  conditionText(image, "Reconciling")
])
const messageOf = (type: string) =>
  Effect.map(readImage("app"), ({ status }) => status.conditions?.find((found) => found.type === type)?.message ?? "")

/** Passes until the time is so many milliseconds after the last good check. */
const passUntil = Effect.fnUntraced(function* (millisAfterCheck: number) {
  const { status } = yield* readImage("app")
  yield* pass(Date.parse(status.lastCheckedAt ?? "") + millisAfterCheck - (yield* Clock.currentTimeMillis))
})

const READY = ["True Copied", ""]
const READY_STILL = ["True Copied", "True ProgressingWithRetry"]

describe("an Image that was Ready", () => {
  it.effect(
    "stays Ready while its checks fail for less than two intervals or ten minutes, and then says the cause",
    () => {
      const { apply, process, requests, state } = makeWorld("limited")
      return process(
        Effect.gen(function* () {
          yield* apply
          yield* pass(10)
          assert.deepStrictEqual(yield* conditions, READY)
          state.fails = true
          yield* passUntil(10 * MINUTE - 1)
          assert.deepStrictEqual(yield* conditions, READY_STILL)
          assert.include(yield* messageOf("Reconciling"), "429")
          assert.strictEqual(yield* messageOf("Ready"), "1 of 1 tag is copied")
          requests.length = 0
          yield* passUntil(10 * MINUTE)
          assert.deepStrictEqual(yield* conditions, ["False RateLimited", "True ProgressingWithRetry"])
          assert.deepStrictEqual(requests, [], "the status changes without another request")
          state.fails = false
          yield* pass(6 * HOUR)
          assert.deepStrictEqual(yield* conditions, READY)
        })
      ).pipe(Effect.provide(KubeClientMemory.layer()))
    }
  )

  it.effect("is Ready no longer in time under a new process, which makes no check for that", () => {
    const { apply, process, requests, state } = makeWorld("limited")
    return Effect.gen(function* () {
      yield* process(
        Effect.gen(function* () {
          yield* apply
          yield* pass(10)
          state.fails = true
          yield* passUntil(7 * MINUTE)
        })
      )
      requests.length = 0
      yield* process(
        Effect.gen(function* () {
          yield* passUntil(10 * MINUTE - 1)
          assert.deepStrictEqual(yield* conditions, READY_STILL)
          yield* passUntil(10 * MINUTE)
          assert.deepStrictEqual(yield* conditions, ["False RateLimited", "True ProgressingWithRetry"])
          assert.deepStrictEqual(requests, [])
        })
      )
    }).pipe(Effect.provide(KubeClientMemory.layer()))
  })

  it.effect("stays Ready when a check takes longer than its deadline, which counts as a failed check", () => {
    const { apply, process, state } = makeWorld("silent")
    return process(
      Effect.gen(function* () {
        yield* apply
        yield* pass(10)
        state.fails = true
        yield* passUntil(8 * MINUTE)
        assert.deepStrictEqual(yield* conditions, READY_STILL)
        assert.include(yield* messageOf("Reconciling"), "took longer than 2 minutes")
        yield* passUntil(11 * MINUTE)
        assert.deepStrictEqual(yield* conditions, ["False Unreachable", "True ProgressingWithRetry"])
      })
    ).pipe(Effect.provide(KubeClientMemory.layer()))
  })
})
