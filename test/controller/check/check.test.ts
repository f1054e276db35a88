/** What a check asks of both registries, by mode and by what it finds. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../../src/controller/Controller.ts"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import { applyImage, makeRegistries, operatorLayer, readImage } from "../../support/world.ts"

const TAGS = ["1.0.0", "1.0.1", "1.0.2"]

const world = (there: ReadonlyArray<string>) => {
  const registries = makeRegistries()
  for (const tag of TAGS) pushSampleImage(registries.source, "team/app", tag, tag)
  for (const tag of there) pushSampleImage(registries.destination, "mirror/app", tag, tag)
  return registries
}

/** The first check of an operator that knows nothing, without the copies that come after it. */
const firstCheck = (mode: "OneShot" | "Recurrent", there: ReadonlyArray<string>, version = "1.0.x") => {
  const registries = world(there)
  return Effect.gen(function* () {
    yield* (yield* Controller).synced
    yield* applyImage("app", {
      mode,
      ...(mode === "Recurrent" ? { frequency: "1h" } : {}),
      source: { name: "source.test/team/app", version },
      destination: { name: "dest.test/mirror/app" }
    })
    yield* TestClock.adjust("10 millis")
    assert.strictEqual((yield* readImage("app")).status.tags, version === "1.0.x" ? "3/3" : "1/1")
    return registries.requests.filter((request) => /^(LIST|HEAD) [^@]*$/u.test(request)).sort()
  }).pipe(Effect.provide(operatorLayer(registries)))
}

const headsAt = (repository: string, tags: ReadonlyArray<string>) => tags.map((tag) => `HEAD ${repository}:${tag}`)
const LISTS = { source: "LIST source.test/team/app", destination: "LIST dest.test/mirror/app" }

describe("the first check of a pattern", () => {
  it.effect("OneShot: both lists", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* firstCheck("OneShot", TAGS), [LISTS.destination, LISTS.source])
    })
  )

  it.effect("Recurrent, all there: each tag at both sides, and no list of the destination", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* firstCheck("Recurrent", TAGS), [
        ...headsAt("dest.test/mirror/app", TAGS),
        ...headsAt("source.test/team/app", TAGS),
        LISTS.source
      ])
    })
  )

  it.effect("Recurrent, nothing there: the list of the destination after the first tag", () =>
    Effect.gen(function* () {
      const asked = yield* firstCheck("Recurrent", [])
      assert.lengthOf(
        asked.filter((request) => request.startsWith("HEAD dest.test")),
        1
      )
      assert.include(asked, LISTS.destination)
    })
  )
})

describe("the first check of one tag", () => {
  const [source, destination] = ["source.test/team/app", "dest.test/mirror/app"].map((path) => headsAt(path, ["1.0.0"]))

  it.effect("Recurrent: both sides, whatever the destination answers, so that neither waits for the other", () =>
    Effect.gen(function* () {
      for (const there of [["1.0.0"], []]) {
        const asked = yield* firstCheck("Recurrent", there, "1.0.0")
        assert.deepStrictEqual(asked, [...(destination ?? []), ...(source ?? [])])
      }
    })
  )

  it.effect("OneShot: the source only for what is missing, which is read at once", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* firstCheck("OneShot", [], "1.0.0"), destination)
    })
  )
})
