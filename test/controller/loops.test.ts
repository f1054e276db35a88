/** A waiting Image causes no loop of reconciles or requests. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { cosignTagsOf } from "../../src/oci/Referrers.ts"
import { makeEngineWorld, reconciles } from "../support/engineWorld.ts"
import { applyImage, conditionText, readImage } from "../support/world.ts"

describe("a tag whose copy failed and whose signature has to come first", () => {
  const spec = {
    mode: "Recurrent" as const,
    referrers: true,
    source: { name: "source.test/app", version: "v1" },
    destination: { name: "dest.test/m/app" }
  }
  const SIGNED = { platforms: ["linux/amd64"] }

  /** The signature is copied, the copy of its tag has failed once, and the image is signed again. */
  const signedAgain = Effect.fnUntraced(function* (world: ReturnType<typeof makeEngineWorld>) {
    const [signature = ""] = cosignTagsOf(world.push("v1"))
    world.push(signature, "signed", SIGNED)
    world.behaviour.latency = 20
    world.behaviour.fails = (tag) => tag === "v1"
    yield* (yield* Controller).synced
    yield* applyImage("app", spec)
    yield* TestClock.adjust("5 seconds")
    const { status } = yield* readImage("app")
    assert.deepStrictEqual(
      status.failures?.map(({ attempts, tag }) => [tag, attempts]),
      [["v1", 1]]
    )
    world.push(signature, "signed again", SIGNED)
    return signature
  })

  for (const engine of ["tags", "job"] as const) {
    it.effect(
      `a failed tag that waits for its new signature costs one check, however long the signature takes: engine ${engine}`,
      () => {
        const world = makeEngineWorld(engine)
        return Effect.gen(function* () {
          const signature = yield* signedAgain(world)
          world.behaviour.takes = (tag) => (tag === signature ? 60_000 : 0)
          world.requests.length = 0
          const before = yield* reconciles
          yield* TestClock.adjust("50 seconds")
          assert.isAtMost((yield* reconciles) - before, 4)
          assert.isAtMost(world.requests.filter((request) => request.startsWith("HEAD source.test")).length, 15)
          assert.strictEqual(conditionText(yield* readImage("app"), "Reconciling"), "True Copying")

          world.behaviour.fails = () => false
          yield* TestClock.adjust("30 seconds")
          assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
        }).pipe(Effect.provide(world.layer))
      }
    )

    it.effect(
      `a failed tag is checked at the times of its signature's retries while the signature fails too: engine ${engine}`,
      () => {
        const world = makeEngineWorld(engine)
        return Effect.gen(function* () {
          yield* signedAgain(world)
          world.behaviour.fails = () => true
          const before = yield* reconciles
          yield* TestClock.adjust("2 minutes")
          // Three retries, each with a reconcile for its start, run and record.
          assert.isAtMost((yield* reconciles) - before, 16)
          const { status } = yield* readImage("app")
          assert.sameMembers(status.failures?.map(({ attempts }) => attempts) ?? [], [1, 4])
        }).pipe(Effect.provide(world.layer))
      }
    )
  }
})

describe("a check that takes longer than the Image's frequency", () => {
  it.effect("a check that takes longer than the frequency is followed by a pause until the Image's next phase", () => {
    const world = makeEngineWorld("direct")
    world.push("v1")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", {
        mode: "Recurrent",
        frequency: "10s",
        source: { name: "source.test/app", version: "v1" },
        destination: { name: "dest.test/m/app" }
      })
      yield* TestClock.adjust("1 second")
      world.behaviour.latency = 15_000
      world.requests.length = 0
      yield* TestClock.adjust("10 minutes")
      const checks = world.requests.filter((request) => request === "HEAD source.test/app:v1").length
      assert.isAtMost(checks, 30, "one in 20 s")
      assert.isAtLeast(checks, 28)
    }).pipe(Effect.provide(world.layer))
  })
})
