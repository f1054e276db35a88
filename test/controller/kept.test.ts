/** A OneShot pattern copies the selected tags that the destination lacks, and overwrites no tag. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import { Images } from "../../src/kube/Resources.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { subsetOf } from "../../src/oci/PlatformSubset.ts"
import { makeEngineWorld } from "../support/engineWorld.ts"
import { applyImage, conditionText, readImage } from "../support/world.ts"

const TAGS = Array.from({ length: 6 }, (_, patch) => `v1.0.${patch}`)

const spec = (more: { readonly frequency: string; readonly platforms?: ReadonlyArray<string> }) => ({
  ...more,
  source: { name: "source.test/app", version: "v1.0.x" },
  destination: { name: "dest.test/m/app" }
})

describe("a tag that others push to the destination while its copy waits for a slot", () => {
  for (const engine of ["direct", "job"] as const) {
    for (const frequency of ["1m", "1d"]) {
      const how = frequency === "1m" ? "a check sees the tag" : "no check comes before the copy"
      it.effect(
        `a tag that others push while its copy waits is kept and counts as copied: ${how}, engine ${engine}`,
        () => {
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
        }
      )
    }
  }
})

describe("an Image whose platforms are changed while it is copied", () => {
  for (const engine of ["direct", "job"] as const) {
    for (const at of ["runs", "waits"] as const) {
      it.effect(`an Image whose platforms change while its copy ${at} gets the new platforms: engine ${engine}`, () => {
        const world = makeEngineWorld(engine, { total: at === "runs" ? 10 : 1 })
        world.push("v1.0.0")
        const digest = world.push("v1.0.1")
        const index = world.source.manifest("app", digest)
        assert(index !== undefined)
        const subset = Result.getOrThrow(
          subsetOf({ ...index, size: index.bytes.length }, [{ os: "linux", architecture: "amd64" }])
        )
        world.behaviour.takes = () => 30_000
        return Effect.gen(function* () {
          yield* (yield* Controller).synced
          yield* applyImage("app", spec({ frequency: "1m" }))
          yield* TestClock.adjust("10 seconds")
          yield* applyImage("app", spec({ frequency: "1m", platforms: ["linux/amd64"] }))
          yield* TestClock.adjust("5 minutes")
          const image = yield* readImage("app")
          assert.strictEqual(conditionText(image, "Ready"), "True Copied")
          assert.strictEqual(image.status.tags, "2/2")
          assert.strictEqual(world.destination.manifest("m/app", "v1.0.1")?.digest, subset.digest)
        }).pipe(Effect.provide(world.layer))
      })
    }
  }
})

describe("an Image whose status has the digest of a subset that another release made", () => {
  for (const engine of ["direct", "job"] as const) {
    it.effect(`is copied once, and its status names what the destination has: engine ${engine}`, () => {
      const world = makeEngineWorld(engine)
      const source = world.push("v1.0.0")
      const platforms = ["linux/amd64"]
      const recurrent = { ...spec({ frequency: "1m", platforms }), mode: "Recurrent" as const }
      const earlier = `sha256:${"e".repeat(64)}`
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("app", { ...recurrent, suspend: true })
        yield* (yield* KubeClient).applyStatus(
          Images,
          {
            metadata: { namespace: "team", name: "app" },
            status: { subsets: [{ source, platforms: "linux/amd64", digest: earlier }] }
          },
          "skopeo-operator"
        )
        yield* applyImage("app", recurrent)
        yield* TestClock.adjust("5 minutes")
        const image = yield* readImage("app")
        const actual = world.destination.manifest("m/app", "v1.0.0")?.digest
        assert.isDefined(actual)
        assert.strictEqual(conditionText(image, "Ready"), "True Copied")
        assert.deepStrictEqual(
          image.status.history?.map(({ digest }) => digest),
          [actual]
        )
        assert.deepStrictEqual(image.status.subsets, [{ source, platforms: "linux/amd64", digest: actual ?? "" }])
        assert.isUndefined(image.status.failures)
      }).pipe(Effect.provide(world.layer))
    })
  }
})

describe("a Recurrent tag that moves while it is copied", () => {
  for (const engine of ["direct", "job"] as const) {
    it.effect(
      `a Recurrent tag that moves during its copy is copied to the end, and then again: engine ${engine}`,
      () => {
        const world = makeEngineWorld(engine)
        const first = world.push("v1", "first")
        world.behaviour.takes = () => 30_000
        return Effect.gen(function* () {
          yield* (yield* Controller).synced
          yield* applyImage("app", {
            mode: "Recurrent",
            frequency: "10s",
            source: { name: "source.test/app", version: "v1" },
            destination: { name: "dest.test/m/app" }
          })
          yield* TestClock.adjust("5 seconds")
          const second = world.push("v1", "second")
          yield* TestClock.adjust("2 minutes")
          assert.deepStrictEqual(
            (yield* readImage("app")).status.history?.map(({ digest }) => digest),
            [second, first]
          )
        }).pipe(Effect.provide(world.layer))
      }
    )
  }
})
