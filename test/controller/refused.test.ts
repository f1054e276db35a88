/** A tag that cannot be copied yet delays no other tag, has a reason, and is copied soon after the cause ends. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { Reconciler } from "../../src/controller/Reconciler.ts"
import { CopyEngine, CopyEngineError } from "../../src/copy/CopyEngine.ts"
import * as DirectEngine from "../../src/copy/DirectEngine.ts"
import { readStoredImage } from "../../src/domain/StoredImage.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { makeEngineWorld, passSeconds, reconciles } from "../support/engineWorld.ts"
import * as Faults from "../support/Faults.ts"
import { applyImage, conditionText, makeRegistries, readImage, reconcilerLayer } from "../support/world.ts"

const TAGS = Array.from({ length: 6 }, (_, patch) => `v1.0.${patch}`)

const destination = { name: "dest.test/m/app" }
const pattern = { source: { name: "source.test/app", version: "v1.0.x" }, destination }
const exact = { source: { name: "source.test/app", version: "v1.0.2" }, destination }

const assertNoErrors = Effect.gen(function* () {
  const { body } = yield* (yield* Metrics).exposition
  assert.match(body, /^controller_runtime_reconcile_errors_total\{.*\} 0$/mu)
})

describe("a tag that another Image's copy writes", () => {
  for (const engine of ["direct", "job"] as const) {
    for (const mode of ["OneShot", "Recurrent"] as const) {
      it.effect(
        `a busy tag waits, names the other Image, and is in sync a minute after that Image's copy: ${mode}, engine ${engine}`,
        () => {
          const world = makeEngineWorld(engine)
          for (const tag of TAGS) world.push(tag)
          world.behaviour.takes = (tag) => (tag === "v1.0.2" ? 1_200_000 : 1_000)
          return Effect.gen(function* () {
            yield* (yield* Controller).synced
            yield* applyImage("a", exact)
            yield* TestClock.adjust("1 second")
            yield* applyImage("b", { ...pattern, mode, frequency: "1d" })
            yield* TestClock.adjust("10 seconds")
            assert.deepStrictEqual(
              world.destination.tags("m/app"),
              TAGS.filter((tag) => tag !== "v1.0.2")
            )
            const waiting = yield* readImage("b")
            assert.strictEqual(waiting.status.tags, "5/6")
            assert.strictEqual(conditionText(waiting, "Ready"), "Unknown DestinationBusy")
            assert.strictEqual(conditionText(waiting, "Reconciling"), "True DestinationBusy")
            for (const { message } of waiting.status.conditions ?? []) {
              assert.match(message, /^5 of 6 tags are copied; .*v1\.0\.2 waits: .*m\/app:v1\.0\.2 .* Image team\/a$/u)
            }
            yield* assertNoErrors

            world.requests.length = 0
            const before = yield* reconciles
            yield* TestClock.adjust("19 minutes")
            assert.isAtMost((yield* reconciles) - before, 24, "a try a minute, after the first few")
            const asked = world.requests.filter((request) => request.includes("source.test"))
            if (mode === "Recurrent")
              assert.deepStrictEqual(asked, [], "a Recurrent tag is not checked again before its copy")

            world.behaviour.takes = () => 1_000
            yield* TestClock.adjust("2 minutes")
            assert.strictEqual(conditionText(yield* readImage("a"), "Ready"), "True Copied")
            const image = yield* readImage("b")
            assert.strictEqual(conditionText(image, "Ready"), "True Copied")
            assert.strictEqual(image.status.tags, "6/6")
            assert.isUndefined(image.status.failures)
            yield* assertNoErrors
          }).pipe(Effect.provide(world.layer))
        }
      )
    }

    it.effect(`a busy tag is free after the other Image is suspended and its copy has ended: engine ${engine}`, () => {
      const world = makeEngineWorld(engine)
      for (const tag of TAGS) world.push(tag)
      world.behaviour.takes = () => 2_000
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("a", exact)
        yield* passSeconds(1)
        yield* applyImage("a", { ...exact, suspend: true })
        yield* TestClock.adjust("10 seconds")
        world.destination.deleteTag("m/app", "v1.0.2")
        yield* applyImage("b", pattern)
        yield* passSeconds(10)
        assert.deepStrictEqual(world.destination.tags("m/app"), TAGS)
        assert.strictEqual(conditionText(yield* readImage("b"), "Ready"), "True Copied")
      }).pipe(Effect.provide(world.layer))
    })
  }
})

describe("a copy engine that cannot start any copy", () => {
  const unable = new CopyEngineError({ reason: "JobsUnknown", detail: "the Jobs could not be listed" })
  const engine = Faults.of(CopyEngine, [{ method: "start", ...Faults.failing(unable) }]).layer(DirectEngine.layer)

  it.effect("a copy engine that cannot start any copy fails the reconcile, which is retried", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "app", "v1.0.2", "app")
    return Effect.gen(function* () {
      const object = yield* applyImage("app", exact)
      assert.strictEqual(yield* Effect.flip((yield* Reconciler).reconcile(readStoredImage(object))), unable)
    }).pipe(Effect.provide(reconcilerLayer(registries, { engine })))
  })
})

describe("a Job whose Secret cannot be created", () => {
  it.effect(
    "a tag whose Job has no Secret has the reason, and the Job gets its Secret when the Secret can be created",
    () => {
      const world = makeEngineWorld("job", { withCredentials: true, total: 2 })
      for (const tag of TAGS) world.push(tag)
      world.behaviour.refusesSecrets = true
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("b", pattern)
        yield* passSeconds(600)
        const waiting = yield* readImage("b")
        assert.strictEqual(conditionText(waiting, "Ready"), "False SecretNotCreated")
        assert.strictEqual(conditionText(waiting, "Reconciling"), "True Copying")
        assert.include(waiting.status.conditions?.[0]?.message ?? "", "exceeded quota")
        assert.lengthOf(waiting.status.failures ?? [], 2, "two Jobs run, the other tags wait for their place")
        yield* assertNoErrors

        world.behaviour.refusesSecrets = false
        yield* TestClock.adjust("70 seconds")
        const image = yield* readImage("b")
        assert.strictEqual(conditionText(image, "Ready"), "True Copied")
        assert.isUndefined(image.status.failures)
      }).pipe(Effect.provide(world.layer))
    }
  )
})
