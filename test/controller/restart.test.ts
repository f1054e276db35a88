/** An operator that is killed, and its successor over the same API server and registries. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { makeEngineWorld } from "../support/engineWorld.ts"
import { applyImage, conditionText, readImage } from "../support/world.ts"

const TAGS = Array.from({ length: 12 }, (_, patch) => `v1.0.${patch}`)

/** Runs all work that is due. */
const settle = TestClock.adjust("10 millis")

const twice = (texts: ReadonlyArray<string>): ReadonlyArray<string> =>
  texts.filter((text, index) => texts.indexOf(text) !== index)

describe("an operator that is killed in the middle of copies", () => {
  for (const engine of ["direct", "job"] as const) {
    it.effect(
      `the successor of a killed operator copies the remaining tags, and no tag a second time: engine ${engine}`,
      () => {
        const world = makeEngineWorld(engine, { total: 4 })
        for (const tag of TAGS) world.push(tag)
        world.behaviour.takes = () => 10_000
        const written = (...methods: ReadonlyArray<"PUT" | "POST">) =>
          world.requests.filter((request) => methods.some((method) => request.startsWith(`${method} dest.test`)))
        return Effect.gen(function* () {
          const first = yield* world.start
          yield* applyImage("app", {
            source: { name: "source.test/app", version: "v1.0.x" },
            destination: { name: "dest.test/m/app" }
          })
          yield* settle
          // Four tags are copied, and four more copies run.
          yield* TestClock.adjust("15 seconds")
          assert.strictEqual((yield* readImage("app")).status.tags, "4/12")
          yield* first.kill

          const atKill = written("PUT", "POST").length
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(written("PUT", "POST").length, atKill, "a killed operator writes nothing")
          // The cluster continues its Jobs.
          assert.lengthOf(world.destination.tags("m/app") ?? [], engine === "job" ? 8 : 4)
          assert.strictEqual((yield* readImage("app")).status.tags, "4/12")

          yield* world.start
          yield* settle
          yield* TestClock.adjust("2 minutes")
          const { status } = yield* readImage("app")
          assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
          assert.strictEqual(status.tags, "12/12")
          assert.deepStrictEqual(
            [...(world.destination.tags("m/app") ?? [])].sort(),
            [...TAGS].sort(),
            "every tag has arrived"
          )
          for (const tag of TAGS) {
            assert.strictEqual(
              world.destination.manifest("m/app", tag)?.digest,
              world.source.manifest("app", tag)?.digest,
              tag
            )
          }
          const recorded = (status.history ?? []).map(({ tag = "" }) => tag)
          assert.deepStrictEqual(recorded.toSorted(), TAGS.toSorted(), "every copy is recorded once")
          assert.deepStrictEqual(twice(engine === "job" ? world.jobsBegun : written("PUT")), [])
          // Each of the four interrupted copies starts over, with a configuration and a layer for two platforms.
          assert.isAtMost(twice(written("POST")).length, 4 * 4)
        }).pipe(Effect.provide(world.cluster))
      }
    )
  }
})
