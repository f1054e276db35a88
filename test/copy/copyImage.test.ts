/** One copy between two registries over HTTP: the bytes that arrive, and their order. */
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option } from "effect"
import type { CopyProgress } from "../../src/domain/Copy.ts"
import { digestOf } from "../../src/oci/Digest.ts"
import { DOCKER_MANIFEST, OCI_ARTIFACT, OCI_INDEX, OCI_MANIFEST, partsOf } from "../../src/oci/Manifest.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import {
  assertEqual,
  copy,
  DESTINATION,
  every,
  failsWith,
  manifestPuts,
  putBlob,
  putJson,
  SOURCE,
  uploads,
  type World,
  worldOf
} from "../support/copyWorld.ts"
import { errorBody, json, pathOf } from "../support/ScriptedServer.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"

const LAYER = 100_000

describe("copyImage", () => {
  itOnSockets("a copy has the same index, children and blobs, byte for byte, under the same digests", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: 200_000 })
      yield* copy(world, digest)
      assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.digest, digest)
      assertEqual(world.source.store, world.destination.store, digest)
      assert.deepStrictEqual(world.destination.store.tags(DESTINATION), ["v1"])
    })
  )

  itOnSockets("a copy writes blobs before manifests, children before their index, and the tag last", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const { source } = world
      const digest = pushSampleImage(source.store, SOURCE, "upstream", "seed")
      yield* copy(world, digest)
      const written = world.destination.requests.filter((request) => request.startsWith("PUT "))
      assert.lengthOf(uploads(written), 4)
      const index = source.store.manifest(SOURCE, digest)
      assert(index !== undefined)
      const parts = Option.getOrThrow(partsOf(index))
      assert(parts._tag === "Index")
      assert.deepStrictEqual(written.slice(4), [
        ...parts.children.map((child) => `PUT /v2/mirror/app/manifests/${child.digest}`),
        "PUT /v2/mirror/app/manifests/v1"
      ])
      assert.strictEqual(world.destination.requests.at(-1), "PUT /v2/mirror/app/manifests/v1")
    })
  )

  itOnSockets("a copy sends no blob that the destination has", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed")
      yield* copy(world, digest)
      const [destinationBefore, sourceBefore] = [world.destination.requests.length, world.source.requests.length]
      const last: Array<CopyProgress> = []
      yield* copy(world, digest, (progress) => last.push(progress))
      assert.lengthOf(uploads(world.destination.requests.slice(destinationBefore)), 0)
      assert.lengthOf(
        world.source.requests.slice(sourceBefore).filter((request) => request.includes("/blobs/")),
        0
      )
      assert.strictEqual(last.at(-1)?.done, last.at(-1)?.total)
    })
  )

  /** Pushes an index of `count` images, each with `layers` and an annotation that makes its manifest larger. */
  const pushIndex = (store: World["source"]["store"], count: number, size = 0, layers = 0) => {
    const config = putBlob(store, "{}")
    const manifests = Array.from({ length: count }, (_, index) =>
      putJson(store, `child-${index}`, OCI_MANIFEST, {
        config,
        layers: Array.from({ length: layers }, (_, layer) => ({
          digest: digestOf(Buffer.from(`${index} ${layer}`)),
          size: 1
        })),
        annotations: { padding: String(index).padEnd(size, "x") }
      })
    )
    return putJson(store, "upstream", OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests }).digest
  }

  itOnSockets("a copy of more manifests than it holds in memory has the same manifests, byte for byte", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const digest = pushIndex(world.source.store, 8, 1_500_000)
      yield* copy(world, digest)
      assertEqual(world.source.store, world.destination.store, digest)
    })
  )

  itOnSockets("an image of five hundred manifests is copied", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const digest = pushIndex(world.source.store, 500)
      yield* copy(world, digest)
      assert.lengthOf(manifestPuts(world.destination.requests), 501)
    })
  )

  itOnSockets("an index of more than 500 manifests is refused, and none of them is read", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const digest = pushIndex(world.source.store, 501)
      yield* failsWith(world, digest, "source", "UnsupportedManifest", ["more than 500 manifests below it"])
      assert.lengthOf(
        world.source.requests.filter((request) => request.includes("/manifests/")),
        1
      )
    })
  )

  itOnSockets("an image of more than 32 MiB of manifests is refused", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const digest = pushIndex(world.source.store, 9, 4_000_000)
      yield* failsWith(world, digest, "source", "UnsupportedManifest", ["more than 32 MiB of manifests below it"])
      assert.deepStrictEqual(manifestPuts(world.destination.requests), [])
    })
  )

  itOnSockets("an image of more than 10,000 blobs is refused", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const digest = pushIndex(world.source.store, 3, 0, 4_000)
      yield* failsWith(world, digest, "source", "UnsupportedManifest", ["more than 10000 blobs below it"])
      assert.lengthOf(uploads(world.destination.requests), 0)
    })
  )

  for (const [words, reason] of [
    ["Failed to process request due to 'app:v1' configured as immutable.", "TagImmutable"],
    ["Quota has been exceeded on namespace", "QuotaExceeded"]
  ] as const) {
    itOnSockets(`a tag that the destination refuses with ${reason} is written only once`, () =>
      Effect.gen(function* () {
        const world = yield* worldOf({
          destination: {
            intercept: every("PUT", "/manifests/v1", (response) => json(response, 412, errorBody("DENIED", words)))
          }
        })
        const { store } = world.source
        const image = putJson(store, "v1", OCI_MANIFEST, { config: putBlob(store, "{}"), layers: [] })
        yield* failsWith(world, image.digest, "destination", reason, [words])
        assert.lengthOf(manifestPuts(world.destination.requests), 1)
      })
    )
  }

  itOnSockets("a single manifest is copied", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const config = putBlob(world.source.store, "{}")
      const layers = [putBlob(world.source.store, "one"), putBlob(world.source.store, "")]
      const { digest } = putJson(world.source.store, "upstream", DOCKER_MANIFEST, { config, layers })
      yield* copy(world, digest)
      assertEqual(world.source.store, world.destination.store, digest)
      assert.deepStrictEqual(manifestPuts(world.destination.requests), ["PUT /v2/mirror/app/manifests/v1"])
    })
  )

  itOnSockets("progress counts each distinct part once, up to the total", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const { store } = world.source
      const config = putBlob(store, "{}")
      const layer = putBlob(store, "shared by both")
      const one = putJson(store, "one", OCI_MANIFEST, { config, layers: [layer, layer] })
      const index = putJson(store, "upstream", OCI_INDEX, { manifests: [one, one] })
      const seen: Array<CopyProgress> = []
      yield* copy(world, index.digest, (progress) => seen.push(progress))
      const total = config.size + layer.size + one.size + index.size
      assert.deepStrictEqual(seen[0], { done: 0, total, sent: 0 })
      assert.deepStrictEqual(seen.at(-1), { done: total, total, sent: total })
      for (const [before, after] of seen.slice(1).map((progress, at) => [seen[at], progress] as const)) {
        assert.isAbove(after.done, before?.done ?? 0)
      }
      assert.lengthOf(uploads(world.destination.requests), 2)
      assert.lengthOf(manifestPuts(world.destination.requests), 2)
      const again: Array<CopyProgress> = []
      yield* copy(world, index.digest, (progress) => again.push(progress))
      const sent = one.size + index.size
      assert.deepStrictEqual(again.at(-1), { done: total, total, sent }, "blobs that are there are not sent")
    })
  )

  itOnSockets(
    "the error of an index that names a platform which the source lacks names the platform and the remedy",
    () =>
      Effect.gen(function* () {
        const world = yield* worldOf()
        const child = {
          mediaType: OCI_MANIFEST,
          digest: digestOf(Buffer.from("missing")),
          size: 7,
          platform: { os: "windows", architecture: "amd64" }
        }
        const inner = putJson(world.source.store, "inner", OCI_INDEX, { schemaVersion: 2, manifests: [child] })
        const outer = putJson(world.source.store, "v1", OCI_INDEX, { schemaVersion: 2, manifests: [inner] })
        yield* failsWith(world, outer.digest, "source", "NotFound", [
          `: the index ${inner.digest} names the manifest of windows/amd64, ${child.digest}, which the source lacks`,
          "spec.platforms",
          "answered 404"
        ])
      })
  )

  itOnSockets("an upload whose URL names https at the port that speaks plain HTTP goes by plain HTTP", () =>
    Effect.gen(function* () {
      const world = yield* worldOf({
        destination: {
          intercept: (request, response) => {
            if (request.method !== "POST") return false
            const path = pathOf(request)
            const location = `https://${request.headers.host ?? ""}${path}named`
            response.writeHead(202, { location }).end()
            return true
          }
        }
      })
      const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { platforms: ["linux/amd64"] })
      // The registry does not know the upload: the test is about the request that arrives.
      yield* Effect.ignore(copy(world, digest))
      assert.include(uploads(world.destination.requests)[0], "PUT /v2/mirror/app/blobs/uploads/named?digest=")
    })
  )

  itOnSockets(
    "a registry that wants a foreign layer refuses the image, and the error names the layer and the remedy",
    () =>
      Effect.gen(function* () {
        const digest = digestOf(Buffer.from("licensed"))
        const world = yield* worldOf({
          destination: {
            intercept: every("PUT", "/manifests/", (response) =>
              json(response, 404, errorBody("MANIFEST_BLOB_UNKNOWN", `blob unknown to registry: ${digest}`))
            )
          }
        })
        const mediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        const foreign = { mediaType, digest, size: 8, urls: ["https://example.com/layer"] }
        const image = { schemaVersion: 2, config: putBlob(world.source.store, "{}"), layers: [foreign] }
        const pushed = putJson(world.source.store, "v1", OCI_MANIFEST, image)
        yield* failsWith(world, pushed.digest, "destination", "UnsupportedManifest", [
          `the foreign layer ${digest}`,
          "its licence forbids to push the layer",
          "blob unknown to registry"
        ])
        assert.lengthOf(manifestPuts(world.destination.requests), 1, "the copy is not tried again")
      })
  )

  itOnSockets("foreign layers are not copied, and the manifest still names them", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const { store } = world.source
      const foreign = {
        mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        digest: `sha256:${"f".repeat(64)}`,
        size: 1_000_000,
        urls: ["https://layers.test/f"]
      }
      const { digest } = putJson(store, "upstream", DOCKER_MANIFEST, {
        config: putBlob(store, "{}"),
        layers: [foreign, putBlob(store, "one")]
      })
      yield* copy(world, digest)
      assertEqual(store, world.destination.store, digest)
      for (const { requests } of [world.source, world.destination]) {
        assert.isUndefined(requests.find((request) => request.includes(foreign.digest)))
      }
    })
  )

  itOnSockets("the error of an image that cannot be copied names the cause and the remedy", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const { store } = world.source
      const schema1 = putJson(store, "old", "application/vnd.docker.distribution.manifest.v1+prettyjws", {})
      yield* failsWith(world, schema1.digest, "source", "UnsupportedManifest", ["schema 1", "push the image again"])
      const broken = putJson(store, "broken", OCI_MANIFEST, { schemaVersion: 2 })
      yield* failsWith(world, broken.digest, "source", "UnsupportedManifest", [broken.digest])
      const config = putBlob(store, "{}")
      let deep = putJson(store, "deep", OCI_MANIFEST, { config, layers: [] })
      for (let depth = 0; depth < 5; depth++) deep = putJson(store, "deep", OCI_INDEX, { manifests: [deep] })
      yield* failsWith(world, deep.digest, "source", "UnsupportedManifest", ["nested"])
      assert.lengthOf(world.destination.requests, 0)
    })
  )

  itOnSockets(
    "an image of schema 1 is not taken for a damaged one, although its digest covers only a part of its bytes",
    () =>
      Effect.gen(function* () {
        const digest = `sha256:${"a".repeat(64)}`
        const world = yield* worldOf({
          source: {
            intercept: (_, response) => {
              response.writeHead(200, {
                "content-type": "application/vnd.docker.distribution.manifest.v1+prettyjws",
                "docker-content-digest": digest
              })
              response.end(JSON.stringify({ schemaVersion: 1, signatures: [] }))
              return true
            }
          }
        })
        yield* failsWith(world, digest, "source", "UnsupportedManifest", ["schema 1", "push the image again"])
      })
  )

  itOnSockets("images whose lists are absent, null or of blobs are copied byte for byte", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const { store } = world.source
      const config = putBlob(store, "{}")
      const layer = { ...putBlob(store, "a layer"), mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" }
      const cacheConfig = { ...putBlob(store, "a cache"), mediaType: "application/vnd.buildkit.cacheconfig.v0" }
      const child = putJson(store, "child", OCI_MANIFEST, { config, layers: [layer] })
      const bodies: ReadonlyArray<readonly [name: string, mediaType: string, content: object]> = [
        ["no layers", OCI_MANIFEST, { config }],
        ["layers are null", OCI_MANIFEST, { config, layers: null }],
        ["no config", OCI_MANIFEST, { layers: [layer] }],
        ["the config is null", OCI_MANIFEST, { config: null, layers: [layer] }],
        ["no manifests", OCI_INDEX, { schemaVersion: 2 }],
        ["manifests are null", OCI_INDEX, { manifests: null }],
        ["an artifact", OCI_ARTIFACT, { mediaType: OCI_ARTIFACT, artifactType: "text/x", blobs: [layer] }],
        ["an artifact without blobs", OCI_ARTIFACT, { mediaType: OCI_ARTIFACT, blobs: null }],
        ["BuildKit's cache", OCI_INDEX, { manifests: [layer, cacheConfig] }],
        ["an index of both", OCI_INDEX, { manifests: [child, layer] }]
      ]
      for (const [name, mediaType, content] of bodies) {
        const { digest } = putJson(store, "v1", mediaType, content)
        yield* copy(world, digest)
        assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.digest, digest, name)
      }
      for (const { digest } of [config, layer, cacheConfig]) {
        assert.isDefined(world.destination.store.blob(DESTINATION, digest))
      }
    })
  )

  itOnSockets(
    "a manifest whose type the registry does not tell is copied under the type that the document proves",
    () =>
      Effect.gen(function* () {
        const world = yield* worldOf()
        const { store } = world.source
        const config = putBlob(store, "{}")
        const image = putJson(store, "image", OCI_MANIFEST, { config, layers: [] })
        for (const [content, proven] of [
          [{ mediaType: DOCKER_MANIFEST, config, layers: [] }, DOCKER_MANIFEST],
          [{ config, layers: [] }, OCI_MANIFEST],
          [{ config, layers: [], manifests: null, history: null }, OCI_MANIFEST],
          [{ manifests: [image] }, OCI_INDEX],
          [{ manifests: [image], config: null, layers: null, fsLayers: null }, OCI_INDEX],
          [{ manifests: null, config: null }, OCI_INDEX]
        ] as const) {
          for (const type of ["application/json", "text/plain; charset=utf-8", "binary/octet-stream", ""]) {
            const { digest } = putJson(store, "v1", type, content)
            yield* copy(world, digest)
            assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.mediaType, proven)
          }
        }
        const upper = putJson(store, "v1", "Application/Vnd.Oci.Image.Manifest.v1+JSON", { config, layers: [] })
        yield* copy(world, upper.digest)
        assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.mediaType, OCI_MANIFEST)
        for (const [content, words] of [
          [{ config, layers: [], manifests: [image] }, "is ambiguous"],
          [{ mediaType: OCI_MANIFEST, config, manifests: [image] }, "is ambiguous"],
          [{ schemaVersion: 1, fsLayers: [] }, "schema 1"],
          [{ name: "no manifest" }, "is of type application/json"]
        ] as const) {
          const { digest } = putJson(store, "v2", "application/json", content)
          yield* failsWith(world, digest, "source", "UnsupportedManifest", [words])
        }
      })
  )

  itOnSockets("a manifest of a lying source with a path or a tag as digest is refused", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const { store } = world.source
      const config = putBlob(store, "{}")
      const image = putJson(store, "latest", OCI_MANIFEST, { config, layers: [] })
      const inner = { ...image, digest: "latest" }
      const byTag = putJson(store, "by-tag", OCI_INDEX, { manifests: [inner] })
      yield* failsWith(world, byTag.digest, "source", "UnsupportedManifest", ["neither sha256 nor sha512"])
      const escaping = { digest: "sha256:../../../other/blobs/x", size: 2 }
      const byPath = putJson(store, "by-path", OCI_MANIFEST, { config, layers: [escaping] })
      yield* failsWith(world, byPath.digest, "source", "UnsupportedManifest", ["neither sha256 nor sha512"])
      assert.lengthOf(world.destination.requests, 0)
    })
  )

  itOnSockets("A document that another tool reads as another image is refused", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const { store } = world.source
      const config = putBlob(store, "{}")
      const image = putJson(store, "image", OCI_MANIFEST, { config, layers: [] })
      for (const [mediaType, content, why] of [
        [OCI_MANIFEST, { config, layers: [], manifests: [image] }, "a manifest with the field manifests"],
        [OCI_INDEX, { manifests: [image], layers: [] }, "an index with the field layers"],
        [OCI_INDEX, { manifests: [image], config }, "an index with the field config"],
        [OCI_INDEX, { manifests: [image], fsLayers: [] }, "an index with the field fsLayers"],
        [DOCKER_MANIFEST, { config, layers: [], history: [] }, "a manifest with the field history"],
        [OCI_MANIFEST, { config, layers: [], Manifests: [image] }, "read the field Manifests as manifests"],
        [OCI_MANIFEST, { config, layers: [], "LAYER\u017F": [image] }, "as layers"],
        [OCI_MANIFEST, { mediaType: OCI_INDEX, config, layers: [] }, `its type is ${OCI_INDEX}`],
        [OCI_INDEX, { mediaType: DOCKER_MANIFEST, manifests: [image] }, `and the registry says ${OCI_INDEX}`]
      ] as const) {
        const { digest } = putJson(store, "ambiguous", mediaType, content)
        const words = [digest, "is ambiguous", why, "push the image again"]
        yield* failsWith(world, digest, "source", "UnsupportedManifest", words)
        const { digest: above } = putJson(store, "above", OCI_INDEX, { manifests: [{ digest, size: 1 }] })
        yield* failsWith(world, above, "source", "UnsupportedManifest", words)
      }
      assert.lengthOf(world.destination.requests, 0)
      const { digest } = putJson(store, "v1", OCI_MANIFEST, {
        mediaType: OCI_MANIFEST,
        config,
        layers: [],
        manifests: null
      })
      yield* copy(world, digest)
      assertEqual(store, world.destination.store, digest)
    })
  )

  itOnSockets("an index within an index is copied", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const { store } = world.source
      const config = putBlob(store, "{}")
      const inner = putJson(store, "inner", OCI_INDEX, {
        manifests: [putJson(store, "image", OCI_MANIFEST, { config, layers: [] })]
      })
      const outer = putJson(store, "outer", OCI_INDEX, { manifests: [inner] })
      yield* copy(world, outer.digest)
      assertEqual(store, world.destination.store, outer.digest)
    })
  )

  itOnSockets("a missing source is an error that names the source", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      yield* failsWith(world, `sha256:${"0".repeat(64)}`, "source", "NotFound")
      const { store } = world.source
      const lacking = { digest: `sha256:${"1".repeat(64)}`, size: 3 }
      const { digest } = putJson(store, "upstream", OCI_MANIFEST, { config: putBlob(store, "{}"), layers: [lacking] })
      yield* failsWith(world, digest, "source", "NotFound", [lacking.digest])
    })
  )
})

describe("copyImage, interrupted", () => {
  for (const [name, method, part] of [
    ["while a manifest is read", "GET", "/manifests/"],
    ["while a blob is read", "GET", "/blobs/"],
    ["while a blob is uploaded", "PUT", "/blobs/"],
    ["while the tag is about to be written", "PUT", "/manifests/"]
  ] as const) {
    itOnSockets(`an interrupted copy ends promptly and writes no tag: ${name}`, () =>
      Effect.gen(function* () {
        const arrived = yield* Deferred.make<void>()
        const closed = yield* Deferred.make<void>()
        // The request arrives and is never answered.
        const hang = every(method, part, (response) => {
          Deferred.doneUnsafe(arrived, Effect.void)
          response.on("close", () => Deferred.doneUnsafe(closed, Effect.void))
        })
        const world = yield* worldOf({ [method === "GET" ? "source" : "destination"]: { intercept: hang } })
        const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: LAYER })
        const fiber = yield* Effect.forkChild(copy(world, digest))
        yield* Deferred.await(arrived)
        yield* Effect.timeout(Fiber.interrupt(fiber), "2 seconds")
        // The other end sees the end of the request: nothing continues in the background.
        yield* Effect.timeout(Deferred.await(closed), "2 seconds")
        assert.notInclude(world.destination.store.tags(DESTINATION) ?? [], "v1")
      })
    )
  }
})
