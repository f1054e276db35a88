/** The facts of a decision, gathered without a cluster and without acting on the decision. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Gather from "../../src/controller/gather.ts"
import { ImageMemory } from "../../src/controller/ImageMemory.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import { Policy } from "../../src/credentials/Policy.ts"
import type { Copy } from "../../src/domain/Copy.ts"
import type { ImageSpec } from "../../src/domain/Image.ts"
import { decide } from "../../src/domain/plan/decide.ts"
import { readStoredImage } from "../../src/domain/StoredImage.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { endpoint } from "../support/endpoints.ts"
import { makeRegistries } from "../support/world.ts"

const supports = { platforms: true, referrers: true, manifests: true }

const imageOf = (spec: Partial<typeof ImageSpec.Encoded> = {}) =>
  readStoredImage({
    metadata: { namespace: "team", name: "app", uid: "uid-1", generation: 1, resourceVersion: "1" },
    spec: {
      source: { name: "source.test/app", version: "1.x" },
      destination: { name: "dest.test/app" },
      ...spec
    }
  } as Parameters<typeof readStoredImage>[0])

const claims = { against: () => Effect.succeed(new Map()), companionOwner: () => Effect.succeed(undefined) }

const world = () => {
  const registries = makeRegistries()
  for (const tag of ["1.0", "1.1"]) pushSampleImage(registries.source, "app", tag, tag)
  const memory = new ImageMemory()
  const gather = (image: ReturnType<typeof imageOf>, copies: ReadonlyArray<Copy> = []) =>
    Effect.flatMap(Gather.make({ claims, memory, supports }), (gather) => gather(image, copies)).pipe(
      Effect.provide(Layer.mergeAll(registries.layer, Credentials.layerAnonymous, Policy.layerNone))
    )
  return { ...registries, memory, gather }
}

describe("gathering", () => {
  it.effect(
    "a new Image is checked without a cluster and without a write, and the facts suffice for a decision",
    () => {
      const { gather, memory, requests } = world()
      return Effect.gen(function* () {
        const image = imageOf()
        const gathered = yield* gather(image)
        assert(gathered._tag === "Observed")
        assert.deepStrictEqual([gathered.fresh, gathered.observed.missing], [true, "Repository"])
        assert.isTrue(
          requests.every((request) => /^(?:LIST|HEAD|GET) /u.test(request)),
          requests.join()
        )
        assert.isUndefined(memory.lastCheck(image), "gathering remembers no check")
        assert.deepStrictEqual(
          decide(image, gathered, 0).start.map(({ tag }) => tag),
          ["1.0", "1.1"]
        )
      })
    }
  )

  it.effect("the result of the last check is a fact of the next check", () => {
    const { gather, memory } = world()
    return Effect.gen(function* () {
      const image = imageOf()
      const first = yield* gather(image)
      assert(first._tag === "Observed")
      assert.isUndefined(first.before)
      memory.checked(image, { observed: first.observed, warnings: [] })
      const second = yield* gather(image)
      assert(second._tag === "Observed")
      assert.deepStrictEqual([second.fresh, second.before], [true, first.observed])
    })
  })

  it.effect("of a refused spec only the problems are gathered", () => {
    const { gather, requests } = world()
    return Effect.gen(function* () {
      const gathered = yield* gather(
        imageOf({ tags: { latest: 1 }, source: { name: "source.test/app", version: "1.0" } })
      )
      assert.strictEqual(gathered._tag, "Invalid")
      assert.strictEqual((yield* gather(imageOf({ frequency: "never" })))._tag, "Invalid")
      assert.deepStrictEqual(requests, [])
    })
  })

  it.effect("a suspended Image is not checked", () => {
    const { gather, requests } = world()
    return Effect.gen(function* () {
      assert.strictEqual((yield* gather(imageOf({ suspend: true })))._tag, "Unobserved")
      assert.deepStrictEqual(requests, [])
    })
  })

  it.effect("a silent registry is a fact and no error", () => {
    const { gather } = world()
    return Effect.gen(function* () {
      const gathered = yield* gather(imageOf({ source: { name: "nowhere.test/app", version: "1.x" } }))
      assert(gathered._tag === "Blocked")
      assert.strictEqual(gathered.failure.reason, "Unreachable")
    })
  })

  it.effect("an Image with a deferred copy has a position among the waiting Images of its namespace", () => {
    const { gather, memory } = world()
    const deferred: Copy = {
      image: { namespace: "team", name: "app", uid: "uid-1" },
      generation: 1,
      source: endpoint("source.test", "app"),
      digest: "sha256:0",
      platforms: [],
      destinationDigest: "sha256:0",
      referrers: false,
      destination: endpoint("dest.test", "app"),
      tag: "1.0",
      onlyIfMissing: true,
      id: "1",
      state: { _tag: "Failed", at: 0, reason: "RateLimited", message: "429", until: 60_000 }
    }
    return Effect.gen(function* () {
      memory.wait({ namespace: "team", name: "earlier", uid: "uid-0" })
      const gathered = yield* gather(imageOf(), [deferred])
      assert.strictEqual(gathered._tag === "Observed" ? gathered.position : undefined, 1)
    })
  })
})
