/** What a copy asks of a destination: no more than the protocol needs for what is known of it. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import type { Missing } from "../../src/domain/Copy.ts"
import type { Intercept } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { accessTo, client, worldOf } from "../support/copyWorld.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { pathOf } from "../support/ScriptedServer.ts"
import { copyImage } from "../support/copying.ts"

/** A two-platform image (four blobs, three manifests) and a destination, whose requests are told by method and kind. */
const countingWorld = Effect.fnUntraced(function* (intercept: Intercept = () => false) {
  const { destination, source } = yield* worldOf({ destination: { intercept } })
  const digest = pushSampleImage(source.store, "app", "v1", "seed")
  return {
    destination,
    copyTo: (path: string, missing?: Missing, onlyIfMissing = false) =>
      Effect.gen(function* () {
        const before = destination.requests.length
        yield* copyImage({
          onlyIfMissing,
          source: accessTo(source.host, "app"),
          digest,
          destination: accessTo(destination.host, path),
          ...(missing === undefined ? {} : { missing }),
          tag: "v1"
        })
        assert.strictEqual(destination.store.manifest(path, "v1")?.digest, digest)
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

/** A registry that answers to a mount with an upload, as ECR does unless told otherwise. */
const mountsNothing: Intercept = (request) => {
  if (request.method === "POST") request.url = pathOf(request)
  return false
}

describe("what a copy asks of its destination", () => {
  itOnSockets("nothing, where it was seen to be empty: two requests a blob, one a manifest", () =>
    Effect.gen(function* () {
      const { copyTo } = yield* countingWorld()
      assert.deepStrictEqual(yield* copyTo("mirror/a", "Repository"), {
        "POST blob": 4,
        "PUT blob": 4,
        "PUT manifest": 3
      })
    }).pipe(Effect.provide(client))
  )

  itOnSockets("whether it has the tag by now, where a tag is never overwritten, and that last", () =>
    Effect.gen(function* () {
      const { copyTo, destination } = yield* countingWorld()
      assert.deepStrictEqual(yield* copyTo("mirror/a", "Repository", true), {
        "POST blob": 4,
        "PUT blob": 4,
        "PUT manifest": 3,
        "HEAD manifest": 1
      })
      assert.deepStrictEqual(destination.requests.slice(-2), [
        "HEAD /v2/mirror/a/manifests/v1",
        "PUT /v2/mirror/a/manifests/v1"
      ])
    }).pipe(Effect.provide(client))
  )

  itOnSockets("once whether it mounts, where it may have something; each blob's upload asks whether it is there", () =>
    Effect.gen(function* () {
      const { copyTo } = yield* countingWorld()
      assert.deepStrictEqual(yield* copyTo("mirror/a"), { "POST mount": 5, "PUT blob": 4, "PUT manifest": 3 })
    }).pipe(Effect.provide(client))
  )

  itOnSockets(
    "no more than the upload itself, for a first new tag; what another tag has brought is not sent again",
    () =>
      Effect.gen(function* () {
        const { copyTo, destination } = yield* countingWorld()
        pushSampleImage(destination.store, "mirror/a", "v0", "seed", { platforms: ["linux/amd64"] })
        const counts = yield* copyTo("mirror/a", "Tag")
        assert.deepStrictEqual(counts, { "POST mount": 4, "PUT blob": 2, "PUT manifest": 3 })
      }).pipe(Effect.provide(client))
  )

  itOnSockets("to mount what a sibling has: one request a blob", () =>
    Effect.gen(function* () {
      const { copyTo } = yield* countingWorld()
      yield* copyTo("mirror/a", "Repository")
      assert.deepStrictEqual(yield* copyTo("mirror/b", "Repository"), { "POST mount": 4, "PUT manifest": 3 })
    }).pipe(Effect.provide(client))
  )

  itOnSockets("nothing more of a second new tag: what it shares with the first shows whether its registry mounts", () =>
    Effect.gen(function* () {
      const { copyTo } = yield* countingWorld()
      yield* copyTo("mirror/a", "Tag")
      assert.deepStrictEqual(yield* copyTo("mirror/b", "Tag"), { "POST mount": 4, "PUT manifest": 3 })
    }).pipe(Effect.provide(client))
  )

  itOnSockets("whether a blob is there before it is sent, of a registry that does not mount", () =>
    Effect.gen(function* () {
      const { copyTo } = yield* countingWorld(mountsNothing)
      yield* copyTo("mirror/a", "Repository")
      const sibling = yield* copyTo("mirror/b")
      assert.strictEqual(sibling["HEAD blob"], 3, "the first was sent to find out")
      assert.strictEqual(sibling["PUT blob"], 4)
    }).pipe(Effect.provide(client))
  )
})
