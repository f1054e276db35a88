import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { AnsweredClient, makeTagLists } from "../../src/controller/check/AnsweredClient.ts"
import { ImageMemory } from "../../src/controller/ImageMemory.ts"
import type { ImageHeader } from "../../src/domain/Image.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { makeRegistries } from "../support/world.ts"

const imageOf = (name: string, more: Partial<ImageHeader> = {}): ImageHeader => ({
  namespace: "team",
  name,
  uid: `uid of ${name}`,
  generation: 1,
  status: {},
  notices: [],
  ...more
})
const lastCheck = { observed: { generation: 1, tags: [] }, warnings: [] }

/** A client with the given number of answered lists of referrers, of some 300 bytes each. */
const answeredOf = Effect.fnUntraced(function* (count: number) {
  const answered = new AnsweredClient(yield* RegistryClient, makeTagLists(1_000_000))
  const access = { repository: { registry: "source.test", path: "app" }, tlsVerify: true, credential: Option.none() }
  for (let i = 0; i < count; i++) yield* answered.client.referrers(access, `sha256:${i}`)
  return answered
}, Effect.provide(makeRegistries().layer))

describe("the memory of Images", () => {
  it("the last check of an Image is remembered until the Image is forgotten, and does not count for a later Image of the same name", () => {
    const memory = new ImageMemory()
    memory.checked(imageOf("app"), lastCheck)
    assert.strictEqual(memory.lastCheck(imageOf("app")), lastCheck)
    assert.isUndefined(memory.lastCheck(imageOf("app", { uid: "another" })))
    assert.isUndefined(memory.lastCheck(imageOf("other")))
    assert.isUndefined(memory.lastCheck(imageOf("app", { namespace: "others" })))
    memory.checked(imageOf("app", { uid: "another" }), lastCheck)
    assert.isUndefined(memory.lastCheck(imageOf("app")), "one record for a name")
    memory.forget(imageOf("app"))
    assert.isUndefined(memory.lastCheck(imageOf("app", { uid: "another" })))
  })

  it.effect("the answers of an interrupted check are given once, and only for the same spec of the same Image", () =>
    Effect.gen(function* () {
      const memory = new ImageMemory()
      const answered = yield* answeredOf(1)
      memory.keepInterrupted(imageOf("app"), answered)
      assert.strictEqual(memory.takeInterrupted(imageOf("app")), answered)
      assert.isUndefined(memory.takeInterrupted(imageOf("app")))
      for (const other of [imageOf("app", { generation: 2 }), imageOf("app", { uid: "another" }), imageOf("other")]) {
        memory.keepInterrupted(imageOf("app"), answered)
        assert.isUndefined(memory.takeInterrupted(other))
      }
      memory.keepInterrupted(imageOf("app"), answered)
      memory.checked(imageOf("app"), lastCheck)
      memory.forgetCheck(imageOf("app"))
      assert.strictEqual(memory.takeInterrupted(imageOf("app")), answered, "the check before has other answers")
      memory.keepInterrupted(imageOf("app"), answered)
      memory.forget(imageOf("app"))
      assert.isUndefined(memory.takeInterrupted(imageOf("app")))
    })
  )

  it.effect("the oldest answers beyond the limit of bytes are dropped", () =>
    Effect.gen(function* () {
      const answersBytes = (yield* answeredOf(100)).bytes
      const memory = new ImageMemory({ answersBytes })
      const answered = yield* answeredOf(40)
      const names = ["a", "b", "c", "d"]
      for (const name of names) memory.keepInterrupted(imageOf(name), answered)
      memory.keepInterrupted(imageOf("c"), answered)
      assert.deepStrictEqual(
        names.filter((name) => memory.takeInterrupted(imageOf(name)) !== undefined),
        ["c", "d"]
      )
      memory.keepInterrupted(imageOf("a"), yield* answeredOf(101))
      assert.isUndefined(memory.takeInterrupted(imageOf("a")), "one that is too large alone")
    })
  )

  it("results of checks beyond a bound are forgotten, the oldest first, and never the newest", () => {
    const memory = new ImageMemory({ checkedTags: 100 })
    const checkOf = (count: number) => ({
      observed: { generation: 1, tags: Array.from({ length: count }, (_, i) => ({ tag: `1.${i}`, exists: false })) },
      warnings: []
    })
    const known = () => ["a", "b", "c", "d"].filter((name) => memory.lastCheck(imageOf(name)) !== undefined)
    for (const name of ["a", "b", "c"]) memory.checked(imageOf(name), checkOf(33))
    memory.checked(imageOf("a"), checkOf(33))
    memory.checked(imageOf("d"), checkOf(30))
    assert.deepStrictEqual(known(), ["a", "c", "d"])
    memory.forget(imageOf("c"))
    memory.checked(imageOf("b"), checkOf(30))
    assert.deepStrictEqual(known(), ["a", "b", "d"])
    memory.checked(imageOf("c"), checkOf(101))
    assert.deepStrictEqual(known(), ["c"])
  })

  it("waiting Images of a namespace have positions in the order in which they began to wait", () => {
    const memory = new ImageMemory()
    const wait = (name: string, namespace = "team") => memory.wait(imageOf(name, { namespace }))
    assert.deepStrictEqual([wait("a"), wait("b"), wait("c")], [0, 1, 2])
    assert.strictEqual(wait("a", "others"), 0, "each namespace has an order of its own")
    assert.deepStrictEqual([wait("c"), wait("a")], [2, 0])
    memory.checked(imageOf("b"), lastCheck)
    assert.strictEqual(wait("c"), 2, "an Image with remaining copies keeps its position")
    memory.forget(imageOf("a"))
    assert.deepStrictEqual([wait("b"), wait("c"), wait("a")], [0, 1, 2])
  })
})
