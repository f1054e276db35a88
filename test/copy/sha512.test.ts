/** Images whose digests are sha512: they are copied under the same digests, and copied once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { digestOf, hasDigest } from "../../src/oci/Digest.ts"
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/Manifest.ts"
import type { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { copy, DESTINATION, failsWith, manifestPuts, SOURCE, worldOf } from "../support/copyWorld.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { errorBody, json, pathOf } from "../support/ScriptedServer.ts"
import { applyImage, conditionText, makeRegistries, operatorLayer, readImage } from "../support/world.ts"

/** Stores an index, a manifest, a config and a layer under sha512 digests. */
const pushImage = (store: RegistryStore, path: string, seed = "seed") => {
  const blob = (text: string) => {
    const bytes = Buffer.from(text)
    const digest = store.putBlob(path, bytes, digestOf(bytes, "sha512"))
    return { mediaType: "application/octet-stream", digest, size: bytes.length }
  }
  const manifest = (mediaType: string, content: object) => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...content }))
    const digest = store.putManifest(path, digestOf(bytes, "sha512"), bytes, mediaType)
    return { mediaType, digest, size: bytes.length }
  }
  const [config, layer] = [blob("{}"), blob(`layer ${seed}`)]
  const child = manifest(OCI_MANIFEST, { config, layers: [layer] })
  const index = manifest(OCI_INDEX, { manifests: [child] })
  store.putTag(path, "v1", index.digest)
  return { layer, child, index }
}

describe("an image of sha512 digests", () => {
  itOnSockets("a copy has the same sha512 digests, also that of the tag", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const { child, index, layer } = pushImage(world.source.store, SOURCE)
      yield* copy(world, index.digest)
      const { store } = world.destination
      assert.strictEqual(store.manifest(DESTINATION, "v1")?.digest, index.digest)
      assert.deepStrictEqual(
        store.manifest(DESTINATION, child.digest)?.bytes,
        world.source.store.manifest(SOURCE, child.digest)?.bytes
      )
      assert.isTrue(hasDigest(store.blob(DESTINATION, layer.digest) ?? Buffer.from(""), layer.digest))
      assert.deepStrictEqual(manifestPuts(world.destination.requests), [
        `PUT /v2/mirror/app/manifests/${child.digest}`,
        `PUT /v2/mirror/app/manifests/${index.digest}?tag=v1`
      ])
    })
  )

  itOnSockets("a registry that ignores the tag in the query of a write by digest gets the tag by a second write", () =>
    Effect.gen(function* () {
      const world = yield* worldOf({
        destination: {
          intercept: (request) => {
            request.url = (request.url ?? "").replace(/\?tag=.*$/u, "")
            return false
          }
        }
      })
      const { index } = pushImage(world.source.store, SOURCE)
      yield* copy(world, index.digest)
      const { store } = world.destination
      const bytes = store.manifest(DESTINATION, index.digest)?.bytes
      assert.isDefined(bytes)
      assert.deepStrictEqual(store.manifest(DESTINATION, "v1")?.bytes, bytes)
    })
  )

  itOnSockets(
    "a blob by sha512 is never mounted, because distribution says that it mounts such a blob and does not",
    () =>
      Effect.gen(function* () {
        const world = yield* worldOf()
        const { index, layer } = pushImage(world.source.store, SOURCE)
        yield* copy(world, index.digest)
        assert.isDefined(world.destination.store.blob(DESTINATION, layer.digest))
        assert.deepStrictEqual(
          world.destination.requests.filter((request) => request.includes("mount=")),
          []
        )
      })
  )

  itOnSockets("a blob whose bytes do not have its sha512 digest is refused", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const { index, layer } = pushImage(world.source.store, SOURCE)
      world.source.store.putBlob(SOURCE, Buffer.from("layer feed"), layer.digest)
      yield* failsWith(world, index.digest, "source", "DigestMismatch", [layer.digest, "has bytes of sha512:"])
    })
  )

  itOnSockets("a registry that refuses a sha512 digest is told as such", () =>
    Effect.gen(function* () {
      const world = yield* worldOf({
        destination: {
          intercept: (request, response) => {
            if (request.method !== "PUT" || !pathOf(request).includes("/blobs/")) return false
            json(response, 400, errorBody("DIGEST_INVALID", "provided digest did not match uploaded content"))
            return true
          }
        }
      })
      const { index } = pushImage(world.source.store, SOURCE)
      yield* failsWith(world, index.digest, "destination", "PushRefused", [
        "provided digest did not match uploaded content",
        "the registry may take no sha512 digests"
      ])
    })
  )

  it.effect(
    "an Image that is pinned to a sha512 digest is copied once, to a registry that names the tag by sha256",
    () => {
      const registries = makeRegistries()
      const { index } = pushImage(registries.source, "app")
      const puts = () => registries.requests.filter((request) => request.startsWith("PUT dest.test/app:v1"))
      return Effect.gen(function* () {
        yield* applyImage("app", {
          mode: "Recurrent",
          frequency: "1m",
          source: { name: "source.test/app", version: index.digest },
          destination: { name: "dest.test/app", version: "v1" }
        })
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
        assert.match(registries.destination.manifest("app", "v1")?.digest ?? "", /^sha256:/u)
        yield* TestClock.adjust("10 minutes")
        assert.lengthOf(puts(), 1)
        assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
        registries.destination.putTag("app", "v1", pushImage(registries.destination, "app", "other").index.digest)
        yield* TestClock.adjust("10 minutes")
        assert.lengthOf(puts(), 2, "a tag with other content is written again")
      }).pipe(Effect.provide(operatorLayer(registries)))
    }
  )
})
