/** A OneShot pattern copies what the destination lacks, and never overwrites what has come there by another way. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import { pushSampleImage } from "../../src/registry/SampleImage.ts"
import { makeEngineWorld } from "../support/engineWorld.ts"
import { applyImage, conditionText, readImage } from "../support/world.ts"

const TAGS = Array.from({ length: 6 }, (_, patch) => `v1.0.${patch}`)

const spec = (more: { readonly frequency: string; readonly platforms?: ReadonlyArray<string> }) => ({
  ...more,
  source: { name: "source.test/app", version: "v1.0.x" },
  destination: { name: "dest.test/m/app" }
})

describe("a tag that somebody pushes to the destination while its copy waits for its place", () => {
  for (const engine of ["direct", "job"] as const) {
    for (const frequency of ["1m", "1d"]) {
      const how = frequency === "1m" ? "a check sees the tag" : "no check comes before the copy"
      it.effect(`is left as it is and counts as present: ${how}, engine ${engine}`, () => {
        const world = makeEngineWorld(engine, { total: 1 })
        const digests = new Map(TAGS.map((tag) => [tag, world.push(tag)]))
        world.behaviour.takes = () => 60_000
        return Effect.gen(function* () {
          yield* (yield* Controller).synced
          yield* applyImage("app", spec({ frequency }))
          yield* TestClock.adjust("30 seconds")
          const theirs = pushSampleImage(world.destination, "m/app", "v1.0.4", "theirs")
          yield* TestClock.adjust("100 seconds")
          const { copies } = yield* CopyEngine
          const waiting = (yield* copies({ namespace: "team", name: "app" })).map(({ tag }) => tag)
          assert.strictEqual(waiting.includes("v1.0.4"), frequency === "1d")
          yield* TestClock.adjust("10 minutes")
          for (const tag of TAGS) {
            const expected = tag === "v1.0.4" ? theirs : digests.get(tag)
            assert.strictEqual(world.destination.manifest("m/app", tag)?.digest, expected, tag)
          }
          const image = yield* readImage("app")
          assert.strictEqual(conditionText(image, "Ready"), "True Copied")
          assert.strictEqual(image.status.tags, "6/6")
          assert.sameMembers(
            image.status.history?.map(({ tag }) => tag) ?? [],
            TAGS.filter((tag) => tag !== "v1.0.4")
          )
          assert.isUndefined(image.status.failures)
        }).pipe(Effect.provide(world.layer))
      })
    }
  }
})
