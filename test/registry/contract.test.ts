/** The contract of RegistryClient. The client over HTTP and the client in memory pass the same tests. */
import { assert, describe } from "@effect/vitest"
import { Context, Effect, Layer, Option, type Scope, Stream } from "effect"
import { digestOf } from "../../src/oci/Digest.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/Manifest.ts"
import type { Manifest } from "../../src/oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import * as RegistryClientMemory from "../../src/registry/memory/RegistryClientMemory.ts"
import { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"

interface World {
  readonly client: RegistryClient["Service"]
  readonly store: RegistryStore
  readonly access: RepositoryAccess
}

const worldOf = (registry: string, store: RegistryStore, layer: Layer.Layer<RegistryClient>) =>
  Effect.map(Layer.build(layer), (context): World => {
    const access = { repository: { registry, path: "team/app" }, tlsVerify: false, credential: Option.none() }
    return { client: Context.get(context, RegistryClient), store, access }
  })

const http = Effect.gen(function* () {
  // Small pages, so that every list has several.
  const { host, store } = yield* startRegistry({ pageSize: 2 })
  return yield* worldOf(host, store, RegistryClientHttp.layer())
})

const memory = Effect.suspend(() => {
  const store = new RegistryStore()
  return worldOf("memory.test", store, RegistryClientMemory.layer(new Map([["memory.test", store]])))
})

const worlds: ReadonlyArray<readonly [string, Effect.Effect<World, never, Scope.Scope>]> = [
  ["RegistryClientHttp", http],
  ["RegistryClientMemory", memory]
]

const NO_DIGEST = `sha256:${"0".repeat(64)}`

const bytesOf = (size: number): Buffer => Buffer.alloc(size, "0123456789abcdef-")

const manifestOf = (mediaType: string, content: unknown): Manifest => {
  const bytes = Buffer.from(JSON.stringify(content))
  return { bytes, mediaType, digest: digestOf(bytes), size: bytes.length }
}

const partOf = (bytes: Uint8Array, more: object = {}) => ({ digest: digestOf(bytes), size: bytes.length, ...more })

for (const [name, world] of worlds) {
  describe(name, () => {
    itOnSockets("tags lists all tags in order, and fails with NotFound if there is no such repository", () =>
      Effect.gen(function* () {
        const { access, client, store } = yield* world
        for (const tag of ["v3", "v1", "v5", "v2", "v4"]) pushSampleImage(store, "team/app", tag, tag)
        assert.deepStrictEqual(yield* client.tags(access), ["v1", "v2", "v3", "v4", "v5"])
        const error = yield* Effect.flip(
          client.tags({ ...access, repository: { ...access.repository, path: "no/such" } })
        )
        assert.strictEqual(error.reason._tag, "NotFound")
        assert.include(error.message, "no/such")
      })
    )

    itOnSockets("head describes the manifest of a tag and of a digest without reading it", () =>
      Effect.gen(function* () {
        const { access, client, store } = yield* world
        const digest = pushSampleImage(store, "team/app", "v1", "seed")
        const size = store.manifest("team/app", "v1")?.bytes.length
        const expected = Option.some({ digest, mediaType: OCI_INDEX, size })
        assert.deepStrictEqual(yield* client.head(access, "v1"), expected)
        assert.deepStrictEqual(yield* client.head(access, digest), expected)
        assert.isTrue(Option.isNone(yield* client.head(access, "v2")))
        assert.isTrue(Option.isNone(yield* client.head(access, NO_DIGEST)))
        const nowhere = { ...access, repository: { ...access.repository, path: "no/such" } }
        assert.isTrue(Option.isNone(yield* client.head(nowhere, "v1")))
      })
    )

    itOnSockets("manifest reads a manifest byte for byte, and fails with NotFound if there is none", () =>
      Effect.gen(function* () {
        const { access, client, store } = yield* world
        const digest = pushSampleImage(store, "team/app", "v1", "seed")
        for (const reference of ["v1", digest]) {
          const manifest = yield* client.manifest(access, reference)
          assert.strictEqual(manifest.digest, digest)
          assert.strictEqual(manifest.mediaType, OCI_INDEX)
          assert.strictEqual(digestOf(manifest.bytes), digest)
          assert.strictEqual(manifest.size, manifest.bytes.length)
        }
        const error = yield* Effect.flip(client.manifest(access, "v2"))
        assert.strictEqual(error.reason._tag, "NotFound")
      })
    )

    itOnSockets("putBlob and blob handle blobs of every size, including the empty blob", () =>
      Effect.gen(function* () {
        const { access, client, store } = yield* world
        for (const bytes of [bytesOf(0), bytesOf(1), bytesOf(300_000)]) {
          const blob = partOf(bytes)
          assert.isFalse(yield* client.hasBlob(access, blob))
          const chunks = [bytes.subarray(0, 70_000), bytes.subarray(70_000)].filter(({ length }) => length > 0)
          yield* client.putBlob(access, blob, Stream.fromIterable(chunks))
          assert.isTrue(yield* client.hasBlob(access, blob))
          assert.strictEqual(digestOf(store.blob("team/app", blob.digest) ?? bytesOf(9)), blob.digest)
          const read = Buffer.concat(yield* Stream.runCollect(client.blob(access, blob)))
          assert.isTrue(read.equals(bytes))
        }
      })
    )

    itOnSockets("hasBlob and blob find no missing blob", () =>
      Effect.gen(function* () {
        const { access, client } = yield* world
        const error = yield* Effect.flip(Stream.runDrain(client.blob(access, { digest: NO_DIGEST, size: 1 })))
        assert.strictEqual(error.reason._tag, "NotFound")
      })
    )

    itOnSockets("blob fails at the end of a blob that does not have the promised size", () =>
      Effect.gen(function* () {
        const { access, client, store } = yield* world
        const digest = store.putBlob("team/app", bytesOf(10))
        for (const size of [9, 11]) {
          const error = yield* Effect.flip(Stream.runDrain(client.blob(access, { digest, size })))
          assert.strictEqual(error.reason._tag, "DigestMismatch")
        }
      })
    )

    itOnSockets("putBlob refuses bytes of another digest and stores nothing", () =>
      Effect.gen(function* () {
        const { access, client, store } = yield* world
        const promised = partOf(bytesOf(10))
        const error = yield* Effect.flip(client.putBlob(access, promised, Stream.make(Buffer.from("9876543210"))))
        assert.strictEqual(error.reason._tag, "DigestMismatch")
        assert.isUndefined(store.blob("team/app", promised.digest))
      })
    )

    itOnSockets("putBlob fails with the error of its source, unchanged", () =>
      Effect.gen(function* () {
        const { access, client, store } = yield* world
        const blob = partOf(bytesOf(100))
        const bytes = Stream.concat(Stream.make(bytesOf(100).subarray(0, 50)), Stream.fail("the source is gone"))
        assert.strictEqual(yield* Effect.flip(client.putBlob(access, blob, bytes)), "the source is gone")
        assert.isUndefined(store.blob("team/app", blob.digest))
      })
    )

    itOnSockets("putManifest writes by tag and by digest, and moves a tag", () =>
      Effect.gen(function* () {
        const { access, client, store } = yield* world
        const config = bytesOf(20)
        store.putBlob("team/app", config)
        const first = manifestOf(OCI_MANIFEST, { config: partOf(config), layers: [] })
        const second = manifestOf(DOCKER_MANIFEST, { config: partOf(config), layers: [partOf(config)] })
        yield* client.putManifest(access, first.digest, first)
        assert.deepStrictEqual(store.tags("team/app"), [])
        yield* client.putManifest(access, "v1", first)
        assert.strictEqual(store.manifest("team/app", "v1")?.digest, first.digest)
        yield* client.putManifest(access, "v1", second)
        assert.strictEqual(store.manifest("team/app", "v1")?.digest, second.digest)
        assert.strictEqual(store.manifest("team/app", "v1")?.mediaType, DOCKER_MANIFEST)
      })
    )

    itOnSockets("putManifest refuses a manifest with a missing part, except for foreign layers", () =>
      Effect.gen(function* () {
        const { access, client, store } = yield* world
        const config = bytesOf(20)
        store.putBlob("team/app", config)
        const lacking = manifestOf(OCI_MANIFEST, { config: partOf(config), layers: [partOf(bytesOf(21))] })
        const error = yield* Effect.flip(client.putManifest(access, "v1", lacking))
        assert.strictEqual(error.reason._tag, "PushRefused")
        assert.include(error.message, partOf(bytesOf(21)).digest)
        const child = { mediaType: OCI_MANIFEST, digest: lacking.digest, size: lacking.size }
        const index = manifestOf(OCI_INDEX, { manifests: [child] })
        assert.strictEqual((yield* Effect.flip(client.putManifest(access, "v1", index))).reason._tag, "PushRefused")
        assert.isUndefined(store.manifest("team/app", "v1"))
        const foreign = manifestOf(DOCKER_MANIFEST, {
          config: partOf(config),
          layers: [
            partOf(bytesOf(22), {
              mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
              urls: ["https://layers.test/22"]
            })
          ]
        })
        yield* client.putManifest(access, "v1", foreign)
        assert.strictEqual(store.manifest("team/app", "v1")?.digest, foreign.digest)
      })
    )

    itOnSockets("putManifest refuses a manifest under the digest of another", () =>
      Effect.gen(function* () {
        const { access, client, store } = yield* world
        const config = bytesOf(20)
        store.putBlob("team/app", config)
        const manifest = manifestOf(OCI_MANIFEST, { config: partOf(config), layers: [] })
        const error = yield* Effect.flip(client.putManifest(access, NO_DIGEST, manifest))
        assert.strictEqual(error.reason._tag, "DigestMismatch")
        assert.isUndefined(store.manifest("team/app", NO_DIGEST))
      })
    )
  })
}
