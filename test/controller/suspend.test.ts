/** A suspended Image: waiting tags are not copied, and running copies are finished and recorded. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import { Images } from "../../src/kube/Resources.ts"
import { makeEngineWorld, passSeconds } from "../support/engineWorld.ts"
import { applyImage, conditionText, readImage } from "../support/world.ts"

const TAGS = Array.from({ length: 12 }, (_, patch) => `v1.0.${patch}`)

const apply = (suspend: boolean) =>
  applyImage("app", {
    suspend,
    source: { name: "source.test/app", version: "v1.0.x" },
    destination: { name: "dest.test/m/app" }
  })

const resourceVersion = Effect.gen(function* () {
  const { items } = yield* (yield* KubeClient).list(Images, { namespace: "team" })
  return items[0]?.metadata.resourceVersion
})

describe("an Image that is suspended while it is copied", () => {
  for (const engine of ["direct", "job"] as const) {
    it.effect(
      `a suspended Image copies no waiting tag, records running copies, and continues when it is resumed: engine ${engine}`,
      () => {
        const world = makeEngineWorld(engine, { total: 4 })
        for (const tag of TAGS) world.push(tag)
        world.behaviour.takes = () => 10_000
        return Effect.gen(function* () {
          const { copies } = yield* CopyEngine
          yield* (yield* Controller).synced
          yield* apply(false)
          // Four tags are copied, and one of the next four will fail.
          yield* passSeconds(15)
          const ready = conditionText(yield* readImage("app"), "Ready")
          const running = (yield* copies({ namespace: "team", name: "app" })).flatMap(({ state, tag }) =>
            state._tag === "Running" ? [tag] : []
          )
          assert.lengthOf(running, 4)
          const [broken = ""] = running
          world.behaviour.fails = (tag) => tag === broken
          yield* apply(true)
          yield* TestClock.adjust("1 second")
          const waiting = (yield* copies({ namespace: "team", name: "app" })).filter(
            ({ state }) => state._tag === "Waiting"
          )
          assert.deepStrictEqual(waiting, [])

          yield* TestClock.adjust("2 minutes")
          const { status } = yield* readImage("app")
          assert.lengthOf(world.destination.tags("m/app") ?? [], 7)
          assert.strictEqual(status.tags, "7/12")
          assert.lengthOf(status.history ?? [], 7)
          assert.deepStrictEqual(
            status.failures?.map(({ attempts, tag }) => [tag, attempts]),
            [[broken, 1]]
          )
          assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), ready)
          assert.deepStrictEqual(yield* copies({ namespace: "team", name: "app" }), [], "each is released")

          const version = yield* resourceVersion
          world.requests.length = 0
          yield* TestClock.adjust("1 day")
          assert.strictEqual(yield* resourceVersion, version)
          assert.deepStrictEqual(world.requests, [])

          world.behaviour.fails = () => false
          yield* apply(false)
          yield* passSeconds(60)
          const resumed = yield* readImage("app")
          assert.strictEqual(conditionText(resumed, "Ready"), "True Copied")
          assert.strictEqual(resumed.status.tags, "12/12")
          assert.lengthOf(world.destination.tags("m/app") ?? [], 12)
        }).pipe(Effect.provide(world.layer))
      }
    )
  }
})
