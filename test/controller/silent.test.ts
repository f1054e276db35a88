/** A registry that does not answer holds up nothing but the checks that ask it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import { Images } from "../../src/kube/Resources.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import * as Faults from "../support/Faults.ts"
import { applyImage, conditionText, makeRegistries, operatorLayer, readImage, SOURCE } from "../support/world.ts"

/** Seconds in small steps: one long step would end before the copies on a busy machine. */
const pass = (seconds: number) => Effect.repeat(TestClock.adjust("1 second"), { times: seconds - 1 })

/** A source whose answers about some references never come. */
const makeWorld = (isSilent: (reference: string) => boolean) => {
  const registries = makeRegistries()
  for (const tag of ["1.0.0", "1.0.1", "2.0.0"]) pushSampleImage(registries.source, "team/app", tag, tag)
  const client = Faults.of(RegistryClient, [
    {
      method: "head",
      when: ({ repository }, reference) => repository.registry === SOURCE && isSilent(reference),
      ...Faults.delayed("20 minutes")
    },
    {
      method: "manifest",
      when: ({ repository }, reference) => repository.registry === SOURCE && isSilent(reference),
      ...Faults.delayed("20 minutes")
    },
    { method: "putManifest", ...Faults.delayed("10 minutes") }
  ])
  return { ...registries, layer: operatorLayer({ layer: client.layer(registries.layer) }) }
}

const apply = (version: string, destination = "dest.test/mirror/app") =>
  applyImage("app", {
    mode: "Recurrent",
    frequency: "1m",
    source: { name: "source.test/team/app", version },
    destination: { name: destination }
  })

describe("a check that waits for a silent registry", () => {
  it.effect("fails after 2 minutes, says what it waited for, and asks nothing twice when it goes on", () => {
    const { layer, requests } = makeWorld((reference) => reference === "1.0.1")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* apply("1.0.x")
      yield* pass(119)
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "")
      yield* pass(2)
      const ready = (yield* readImage("app")).status.conditions?.find(({ type }) => type === "Ready")
      assert.strictEqual(ready?.reason, "Unreachable")
      assert.include(ready?.message, "source.test/team/app:1.0.1")
      yield* pass(200)
      const asked = requests.filter((request) => request === "LIST source.test/team/app")
      assert.lengthOf(asked, 1)
    }).pipe(Effect.provide(layer))
  })

  for (const change of ["deleted", "given another version"] as const) {
    it.effect(`gives way when its Image is ${change}, whose earlier copies then end at once`, () => {
      let isSilent = false
      const { layer } = makeWorld((reference) => isSilent && reference.startsWith("1."))
      return Effect.gen(function* () {
        const engine = yield* CopyEngine
        const copies = Effect.map(engine.copies({ namespace: "team", name: "app" }), (all) => all.map(({ tag }) => tag))
        yield* (yield* Controller).synced
        yield* apply("1.0.0")
        yield* pass(5)
        isSilent = true
        yield* pass(70)
        assert.deepStrictEqual(yield* copies, ["1.0.0"], "the copy goes on while the next check waits")
        if (change === "deleted") yield* (yield* KubeClient).delete(Images, { namespace: "team", name: "app" })
        else yield* apply("2.0.0")
        yield* pass(3)
        assert.deepStrictEqual(yield* copies, change === "deleted" ? [] : ["2.0.0"])
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect(
    "a copy to an earlier destination ends as soon as its Image has another one, before the check of a silent source",
    () => {
      let isSilent = false
      const { layer } = makeWorld(() => isSilent)
      return Effect.gen(function* () {
        const engine = yield* CopyEngine
        const copies = engine.copies({ namespace: "team", name: "app" })
        yield* (yield* Controller).synced
        yield* apply("1.0.0")
        yield* pass(5)
        assert.lengthOf(yield* copies, 1)
        isSilent = true
        yield* apply("1.0.0", "dest.test/mirror/other")
        yield* pass(3)
        assert.lengthOf(yield* copies, 0)
        assert.strictEqual((yield* readImage("app")).status.observedGeneration, -1, "the check still waits")
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("does not hold up the Images of other registries", () => {
    const { destination, layer } = makeWorld(() => true)
    pushSampleImage(destination, "team/app", "1.0.0", "app")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      for (let i = 0; i < 10; i++) {
        yield* applyImage(`slow-${i}`, {
          source: { name: "source.test/team/app", version: "1.0.0" },
          destination: { name: `dest.test/slow/${i}` }
        })
      }
      yield* pass(5)
      yield* applyImage("app", {
        source: { name: "dest.test/team/app", version: "1.0.0" },
        destination: { name: "dest.test/mirror/app" }
      })
      yield* pass(5)
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "Unknown Copying")
    }).pipe(Effect.provide(layer))
  })
})
