/** The requests of a copy to its destination: no more than the protocol needs, given the known facts. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import type { Missing } from "../../src/domain/Copy.ts"
import type { Intercept } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { accessTo, client, worldOf } from "../support/copyWorld.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { pathOf } from "../support/ScriptedServer.ts"
import { copyImage } from "../support/copying.ts"

/** An image of two platforms (four blobs, three manifests) and a destination, whose requests are counted by method and kind. */
const countingWorld = Effect.fnUntraced(function* (intercept: Intercept = () => false) {
  const { destination, source } = yield* worldOf({ destination: { intercept } })
  const digest = pushSampleImage(source.store, "app", "v1", "seed")
  return {
    destination,
    copyTo: (path: string, missing?: Missing, onlyIfMissing = false, tag = "v1") =>
      Effect.gen(function* () {
        const before = destination.requests.length
        yield* copyImage({
          onlyIfMissing,
          source: accessTo(source.host, "app"),
          digest,
          destination: accessTo(destination.host, path),
          ...(missing === undefined ? {} : { missing }),
          tag
        })
        assert.strictEqual(destination.store.manifest(path, tag)?.digest, digest)
        const counts: Record<string, number> = {}
        for (const request of destination.requests.slice(before)) {
          const [method = "", target = ""] = request.split(" ")
          const kind = target.includes("mount=") ? "mount" : target.includes("/manifests/") ? "manifest" : "blob"
          counts[`${method} ${kind}`] = (counts[`${method} ${kind}`] ?? 0) + 1
        }
        return counts
      })
  }
})

/** A registry that answers each mount with an upload, as ECR does by default. */
const mountsNothing: Intercept = (request) => {
  if (request.method === "POST") request.url = pathOf(request)
  return false
}

describe("the requests of a copy to its destination", () => {
  itOnSockets("a copy to an empty repository sends two requests per blob and one per manifest", () =>
    Effect.gen(function* () {
      const { copyTo } = yield* countingWorld()
      assert.deepStrictEqual(yield* copyTo("mirror/a", "Repository"), {
        "POST blob": 4,
        "PUT blob": 4,
        "PUT manifest": 3
      })
    }).pipe(Effect.provide(client))
  )

  itOnSockets("a copy that overwrites no tag sends HEAD for the tag last", () =>
    Effect.gen(function* () {
      const { copyTo, destination } = yield* countingWorld()
      assert.deepStrictEqual(yield* copyTo("mirror/a", "Repository", true), {
        "POST blob": 4,
        "PUT blob": 4,
        "PUT manifest": 3,
        "HEAD manifest": 1,
        "GET manifest": 1
      })
      assert.deepStrictEqual(destination.requests.slice(-3), [
        "HEAD /v2/mirror/a/manifests/v1",
        // Nothing is known yet about HEAD at this registry.
        "GET /v2/mirror/a/manifests/v1",
        "PUT /v2/mirror/a/manifests/v1"
      ])
    }).pipe(Effect.provide(client))
  )

  itOnSockets("copies that overwrite no tag check one 404 by GET and the others by one HEAD of a written tag", () =>
    Effect.gen(function* () {
      const { copyTo } = yield* countingWorld()
      const answers = yield* Effect.forEach(["v1", "v2", "v3", "v4"], (tag) => copyTo("mirror/a", "Tag", true, tag))
      const asked = answers.map((counts) => [counts["HEAD manifest"], counts["GET manifest"]])
      assert.deepStrictEqual(asked, [
        [1, 1],
        [2, undefined],
        [1, undefined],
        [1, undefined]
      ])
    }).pipe(Effect.provide(client))
  )

  itOnSockets(
    "a copy to a repository of unknown contents probes mounts once, and each upload asks for the blob too",
    () =>
      Effect.gen(function* () {
        const { copyTo } = yield* countingWorld()
        assert.deepStrictEqual(yield* copyTo("mirror/a"), { "POST mount": 5, "PUT blob": 4, "PUT manifest": 3 })
      }).pipe(Effect.provide(client))
  )

  itOnSockets("the copy of a first new tag sends uploads only, and no blob that another tag has", () =>
    Effect.gen(function* () {
      const { copyTo, destination } = yield* countingWorld()
      pushSampleImage(destination.store, "mirror/a", "v0", "seed", { platforms: ["linux/amd64"] })
      const counts = yield* copyTo("mirror/a", "Tag")
      assert.deepStrictEqual(counts, { "POST mount": 4, "PUT blob": 2, "PUT manifest": 3 })
    }).pipe(Effect.provide(client))
  )

  itOnSockets("a copy mounts the blobs of a sibling repository with one request per blob", () =>
    Effect.gen(function* () {
      const { copyTo } = yield* countingWorld()
      yield* copyTo("mirror/a", "Repository")
      assert.deepStrictEqual(yield* copyTo("mirror/b", "Repository"), { "POST mount": 4, "PUT manifest": 3 })
    }).pipe(Effect.provide(client))
  )

  itOnSockets(
    "the copy of a second new tag sends no probe, because the shared blobs show whether the registry mounts",
    () =>
      Effect.gen(function* () {
        const { copyTo } = yield* countingWorld()
        yield* copyTo("mirror/a", "Tag")
        assert.deepStrictEqual(yield* copyTo("mirror/b", "Tag"), { "POST mount": 4, "PUT manifest": 3 })
      }).pipe(Effect.provide(client))
  )

  itOnSockets("a copy to a registry that does not mount sends HEAD before each blob", () =>
    Effect.gen(function* () {
      const { copyTo } = yield* countingWorld(mountsNothing)
      yield* copyTo("mirror/a", "Repository")
      const sibling = yield* copyTo("mirror/b")
      assert.strictEqual(sibling["HEAD blob"], 3, "the first blob probed the registry")
      assert.strictEqual(sibling["PUT blob"], 4)
    }).pipe(Effect.provide(client))
  )
})
