/** One copy between two registries over HTTP: what arrives, in what order, and what is left when it does not. */
import { assert, describe, it } from "@effect/vitest"
import type { ServerResponse } from "node:http"
import { Deferred, Effect, Fiber, Layer, Option, Result } from "effect"
import { copyImage } from "../../src/copy/copyImage.ts"
import { KnownBlobs } from "../../src/copy/KnownBlobs.ts"
import type { CopyProgress } from "../../src/domain/Copy.ts"
import { digestOf } from "../../src/registry/Digest.ts"
import { DOCKER_MANIFEST, isForeign, OCI_INDEX, OCI_MANIFEST, partsOf } from "../../src/registry/MediaType.ts"
import type { RegistryErrorKind, RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import type { RegistryStore } from "../../src/registry/RegistryStore.ts"
import { pushSampleImage } from "../../src/registry/SampleImage.ts"
import { type EmbeddedRegistry, type Intercept, startRegistry } from "../support/EmbeddedRegistry.ts"
import { errorBody, json, pathOf } from "../support/ScriptedServer.ts"

const SOURCE = "upstream/app"
const DESTINATION = "mirror/app"

const client = Layer.merge(
  RegistryClientHttp.layer({ retryDelay: 0, timeout: "20 seconds", idleTimeout: "20 seconds" }),
  KnownBlobs.layer
)

const accessTo = (registry: string, path: string): RepositoryAccess => ({
  repository: { registry, path },
  tlsVerify: false,
  credential: Option.none()
})

const worldOf = Effect.fnUntraced(function* (
  intercepts: { readonly source?: Intercept; readonly destination?: Intercept } = {}
) {
  const start = (intercept: Intercept | undefined) => startRegistry(intercept === undefined ? {} : { intercept })
  return { source: yield* start(intercepts.source), destination: yield* start(intercepts.destination) }
})

interface World {
  readonly source: EmbeddedRegistry
  readonly destination: EmbeddedRegistry
}

const copy = (world: World, digest: string, onProgress?: (progress: CopyProgress) => void) =>
  copyImage({
    source: accessTo(world.source.host, SOURCE),
    digest,
    destination: accessTo(world.destination.host, DESTINATION),
    tag: "v1",
    ...(onProgress === undefined ? {} : { onProgress })
  }).pipe(Effect.provide(client))

/** The copy must fail like this, and the tag must be as it was. */
const failsWith = Effect.fnUntraced(function* (
  world: World,
  digest: string,
  side: "source" | "destination",
  kind: RegistryErrorKind,
  ...words: ReadonlyArray<string>
) {
  const before = world.destination.store.manifest(DESTINATION, "v1")?.digest
  const result = yield* Effect.result(copy(world, digest))
  assert(Result.isFailure(result), "should have failed")
  const { error, side: found } = result.failure
  assert.deepStrictEqual([found, error.kind], [side, kind], error.message)
  assert.include(error.repository, side === "source" ? SOURCE : DESTINATION)
  for (const word of words) assert.include(error.message, word)
  assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.digest, before)
})

/** Asserts that everything a manifest leads to is at the destination, byte for byte. */
const assertEqual = (source: RegistryStore, destination: RegistryStore, reference: string): void => {
  const manifest = source.manifest(SOURCE, reference)
  assert(manifest !== undefined)
  const there = destination.manifest(DESTINATION, reference)
  assert(there !== undefined && Buffer.from(there.bytes).equals(manifest.bytes), `manifest ${reference}`)
  assert.strictEqual(there.mediaType, manifest.mediaType)
  const parts = Option.getOrThrow(partsOf(manifest))
  if (parts._tag === "Index") {
    for (const child of parts.children) assertEqual(source, destination, child.digest)
  } else {
    for (const part of parts.blobs.filter((blob) => !isForeign(blob))) {
      const bytes = destination.blob(DESTINATION, part.digest)
      assert(bytes !== undefined && digestOf(bytes) === part.digest, `blob ${part.digest}`)
    }
  }
}

const uploads = (requests: ReadonlyArray<string>): ReadonlyArray<string> =>
  requests.filter((request) => request.startsWith("PUT /v2/mirror/app/blobs/"))

const manifestPuts = (requests: ReadonlyArray<string>): ReadonlyArray<string> =>
  requests.filter((request) => request.startsWith("PUT /v2/mirror/app/manifests/"))

const putJson = (store: RegistryStore, reference: string, mediaType: string, content: unknown) => {
  const bytes = Buffer.from(JSON.stringify(content))
  const digest = store.putManifest(SOURCE, reference, bytes, mediaType)
  return { digest, mediaType, size: bytes.length }
}

const putBlob = (store: RegistryStore, text: string) => {
  const bytes = Buffer.from(text)
  return { digest: store.putBlob(SOURCE, bytes), size: bytes.length }
}

describe("copyImage", () => {
  it.live("brings an index, its children and their blobs over byte for byte, under the same digests", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: 200_000 })
      yield* copy(world, digest)
      assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.digest, digest)
      assertEqual(world.source.store, world.destination.store, digest)
      assert.deepStrictEqual(world.destination.store.tags(DESTINATION), ["v1"])
    })
  )

  it.live("writes blobs before manifests, children before their index, and the tag last", () =>
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

  it.live("sends no blob that is there already", () =>
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

  it.live("copies a single manifest as well", () =>
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

  it.live("counts each distinct part once, up to the total", () =>
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

  it.live("leaves foreign layers where they are, as a reference", () =>
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

  it.live("explains what cannot be copied", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const { store } = world.source
      const schema1 = putJson(store, "old", "application/vnd.docker.distribution.manifest.v1+prettyjws", {})
      yield* failsWith(world, schema1.digest, "source", "UnsupportedManifest", "schema 1", "pushed again")
      const broken = putJson(store, "broken", OCI_MANIFEST, { schemaVersion: 2 })
      yield* failsWith(world, broken.digest, "source", "UnsupportedManifest", broken.digest)
      const config = putBlob(store, "{}")
      let deep = putJson(store, "deep", OCI_MANIFEST, { config, layers: [] })
      for (let depth = 0; depth < 5; depth++) deep = putJson(store, "deep", OCI_INDEX, { manifests: [deep] })
      yield* failsWith(world, deep.digest, "source", "UnsupportedManifest", "nested")
      assert.lengthOf(world.destination.requests, 0)
    })
  )

  it.live("takes no part of a manifest for a path or a tag: a lying source leads nowhere else", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const { store } = world.source
      const config = putBlob(store, "{}")
      const image = putJson(store, "latest", OCI_MANIFEST, { config, layers: [] })
      const inner = { ...image, digest: "latest" }
      const byTag = putJson(store, "by-tag", OCI_INDEX, { manifests: [inner] })
      yield* failsWith(world, byTag.digest, "source", "UnsupportedManifest", "sha256 digests")
      const escaping = { digest: "sha256:../../../other/blobs/x", size: 2 }
      const byPath = putJson(store, "by-path", OCI_MANIFEST, { config, layers: [escaping] })
      yield* failsWith(world, byPath.digest, "source", "UnsupportedManifest", "sha256 digests")
      assert.lengthOf(world.destination.requests, 0)
    })
  )

  it.live("copies an index within an index", () =>
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

  it.live("says that the source has gone", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      yield* failsWith(world, `sha256:${"0".repeat(64)}`, "source", "NotFound")
      const { store } = world.source
      const lacking = { digest: `sha256:${"1".repeat(64)}`, size: 3 }
      const { digest } = putJson(store, "upstream", OCI_MANIFEST, { config: putBlob(store, "{}"), layers: [lacking] })
      yield* failsWith(world, digest, "source", "NotFound", lacking.digest)
    })
  )
})

/** Answers the nth request of a method and path itself, and leaves the others to the registry. */
const nth = (method: string, part: string, n: number, answer: (response: ServerResponse) => void): Intercept => {
  let count = 0
  return (request, response) => {
    if (request.method !== method || !pathOf(request).includes(part)) return false
    count += 1
    if (count !== n) return false
    answer(response)
    return true
  }
}

/** Answers every such request. */
const every =
  (method: string, part: string, answer: (response: ServerResponse) => void): Intercept =>
  (request, response) => {
    if (request.method !== method || !pathOf(request).includes(part)) return false
    answer(response)
    return true
  }

const cut = (response: ServerResponse): void => void response.destroy()
const sends = (bytes: Uint8Array) => (response: ServerResponse) => void response.end(bytes)
const refuses = (status: number, code: string) => (response: ServerResponse) =>
  json(response, status, errorBody(code, "the registry's words"))

const LAYER = 100_000

/** What a side does wrong, and how the copy is to end. */
const FAULTS: ReadonlyArray<{
  readonly name: string
  readonly side: "source" | "destination"
  readonly intercept: Intercept
  readonly kind: RegistryErrorKind
}> = [
  {
    name: "refuses uploads",
    side: "destination",
    intercept: every("POST", "/blobs/uploads/", refuses(403, "DENIED")),
    kind: "AuthenticationFailed"
  },
  {
    name: "refuses the bytes of every upload",
    side: "destination",
    intercept: every("PUT", "/blobs/uploads/", refuses(400, "BLOB_UPLOAD_INVALID")),
    kind: "PushRefused"
  },
  {
    name: "forgets every upload",
    side: "destination",
    intercept: every("PUT", "/blobs/uploads/", refuses(404, "BLOB_UPLOAD_UNKNOWN")),
    kind: "UploadLost"
  },
  {
    name: "cuts the connection of every upload",
    side: "destination",
    intercept: every("PUT", "/blobs/uploads/", cut),
    kind: "Unreachable"
  },
  {
    name: "answers 500 to a child manifest",
    side: "destination",
    intercept: nth("PUT", "/manifests/", 1, refuses(500, "UNKNOWN")),
    kind: "ServerError"
  },
  {
    name: "answers 500 to the tag",
    side: "destination",
    intercept: nth("PUT", "/manifests/", 3, refuses(500, "UNKNOWN")),
    kind: "ServerError"
  },
  {
    name: "cuts the connection of the tag",
    side: "destination",
    intercept: nth("PUT", "/manifests/", 3, cut),
    kind: "Unreachable"
  },
  {
    name: "limits the rate of uploads",
    side: "destination",
    intercept: every("POST", "/blobs/", refuses(429, "TOOMANYREQUESTS")),
    kind: "RateLimited"
  },
  {
    name: "wants the repository to be created first",
    side: "destination",
    intercept: every("POST", "/blobs/", refuses(404, "NAME_UNKNOWN")),
    kind: "RepositoryMissing"
  },
  {
    name: "serves wrong bytes of the right length",
    side: "source",
    intercept: (request, response) => {
      if (!pathOf(request).includes("/blobs/")) return false
      response.end(Buffer.alloc(sizes.get(pathOf(request).split("/").at(-1) ?? "") ?? 0, "x"))
      return true
    },
    kind: "DigestMismatch"
  },
  {
    name: "serves too short a blob",
    side: "source",
    intercept: every("GET", "/blobs/", sends(Buffer.from("x"))),
    kind: "DigestMismatch"
  },
  {
    name: "serves too long a blob",
    side: "source",
    intercept: every("GET", "/blobs/", sends(Buffer.alloc(3 * LAYER))),
    kind: "DigestMismatch"
  },
  {
    name: "cuts the connection in the middle of a blob",
    side: "source",
    intercept: every("GET", "/blobs/", (response) => {
      response.writeHead(200, { "content-length": "100" })
      response.write(Buffer.alloc(10), () => setImmediate(() => response.destroy()))
    }),
    kind: "Unreachable"
  },
  {
    name: "serves a manifest of other bytes",
    side: "source",
    intercept: every("GET", "/manifests/", (response) => {
      response.writeHead(200, { "content-type": OCI_INDEX })
      response.end("{}")
    }),
    kind: "DigestMismatch"
  },
  {
    name: "has no right to be read",
    side: "source",
    intercept: every("GET", "/blobs/", refuses(403, "DENIED")),
    kind: "AuthenticationFailed"
  }
]

/** Sizes of the sample's blobs by digest, for a source that lies about their bytes only. */
const sizes = new Map<string, number>()

describe("copyImage, when a side fails", () => {
  for (const { intercept, kind, name, side } of FAULTS) {
    it.live(`leaves the tag as it was: the ${side} ${name}`, () =>
      Effect.gen(function* () {
        const world = yield* worldOf({ [side]: intercept })
        // A tag from before must survive; another seed, so that no blob is there yet.
        const old = pushSampleImage(world.destination.store, DESTINATION, "v1", "old")
        const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: LAYER })
        for (const child of childrenOf(world.source.store, digest)) {
          for (const blob of child) sizes.set(blob.digest, blob.size)
        }
        yield* failsWith(world, digest, side, kind)
        assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.digest, old)
        assert.isUndefined(world.destination.store.manifest(DESTINATION, digest))
      })
    )
  }

  it.live("goes on from where it was, the next time", () =>
    Effect.gen(function* () {
      const world = yield* worldOf({ destination: nth("PUT", "/manifests/", 3, refuses(500, "UNKNOWN")) })
      const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed")
      yield* failsWith(world, digest, "destination", "ServerError")
      const before = world.destination.requests.length
      yield* copy(world, digest)
      assert.lengthOf(uploads(world.destination.requests.slice(before)), 0)
      assertEqual(world.source.store, world.destination.store, digest)
    })
  )
})

const childrenOf = (store: RegistryStore, digest: string) => {
  const index = store.manifest(SOURCE, digest)
  const parts = index === undefined ? undefined : Option.getOrUndefined(partsOf(index))
  if (parts?._tag !== "Index") return []
  return parts.children.map((child) => {
    const manifest = store.manifest(SOURCE, child.digest)
    const inner = manifest === undefined ? undefined : Option.getOrUndefined(partsOf(manifest))
    return inner?._tag === "Manifest" ? inner.blobs : []
  })
}

describe("copyImage, interrupted", () => {
  for (const [name, method, part] of [
    ["while a manifest is read", "GET", "/manifests/"],
    ["while a blob is read", "GET", "/blobs/"],
    ["while a blob is uploaded", "PUT", "/blobs/"],
    ["while the tag is about to be written", "PUT", "/manifests/"]
  ] as const) {
    it.live(`ends promptly and leaves no tag: ${name}`, () =>
      Effect.gen(function* () {
        const arrived = yield* Deferred.make<void>()
        const closed = yield* Deferred.make<void>()
        // The request arrives and is never answered.
        const hang = every(method, part, (response) => {
          Deferred.doneUnsafe(arrived, Effect.void)
          response.on("close", () => Deferred.doneUnsafe(closed, Effect.void))
        })
        const world = yield* worldOf({ [method === "GET" ? "source" : "destination"]: hang })
        const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: LAYER })
        const fiber = yield* Effect.forkChild(copy(world, digest))
        yield* Deferred.await(arrived)
        yield* Effect.timeout(Fiber.interrupt(fiber), "2 seconds")
        // The other end knows too: nothing goes on in the background.
        yield* Effect.timeout(Deferred.await(closed), "2 seconds")
        assert.notInclude(world.destination.store.tags(DESTINATION) ?? [], "v1")
      })
    )
  }
})

/** Serves a tenth or more of the first blob that is asked for whole, and then nothing. */
const servesTenths = (tenths: number): Intercept => {
  let left = 1
  return (request, response) => {
    if (request.method !== "GET" || !pathOf(request).includes("/blobs/") || request.headers.range !== undefined) {
      return false
    }
    const bytes = layers.get(pathOf(request).split("/").at(-1) ?? "")
    if (bytes === undefined || left === 0) return false
    left -= 1
    response.writeHead(200, { "content-length": String(bytes.length) })
    response.write(bytes.subarray(0, (bytes.length * tenths) / 10), () => setImmediate(() => response.destroy()))
    return true
  }
}

/** Takes a tenth or more of the first large upload, and then nothing. */
const takesTenths = (tenths: number): Intercept => {
  let left = 1
  return (request) => {
    const size = Number(request.headers["content-length"] ?? 0)
    if (request.method !== "PUT" || !pathOf(request).includes("/blobs/uploads/") || size < LAYER || left === 0) {
      return false
    }
    left -= 1
    let taken = 0
    request.on("data", (chunk: Buffer) => {
      taken += chunk.length
      if (taken >= (size * tenths) / 10) request.socket.destroy()
    })
    return true
  }
}

/** The sample's layers by digest, for a source that serves a part of one. */
const layers = new Map<string, Uint8Array>()

/** What passes by itself or by another try. */
const FALTERS: ReadonlyArray<{
  readonly name: string
  readonly side: "source" | "destination"
  readonly intercept: () => Intercept
}> = [
  ...Array.from({ length: 10 }, (_, tenths) => [
    {
      name: `is cut at ${tenths} tenths of a blob`,
      side: "source" as const,
      intercept: () => servesTenths(tenths)
    },
    {
      name: `is cut at ${tenths} tenths of an upload`,
      side: "destination" as const,
      intercept: () => takesTenths(tenths)
    }
  ]).flat(),
  {
    name: "answers 500 to the third upload",
    side: "destination",
    intercept: () => nth("PUT", "/blobs/uploads/", 3, refuses(500, "UNKNOWN"))
  },
  {
    name: "forgets the third upload",
    side: "destination",
    intercept: () => nth("PUT", "/blobs/uploads/", 3, refuses(404, "BLOB_UPLOAD_UNKNOWN"))
  },
  {
    name: "cuts the connection of the second upload",
    side: "destination",
    intercept: () => nth("PUT", "/blobs/uploads/", 2, cut)
  },
  {
    name: "forgets a blob that it has taken, until its manifest comes",
    side: "destination",
    intercept: () => nth("PUT", "/manifests/", 1, refuses(404, "MANIFEST_BLOB_UNKNOWN"))
  },
  {
    name: "wants no mounts",
    side: "destination",
    intercept: () => (request, response) => {
      if (request.method !== "POST" || !(request.url ?? "").includes("mount=")) return false
      json(response, 405, errorBody("UNSUPPORTED", "the registry's words"))
      return true
    }
  },
  {
    name: "takes no blob in one piece",
    side: "destination",
    intercept: () => (request, response) => {
      const isWhole = request.method === "PUT" && Number(request.headers["content-length"] ?? 0) > 0
      if (!isWhole || !pathOf(request).includes("/blobs/uploads/")) return false
      request.resume()
      json(response, 413, errorBody("SIZE_INVALID", "the registry's words"))
      return true
    }
  },
  {
    name: "serves other bytes once",
    side: "source",
    intercept: () => {
      let left = 1
      return (request, response) => {
        const bytes = layers.get(pathOf(request).split("/").at(-1) ?? "")
        if (request.method !== "GET" || bytes === undefined || left === 0) return false
        left -= 1
        response.end(Buffer.alloc(bytes.length, "x"))
        return true
      }
    }
  },
  {
    name: "is cut in the middle, and serves the whole again whatever part is asked for",
    side: "source",
    intercept: () => {
      const first = servesTenths(5)
      return (request, response) => {
        if (first(request, response)) return true
        const bytes = layers.get(pathOf(request).split("/").at(-1) ?? "")
        if (request.method !== "GET" || bytes === undefined) return false
        response.end(bytes)
        return true
      }
    }
  },
  {
    name: "sends its blobs without a length",
    side: "source",
    intercept: () => (request, response) => {
      const bytes = layers.get(pathOf(request).split("/").at(-1) ?? "")
      if (request.method !== "GET" || bytes === undefined) return false
      response.write(bytes.subarray(0, 10))
      response.end(bytes.subarray(10))
      return true
    }
  }
]

describe("copyImage, when a side falters", () => {
  for (const { intercept, name, side } of FALTERS) {
    it.live(`ends right: the ${side} ${name}`, () =>
      Effect.gen(function* () {
        const world = yield* worldOf({ [side]: intercept() })
        const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: 4 * LAYER })
        for (const blob of childrenOf(world.source.store, digest).flat()) {
          const bytes = world.source.store.blob(SOURCE, blob.digest)
          if (bytes !== undefined && bytes.length > LAYER) layers.set(blob.digest, bytes)
        }
        const seen: Array<CopyProgress> = []
        yield* copy(world, digest, (progress) => seen.push(progress))
        assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.digest, digest)
        assertEqual(world.source.store, world.destination.store, digest)
        const last = seen.at(-1)
        assert.strictEqual(last?.done, last?.total)
      })
    )
  }

  it.live("a read that breaks off goes on where it was", () =>
    Effect.gen(function* () {
      const ranges: Array<string> = []
      const first = servesTenths(5)
      const world = yield* worldOf({
        source: (request, response) => {
          if (request.headers.range !== undefined) ranges.push(request.headers.range)
          return first(request, response)
        }
      })
      const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: 4 * LAYER })
      for (const blob of childrenOf(world.source.store, digest).flat()) {
        const bytes = world.source.store.blob(SOURCE, blob.digest)
        if (bytes !== undefined && bytes.length > LAYER) layers.set(blob.digest, bytes)
      }
      yield* copy(world, digest)
      assert.lengthOf(ranges, 1)
      assert.match(ranges[0] ?? "", /^bytes=[1-9][0-9]+-$/u)
      assertEqual(world.source.store, world.destination.store, digest)
    })
  )
})
