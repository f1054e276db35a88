/** Two operators over one API server and the same registries: the leader is killed in the middle of copies. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeEngineWorld, passSeconds } from "../support/engineWorld.ts"
import { applyImage, conditionText, readImage } from "../support/world.ts"

const TAGS = Array.from({ length: 12 }, (_, patch) => `v1.0.${patch}`)

describe("two operators", () => {
  for (const engine of ["direct", "job"] as const) {
    for (const how of ["kill", "stop", "cutOff"] as const) {
      const said = { kill: "is killed", stop: "is stopped", cutOff: "no longer reaches the API server" }[how]
      it.effect(
        `the other goes on when the leader ${said}, and no tag is written by both at once: engine ${engine}`,
        () => {
          const world = makeEngineWorld(engine, { total: 4 })
          for (const tag of TAGS) world.push(tag)
          world.behaviour.takes = () => 10_000
          return Effect.gen(function* () {
            const first = yield* world.candidate("first")
            yield* passSeconds(3)
            const second = yield* world.candidate("second")
            yield* applyImage("app", {
              source: { name: "source.test/app", version: "v1.0.x" },
              destination: { name: "dest.test/m/app" }
            })
            yield* passSeconds(15)
            assert.strictEqual((yield* readImage("app")).status.tags, "4/12")
            assert.isAbove(first.written().length, 0)
            assert.deepStrictEqual(second.written(), [])

            const atEnd = first.written().length
            yield* first[how]
            yield* passSeconds(how === "kill" || how === "cutOff" ? 25 : 5)
            const byFirst = first.written().length - atEnd
            if (how !== "cutOff") assert.strictEqual(byFirst, 0)
            assert.isAbove(second.written().length, 0, "the other leads")
            yield* passSeconds(120)
            const image = yield* readImage("app")
            assert.strictEqual(conditionText(image, "Ready"), "True Copied")
            assert.strictEqual(image.status.tags, "12/12")
            for (const tag of TAGS) {
              assert.strictEqual(
                world.destination.manifest("m/app", tag)?.digest,
                world.source.manifest("app", tag)?.digest,
                tag
              )
            }
            // A leader that is cut off writes tags whose copies it cannot record.
            const recorded = (image.status.history ?? []).map(({ tag = "" }) => tag)
            if (how !== "cutOff") assert.deepStrictEqual(recorded.toSorted(), TAGS.toSorted())
            // A tag is written once, by whichever of the two.
            const writes = [...first.written(), ...second.written()]
            const last = Math.max(...first.written().map(({ at }) => at))
            assert.isAbove(Math.min(...second.written().map(({ at }) => at)), last, "the second writes after the first")
            const tags = writes.flatMap(({ tag }) => (tag === undefined ? [] : [tag]))
            if (engine === "direct") assert.deepStrictEqual(tags.toSorted(), TAGS.toSorted())
            else assert.deepStrictEqual(world.jobsBegun.toSorted(), TAGS.toSorted())
            yield* first.kill
            yield* passSeconds(6)
          }).pipe(Effect.provide(world.cluster))
        }
      )
    }
  }
})
