/** The status of an Image that others write at the same time. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Images } from "../../src/kube/Resources.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import * as Faults from "../support/Faults.ts"
import { applyImage, conditionText, makeRegistries, operatorLayer, readImage, SOURCE } from "../support/world.ts"
import { whole } from "../support/wholeObjects.ts"

/** Minutes in small steps: one long step would end before the copies on a busy machine. */
const pass = (minutes: number) => Effect.repeat(TestClock.adjust("30 seconds"), { times: minutes * 2 - 1 })

describe("an Image that others write", () => {
  it.effect("an Image whose labels another controller writes during each check comes to its end", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "team/app", "1.0.0", "app")
    const apiServer = new ApiServerStore()
    const kube = KubeClientMemory.layer({ store: apiServer })
    let written = 0
    const label = Effect.gen(function* () {
      const client = yield* KubeClient
      const labels = { "other.io/seen": String((written += 1)) }
      yield* client.apply(whole(Images), { metadata: { namespace: "team", name: "app", labels } }, "other")
    }).pipe(Effect.provide(kube), Effect.orDie)
    const client = Faults.of(RegistryClient, [
      { method: "tags", when: ({ repository }) => repository.registry === SOURCE, before: () => label }
    ])
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", {
        source: { name: "source.test/team/app", version: "1.0.x" },
        destination: { name: "dest.test/mirror/app" }
      })
      yield* pass(120)
      const lists = registries.requests.filter((request) => request.startsWith("LIST source.test")).length
      const image = yield* readImage("app")
      assert.strictEqual(image.generation, 1, "the spec is what it was")
      assert.strictEqual(conditionText(image, "Ready"), "True Copied")
      assert.isAtMost(lists, 25, "one check each five minutes")
    }).pipe(Effect.provide(operatorLayer({ layer: client.layer(registries.layer) }, { kube })))
  })
})
