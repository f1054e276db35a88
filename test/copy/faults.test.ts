/** Faults on the way: whatever a side does wrong, a copy ends right or not at all. */
import { assert, describe, it } from "@effect/vitest"
import type { IncomingMessage, ServerResponse } from "node:http"
import { Deferred, Effect } from "effect"
import type { CopyProgress } from "../../src/domain/Copy.ts"
import type { Intercept } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { serve } from "../../src/registry/memory/LoopbackServer.ts"
import { OCI_INDEX } from "../../src/oci/Manifest.ts"
import type { RegistryErrorTag } from "../../src/registry/RegistryError.ts"
import type { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { file, run } from "../support/commandLine.ts"
import { PROCESS_TIMEOUT, start } from "../support/commandProcess.ts"
import {
  assertEqual,
  assertNothingHalf,
  childrenOf,
  copy,
  cut,
  DESTINATION,
  every,
  failsWith,
  nth,
  refuses,
  sends,
  SOURCE,
  uploads,
  worldOf
} from "../support/copyWorld.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { errorBody, json, pathOf } from "../support/ScriptedServer.ts"

const LAYER = 100_000

/** What a side does wrong, and how the copy is to end. */
const FAULTS: ReadonlyArray<{
  readonly name: string
  readonly side: "source" | "destination"
  readonly intercept: Intercept
  readonly reason: RegistryErrorTag
}> = [
  {
    name: "is full",
    side: "destination",
    intercept: every("PUT", "/blobs/uploads/", refuses(507, "UNKNOWN")),
    reason: "ServerError"
  },
  {
    name: "takes the bytes of no one's upload",
    side: "destination",
    intercept: every("PUT", "/blobs/uploads/", refuses(401, "UNAUTHORIZED")),
    reason: "AuthenticationFailed"
  },
  {
    name: "says that it has taken what it has not",
    side: "destination",
    intercept: every("PUT", "/blobs/uploads/", (response) => {
      response.writeHead(201)
      response.end()
    }),
    reason: "PushRefused"
  },
  {
    name: "takes nothing of an upload",
    side: "destination",
    intercept: (request) => {
      if (request.method !== "PUT" || !pathOf(request).includes("/blobs/uploads/")) return false
      request.pause()
      return true
    },
    reason: "Unreachable"
  },
  {
    name: "lacks a child of the index",
    side: "source",
    intercept: nth("GET", "/manifests/", 2, refuses(404, "MANIFEST_UNKNOWN")),
    reason: "NotFound"
  },
  {
    name: "sends some of a blob and then stands still",
    side: "source",
    intercept: (request, response) => {
      const size = sizes.get(pathOf(request).split("/").at(-1) ?? "")
      if (request.method !== "GET" || size === undefined || request.headers.range !== undefined) return false
      response.writeHead(200, { "content-length": String(size) })
      response.write(Buffer.alloc(Math.floor(size / 2)))
      return true
    },
    reason: "Unreachable"
  },
  {
    name: "announces fewer bytes than a blob has",
    side: "source",
    intercept: every("GET", "/blobs/", (response) => {
      response.writeHead(200, { "content-length": "10" })
      response.end(Buffer.alloc(10))
    }),
    reason: "DigestMismatch"
  },
  ...(
    [
      ["source", "GET", "/manifests/"],
      ["source", "GET", "/blobs/"],
      ["destination", "POST", "/blobs/uploads/"],
      ["destination", "PUT", "/blobs/uploads/"],
      ["destination", "PUT", "/manifests/"]
    ] as const
  ).map(([side, method, part]) => ({
    name: `limits the rate of ${method} ${part} and names a time`,
    side,
    intercept: every(method, part, (response) =>
      json(response, 429, errorBody("TOOMANYREQUESTS", "the registry's words"), { "retry-after": "1" })
    ),
    reason: "RateLimited" as const
  })),
  {
    name: "refuses uploads",
    side: "destination",
    intercept: every("POST", "/blobs/uploads/", refuses(403, "DENIED")),
    reason: "AuthenticationFailed"
  },
  {
    name: "refuses the bytes of every upload",
    side: "destination",
    intercept: every("PUT", "/blobs/uploads/", refuses(400, "BLOB_UPLOAD_INVALID")),
    reason: "PushRefused"
  },
  {
    name: "forgets every upload",
    side: "destination",
    intercept: every("PUT", "/blobs/uploads/", refuses(404, "BLOB_UPLOAD_UNKNOWN")),
    reason: "UploadLost"
  },
  {
    name: "cuts the connection of every upload",
    side: "destination",
    intercept: every("PUT", "/blobs/uploads/", cut),
    reason: "Unreachable"
  },
  {
    name: "answers 500 to a child manifest",
    side: "destination",
    intercept: nth("PUT", "/manifests/", 1, refuses(500, "UNKNOWN")),
    reason: "ServerError"
  },
  {
    name: "answers 500 to the tag",
    side: "destination",
    intercept: nth("PUT", "/manifests/", 3, refuses(500, "UNKNOWN")),
    reason: "ServerError"
  },
  {
    name: "cuts the connection of the tag",
    side: "destination",
    intercept: every("PUT", "/manifests/v1", cut),
    reason: "Unreachable"
  },
  {
    name: "limits the rate of uploads",
    side: "destination",
    intercept: every("POST", "/blobs/", refuses(429, "TOOMANYREQUESTS")),
    reason: "RateLimited"
  },
  {
    name: "wants the repository to be created first",
    side: "destination",
    intercept: every("POST", "/blobs/", refuses(404, "NAME_UNKNOWN")),
    reason: "DestinationRepositoryMissing"
  },
  {
    name: "serves wrong bytes of the right length",
    side: "source",
    intercept: (request, response) => {
      if (!pathOf(request).includes("/blobs/")) return false
      response.end(Buffer.alloc(sizes.get(pathOf(request).split("/").at(-1) ?? "") ?? 0, "x"))
      return true
    },
    reason: "DigestMismatch"
  },
  {
    name: "serves too short a blob",
    side: "source",
    intercept: every("GET", "/blobs/", sends(Buffer.from("x"))),
    reason: "DigestMismatch"
  },
  {
    name: "serves too long a blob",
    side: "source",
    intercept: every("GET", "/blobs/", sends(Buffer.alloc(3 * LAYER))),
    reason: "DigestMismatch"
  },
  {
    name: "cuts the connection in the middle of a blob",
    side: "source",
    intercept: every("GET", "/blobs/", (response) => {
      response.writeHead(200, { "content-length": "100" })
      response.write(Buffer.alloc(10), () => setImmediate(() => response.destroy()))
    }),
    reason: "Unreachable"
  },
  {
    name: "serves a manifest of other bytes",
    side: "source",
    intercept: every("GET", "/manifests/", (response) => {
      response.writeHead(200, { "content-type": OCI_INDEX })
      response.end("{}")
    }),
    reason: "DigestMismatch"
  },
  {
    name: "has no right to be read",
    side: "source",
    intercept: every("GET", "/blobs/", refuses(403, "DENIED")),
    reason: "AuthenticationFailed"
  }
]

/** Sizes of the sample's blobs by digest, for a source that lies about their bytes only. */
const sizes = new Map<string, number>()

describe("copyImage, when a side fails", () => {
  for (const { intercept, name, reason, side } of FAULTS) {
    itOnSockets(`leaves the tag as it was: the ${side} ${name}`, () =>
      Effect.gen(function* () {
        const world = yield* worldOf({ [side]: { intercept } })
        // A tag from before must survive; another seed, so that no blob is there yet.
        const old = pushSampleImage(world.destination.store, DESTINATION, "v1", "old")
        const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: LAYER })
        for (const child of childrenOf(world.source.store, digest)) {
          for (const blob of child) sizes.set(blob.digest, blob.size)
        }
        yield* failsWith(world, digest, side, reason)
        assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.digest, old)
        assert.isUndefined(world.destination.store.manifest(DESTINATION, digest))
      })
    )
  }

  itOnSockets("goes on from where it was, the next time", () =>
    Effect.gen(function* () {
      const world = yield* worldOf({
        destination: { intercept: nth("PUT", "/manifests/", 3, refuses(500, "UNKNOWN")) }
      })
      const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed")
      yield* failsWith(world, digest, "destination", "ServerError")
      const before = world.destination.requests.length
      yield* copy(world, digest)
      assert.lengthOf(uploads(world.destination.requests.slice(before)), 0)
      assertEqual(world.source.store, world.destination.store, digest)
    })
  )
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
const rememberLayers = (store: RegistryStore, digest: string): void => {
  for (const blob of childrenOf(store, digest).flat()) {
    const bytes = store.blob(SOURCE, blob.digest)
    if (bytes !== undefined && bytes.length > LAYER) layers.set(blob.digest, bytes)
  }
}

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
    name: "says once that it has taken what it has not",
    side: "destination",
    intercept: () => {
      let left = 1
      return (request, response) => {
        if (request.method !== "PUT" || !pathOf(request).includes("/blobs/uploads/") || left === 0) return false
        left -= 1
        request.resume()
        request.on("end", () => {
          response.writeHead(201)
          response.end()
        })
        return true
      }
    }
  },
  {
    name: "is full for a moment",
    side: "destination",
    intercept: () => nth("PUT", "/blobs/uploads/", 1, refuses(507, "UNKNOWN"))
  },
  {
    name: "announces more bytes than a blob has, and closes after those it has",
    side: "source",
    intercept: () => (request, response) => {
      const bytes = layers.get(pathOf(request).split("/").at(-1) ?? "")
      if (request.method !== "GET" || bytes === undefined || request.headers.range !== undefined) return false
      response.writeHead(200, { "content-length": String(bytes.length + 10) })
      response.write(bytes, () => setImmediate(() => response.destroy()))
      return true
    }
  },
  {
    name: "stands still in the middle of a blob",
    side: "source",
    intercept: () => {
      let left = 1
      return (request, response) => {
        const bytes = layers.get(pathOf(request).split("/").at(-1) ?? "")
        if (request.method !== "GET" || bytes === undefined || left === 0) return false
        left -= 1
        response.writeHead(200, { "content-length": String(bytes.length) })
        response.write(bytes.subarray(0, bytes.length / 2))
        return true
      }
    }
  },
  {
    name: "announces more bytes than a blob has, and stands still after those it has",
    side: "source",
    intercept: () => (request, response) => {
      const bytes = layers.get(pathOf(request).split("/").at(-1) ?? "")
      if (request.method !== "GET" || bytes === undefined || request.headers.range !== undefined) return false
      response.writeHead(200, { "content-length": String(bytes.length + 10) })
      response.write(bytes)
      return true
    }
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
    itOnSockets(`ends right: the ${side} ${name}`, () =>
      Effect.gen(function* () {
        const world = yield* worldOf({ [side]: { intercept: intercept() } })
        const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: 4 * LAYER })
        rememberLayers(world.source.store, digest)
        const seen: Array<CopyProgress> = []
        yield* copy(world, digest, (progress) => seen.push(progress))
        assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.digest, digest)
        assertEqual(world.source.store, world.destination.store, digest)
        assertNothingHalf(world.destination.store)
        const last = seen.at(-1)
        assert.strictEqual(last?.done, last?.total)
      })
    )
  }

  itOnSockets("a read that breaks off goes on where it was", () =>
    Effect.gen(function* () {
      const ranges: Array<string> = []
      const first = servesTenths(5)
      const world = yield* worldOf({
        source: {
          intercept: (request, response) => {
            if (request.headers.range !== undefined) ranges.push(request.headers.range)
            return first(request, response)
          }
        }
      })
      const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: 4 * LAYER })
      rememberLayers(world.source.store, digest)
      yield* copy(world, digest)
      assert.lengthOf(ranges, 1)
      assert.match(ranges[0] ?? "", /^bytes=[1-9][0-9]+-$/u)
      assertEqual(world.source.store, world.destination.store, digest)
    })
  )
})

/** A registry whose tokens all end when the nth of some requests arrives; its token server gives new ones. */
const withTokens = Effect.fnUntraced(function* (n: number, isCounted: (request: IncomingMessage) => boolean) {
  let [issued, ended, counted] = [0, 0, 0]
  const realm = yield* serve((_, response) => {
    issued += 1
    json(response, 200, { token: `token-${issued}`, expires_in: 300 })
  })
  const intercept: Intercept = (request, response) => {
    if (isCounted(request) && request.headers.authorization !== undefined) {
      counted += 1
      if (counted === n) ended = issued
    }
    const token = Number(/^Bearer token-([0-9]+)$/u.exec(request.headers.authorization ?? "")?.[1] ?? 0)
    if (token > ended) return false
    request.resume()
    json(response, 401, errorBody("UNAUTHORIZED", "authentication required"), {
      "www-authenticate": `Bearer realm="http://${realm}/token",service="test"`
    })
    return true
  }
  return { intercept, issued: () => issued }
})

describe("copyImage, when its token ends on the way", () => {
  for (const [side, method, part] of [
    ["source", "GET", "/manifests/"],
    ["source", "GET", "/blobs/"],
    ["destination", "POST", "/blobs/uploads/"],
    ["destination", "PUT", "/blobs/uploads/"],
    ["destination", "PUT", "/manifests/"]
  ] as const) {
    for (const n of [1, 2, 3]) {
      // The first token of all, refused at once, ends nothing that is on its way.
      if (n === 1 && part === "/manifests/" && side === "source") continue
      itOnSockets(`ends right: the ${side} at ${method} ${part} number ${n}`, () =>
        Effect.gen(function* () {
          const tokens = yield* withTokens(n, (request) => request.method === method && pathOf(request).includes(part))
          const world = yield* worldOf({ [side]: { intercept: tokens.intercept } })
          const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: LAYER })
          const seen: Array<CopyProgress> = []
          yield* copy(world, digest, (progress) => seen.push(progress))
          assertEqual(world.source.store, world.destination.store, digest)
          assert.isAbove(tokens.issued(), 1)
          assert.strictEqual(seen.at(-1)?.done, seen.at(-1)?.total)
        })
      )
    }
  }

  itOnSockets("says that it may not, where no token is ever good for an upload", () =>
    Effect.gen(function* () {
      const tokens = yield* withTokens(1, () => false)
      const world = yield* worldOf({
        destination: {
          intercept: (request, response) => {
            if (tokens.intercept(request, response)) return true
            if (request.method !== "PUT" || !pathOf(request).includes("/blobs/uploads/")) return false
            request.resume()
            json(response, 401, errorBody("UNAUTHORIZED", "not yours"), { "www-authenticate": CHALLENGE })
            return true
          }
        }
      })
      const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: LAYER })
      yield* failsWith(world, digest, "destination", "AuthenticationFailed", ["not yours"])
      assert.isAtMost(uploads(world.destination.requests).length, 12, "three tries a blob")
    })
  )
})

const CHALLENGE = 'Bearer realm="http://127.0.0.1:1/token",service="test"'

describe("copyImage, from a registry that sends its readers to a storage", () => {
  /** A storage whose addresses are good once, and which breaks off the first time. */
  const storageOf = Effect.fnUntraced(function* (breaksOff: (response: ServerResponse, bytes: Uint8Array) => void) {
    const used = new Set<string>()
    const seen: Array<string> = []
    let [signed, broken] = [0, false]
    const host = yield* serve((request, response) => {
      const url = request.url ?? ""
      const bytes = layers.get(pathOf(request).slice(1))
      assert.isUndefined(request.headers.authorization)
      if (used.has(url) || bytes === undefined) {
        seen.push("expired")
        return json(response, 403, { Code: "AccessDenied", Message: "Request has expired" })
      }
      used.add(url)
      const from = Number(/^bytes=([0-9]+)-$/u.exec(request.headers.range ?? "")?.[1] ?? 0)
      seen.push(from === 0 ? "whole" : "rest")
      if (!broken) {
        broken = true
        return breaksOff(response, bytes)
      }
      response.writeHead(from === 0 ? 200 : 206, {
        "content-length": String(bytes.length - from),
        ...(from === 0 ? {} : { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` })
      })
      response.end(bytes.subarray(from))
    })
    const intercept: Intercept = (request, response) => {
      const digest = pathOf(request).split("/").at(-1) ?? ""
      if (request.method !== "GET" || !layers.has(digest)) return false
      signed += 1
      response.writeHead(307, { location: `http://${host}/${digest}?signature=${signed}` })
      response.end()
      return true
    }
    return { intercept, seen }
  })

  itOnSockets("asks the registry again where it broke off: an address is not good for ever", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf((response, bytes) => {
        response.writeHead(200, { "content-length": String(bytes.length) })
        response.write(bytes.subarray(0, bytes.length / 2), () => setImmediate(() => response.destroy()))
      })
      const world = yield* worldOf({ source: { intercept: storage.intercept } })
      const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: 4 * LAYER })
      rememberLayers(world.source.store, digest)
      yield* copy(world, digest)
      assertEqual(world.source.store, world.destination.store, digest)
      assert.deepStrictEqual([...storage.seen].sort(), ["rest", "whole", "whole"])
    })
  )

  itOnSockets("fails if the storage refuses every address", () =>
    Effect.gen(function* () {
      const host = yield* serve((_, response) => json(response, 403, { Code: "AccessDenied" }))
      const world = yield* worldOf({
        source: {
          intercept: (request, response) => {
            if (!pathOf(request).includes("/blobs/")) return false
            response.writeHead(307, { location: `http://${host}/x?signature=secret` })
            response.end()
            return true
          }
        }
      })
      const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: LAYER })
      yield* failsWith(world, digest, "source", "AuthenticationFailed")
    })
  )
})

describe("sync, killed in the middle of a copy", () => {
  for (const [name, side, method, part, n] of [
    ["a blob is sent", "destination", "PUT", "/blobs/uploads/", 3],
    ["the tag is written", "destination", "PUT", "/manifests/", 3]
  ] as const) {
    it.live(
      `leaves nothing half visible, and ends right when it is run again: while ${name}`,
      () =>
        Effect.gen(function* () {
          const arrived = Deferred.makeUnsafe<void>()
          const hang = nth(method, part, n, () => Deferred.doneUnsafe(arrived, Effect.void))
          const world = yield* worldOf({ [side]: { intercept: hang } })
          const old = pushSampleImage(world.destination.store, DESTINATION, "v1", "old")
          const digest = pushSampleImage(world.source.store, SOURCE, "v1", "seed", { layerSize: LAYER })
          const manifest = yield* file(
            "image.yaml",
            [
              "apiVersion: skopeo.io/v1alpha1",
              "kind: Image",
              "metadata: { name: app }",
              "spec:",
              "  mode: Recurrent",
              `  source: { name: ${world.source.host}/${SOURCE}, version: v1, tlsVerify: false }`,
              `  destination: { name: ${world.destination.host}/${DESTINATION}, tlsVerify: false }`
            ].join("\n")
          )
          const first = yield* start(["sync", "-f", manifest])
          yield* Deferred.await(arrived)
          first.kill("SIGKILL")
          assert.strictEqual((yield* first.ended).code, null)
          assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.digest, old)
          assertNothingHalf(world.destination.store)

          const second = yield* run(["sync", "-f", manifest])
          assert.strictEqual(second.code, 0, second.stderr + second.stdout)
          assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.digest, digest)
          assertEqual(world.source.store, world.destination.store, digest)
        }),
      PROCESS_TIMEOUT
    )
  }
})
