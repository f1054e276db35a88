/** The plan of an Image's copies, which its status has before they start. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import * as Faults from "../support/Faults.ts"
import { applyImage, conditionText, DESTINATION, makeRegistries, operatorLayer, readImage } from "../support/world.ts"

const TAGS = ["1.0.0", "1.0.1", "1.0.2"]

describe("the plan of an Image's copies", () => {
  it.effect(
    "the plan stands in the status before the first copy writes, shrinks with each copy, and costs no write",
    () => {
      const registries = makeRegistries()
      for (const tag of TAGS) pushSampleImage(registries.source, "app", tag, tag)
      const kube = Faults.of(KubeClient)
      const client = Faults.of(RegistryClient, [
        {
          method: "putManifest",
          when: ({ repository }) => repository.registry === DESTINATION,
          before: (_, reference) => Effect.sleep(`${1 + TAGS.indexOf(reference)} minutes`)
        }
      ])
      const written = () => kube.calls.filter(({ method }) => method === "applyStatus").length
      const plan = Effect.map(readImage("app"), ({ status }) => status.plan)
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("app", {
          source: { name: "source.test/app", version: "1.0.x" },
          destination: { name: "dest.test/app" }
        })
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(registries.destination.tags("app") ?? [], [])
        const first = yield* plan
        assert.deepStrictEqual(
          [first?.copies, first?.tags.map(({ reason, tag }) => `${tag} ${reason}`)],
          [3, TAGS.map((tag) => `${tag} Missing`)]
        )
        assert.strictEqual(first?.tags[0]?.digest, registries.source.manifest("app", "1.0.0")?.digest)
        assert.strictEqual(written(), 1)
        yield* Effect.repeat(TestClock.adjust("10 seconds"), { times: 9 })
        assert.strictEqual((yield* plan)?.copies, 2)
        yield* Effect.repeat(TestClock.adjust("10 seconds"), { times: 9 })
        assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
        assert.isUndefined(yield* plan)
        assert.strictEqual(written(), 1 + TAGS.length)
      }).pipe(
        Effect.provide(
          operatorLayer({ layer: client.layer(registries.layer) }, { kube: kube.layer(KubeClientMemory.layer()) })
        )
      )
    }
  )
})
