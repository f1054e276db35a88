import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { type ImageIndex, ImageStore } from "../../src/controller/ImageStore.ts"
import { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Images } from "../../src/kube/Resources.ts"

const settle = TestClock.adjust("10 millis")

const object = (namespace: string, name: string, source: string, destination: string) => ({
  metadata: { namespace, name },
  spec: { source: { name: source, version: "v1" }, destination: { name: destination } }
})

/** An object as stored before the CRD had its rules. */
const { admit: _, ...AsStored } = Images

const makeWorld = () => {
  const server = new ApiServerStore()
  const layer = ImageStore.layer({ destinationRegistry: "registry.corp" }).pipe(
    Layer.provide(KubeClientMemory.layer({ store: server }))
  )
  const names = (index: ImageIndex, text: string) =>
    Effect.gen(function* () {
      const found = yield* (yield* ImageStore).by(index, text)
      return found.map(({ name }) => name).sort()
    })
  return { layer, names, server }
}

describe("the store of Images", () => {
  it.effect("the store finds Images by destination, source and namespace, in every spelling of a repository", () => {
    const { layer, names, server } = makeWorld()
    server.create(Images, object("one", "a", "node", "mirror/node"), 0)
    server.create(Images, object("one", "b", "docker.io/library/node", "registry.corp/mirror/node"), 0)
    server.create(Images, object("two", "c", "quay.io/app", "registry.corp/app"), 0)
    return Effect.gen(function* () {
      yield* (yield* ImageStore).synced
      assert.deepStrictEqual(yield* names("destination", "registry.corp/mirror/node"), ["a", "b"])
      assert.deepStrictEqual(yield* names("source", "docker.io/library/node"), ["a", "b"])
      assert.deepStrictEqual(yield* names("source", "quay.io/app"), ["c"])
      assert.deepStrictEqual(yield* names("namespace", "one"), ["a", "b"])

      server.apply(Images, object("one", "a", "node", "mirror/other"), 0)
      server.delete(Images, { namespace: "two", name: "c" }, 0)
      yield* settle
      assert.deepStrictEqual(yield* names("destination", "registry.corp/mirror/node"), ["b"])
      assert.deepStrictEqual(yield* names("destination", "registry.corp/mirror/other"), ["a"])
      assert.deepStrictEqual(yield* names("namespace", "two"), [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("the store has an unreadable Image by its namespace, with its problems", () => {
    const { layer, names, server } = makeWorld()
    server.create(AsStored, { metadata: { namespace: "one", name: "odd" }, spec: ["no", "object"] }, 0)
    server.create(AsStored, object("one", "wrong", "UPPER CASE", "registry.corp/app"), 0)
    server.create(Images, object("one", "good", "quay.io/app", "registry.corp/app"), 0)
    return Effect.gen(function* () {
      const store = yield* ImageStore
      yield* store.synced
      assert.deepStrictEqual(yield* names("namespace", "one"), ["good", "odd", "wrong"])
      assert.deepStrictEqual(yield* names("destination", "registry.corp/app"), ["good"])
      const wrong = Option.getOrThrow(yield* store.get("one/wrong"))
      assert.deepStrictEqual(wrong._tag === "Unreadable" ? wrong.problems.map(({ field }) => field) : [], [
        "spec.source.name"
      ])
    }).pipe(Effect.provide(layer))
  })
})
