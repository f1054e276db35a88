/** How often the status of an Image is written while its copies run. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import * as Faults from "../support/Faults.ts"
import { applyImage, conditionText, DESTINATION, makeRegistries, operatorLayer, readImage } from "../support/world.ts"

const TAGS = Array.from({ length: 40 }, (_, number) => `1.0.${number}`)
const IMAGE = { source: { name: "source.test/app", version: "1.0.x" }, destination: { name: "dest.test/app" } }

/** An operator whose copies all begin at once. `endOf` gives the milliseconds until a copy ends, by the position of its tag. */
const world = (endOf: (position: number) => number) => {
  const registries = makeRegistries()
  for (const tag of TAGS) pushSampleImage(registries.source, "app", tag, tag)
  const kube = Faults.of(KubeClient)
  const client = Faults.of(RegistryClient, [
    {
      method: "putManifest",
      when: ({ repository }, reference) => repository.registry === DESTINATION && TAGS.includes(reference),
      before: (_, reference) => Effect.sleep(endOf(TAGS.indexOf(reference)))
    }
  ])
  const layer = operatorLayer(
    { layer: client.layer(registries.layer) },
    { kube: kube.layer(KubeClientMemory.layer()), limits: { total: TAGS.length, perRegistry: TAGS.length } }
  )
  const writes = () => kube.calls.filter(({ method }) => method === "applyStatus").length
  return { layer, writes }
}

describe("the status of an Image whose copies end", () => {
  it.effect(
    "copies that end within a second cost a few writes of the status, and the last one is recorded at once",
    () => {
      const { layer, writes } = world((position) => 1_000 + 20 * position)
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("app", IMAGE)
        yield* Effect.repeat(TestClock.adjust("10 millis"), { times: 50 })
        const planned = writes()
        const end = 1_000 + 20 * (TAGS.length - 1)
        yield* Effect.repeat(TestClock.adjust("10 millis"), { times: end / 10 - 50 + 2 })
        assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
        assert.isAtMost(writes() - planned, 2 + (end - 1_000) / 250)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("a copy that ends while others run is recorded within a quarter of a second", () => {
    const { layer } = world((position) => (position < 2 ? 1_000 + 100 * position : 60_000))
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", IMAGE)
      yield* Effect.repeat(TestClock.adjust("10 millis"), { times: 140 })
      assert.strictEqual((yield* readImage("app")).status.tags, "2/40")
    }).pipe(Effect.provide(layer))
  })
})
