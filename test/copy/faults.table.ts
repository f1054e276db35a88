/** The faults of a side during a copy. */
import type { IncomingMessage, ServerResponse } from "node:http"
import { OCI_INDEX } from "../../src/oci/Manifest.ts"
import type { Intercept } from "../../src/registry/memory/EmbeddedRegistry.ts"
import type { RegistryErrorTag, Side } from "../../src/registry/RegistryError.ts"
import type { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { childrenOf, cut, every, nth, refuses, sends, SOURCE } from "../support/copyWorld.ts"
import { errorBody, json, pathOf } from "../support/ScriptedServer.ts"

export const LAYER = 100_000

/** The requests of a copy, by side, method and path. */
export const STEPS = [
  ["source", "GET", "/manifests/"],
  ["source", "GET", "/blobs/"],
  ["destination", "POST", "/blobs/uploads/"],
  ["destination", "PUT", "/blobs/uploads/"],
  ["destination", "PUT", "/manifests/"]
] as const

/** The sizes of the sample's blobs by digest, for a source with wrong bytes only. */
export const sizes = new Map<string, number>()

/** The sample's layers by digest, for a source that serves a part of a layer. */
export const layers = new Map<string, Uint8Array>()
export const rememberLayers = (store: RegistryStore, digest: string): void => {
  for (const blob of childrenOf(store, digest).flat()) {
    const bytes = store.blob(SOURCE, blob.digest)
    if (bytes !== undefined && bytes.length > LAYER) layers.set(blob.digest, bytes)
  }
}

const digestIn = (request: IncomingMessage): string => pathOf(request).split("/").at(-1) ?? ""

const isUpload = (request: IncomingMessage): boolean =>
  request.method === "PUT" && pathOf(request).includes("/blobs/uploads/")

/** Answers the first `times` reads of layers, also those of a range unless `isWhole`. The registry answers all other requests. */
const onLayers = (
  answer: (response: ServerResponse, bytes: Uint8Array) => void,
  { isWhole = false, times = Infinity }: { readonly isWhole?: boolean; readonly times?: number } = {}
): Intercept => {
  let left = times
  return (request, response) => {
    const bytes = request.method === "GET" ? layers.get(digestIn(request)) : undefined
    if (bytes === undefined || left === 0 || (isWhole && request.headers.range !== undefined)) return false
    left -= 1
    answer(response, bytes)
    return true
  }
}

/** Serves some tenths of the first whole layer, and then cuts the connection. */
export const servesTenths = (tenths: number): Intercept =>
  onLayers(
    (response, bytes) => {
      response.writeHead(200, { "content-length": String(bytes.length) })
      response.write(bytes.subarray(0, (bytes.length * tenths) / 10), () => setImmediate(() => response.destroy()))
    },
    { isWhole: true, times: 1 }
  )

/** Reads some tenths of the first large upload, and then cuts the connection. */
const takesTenths = (tenths: number): Intercept => {
  let left = 1
  return (request) => {
    const size = Number(request.headers["content-length"] ?? 0)
    if (!isUpload(request) || size < LAYER || left === 0) return false
    left -= 1
    let taken = 0
    request.on("data", (chunk: Buffer) => {
      taken += chunk.length
      if (taken >= (size * tenths) / 10) request.socket.destroy()
    })
    return true
  }
}

/** Faults of a side, and the reason with which the copy fails. */
export const FAULTS: ReadonlyArray<{
  readonly name: string
  readonly side: Side
  readonly intercept: () => Intercept
  readonly reason: RegistryErrorTag
}> = [
  {
    name: "is full",
    side: "destination",
    intercept: () => every("PUT", "/blobs/uploads/", refuses(507, "UNKNOWN")),
    reason: "QuotaExceeded"
  },
  {
    name: "refuses the bytes of each upload with 401",
    side: "destination",
    intercept: () => every("PUT", "/blobs/uploads/", refuses(401, "UNAUTHORIZED")),
    reason: "AuthenticationFailed"
  },
  {
    name: "answers 201 to an upload and drops the bytes",
    side: "destination",
    intercept: () =>
      every("PUT", "/blobs/uploads/", (response) => {
        response.writeHead(201)
        response.end()
      }),
    reason: "PushRefused"
  },
  {
    name: "reads no bytes of an upload",
    side: "destination",
    intercept: () => (request) => {
      if (!isUpload(request)) return false
      request.pause()
      return true
    },
    reason: "Unreachable"
  },
  {
    name: "lacks a child of the index",
    side: "source",
    intercept: () => nth("GET", "/manifests/", 2, refuses(404, "MANIFEST_UNKNOWN")),
    reason: "NotFound"
  },
  {
    name: "sends a part of a blob and then stalls, for each range",
    side: "source",
    intercept: () => (request, response) => {
      const size = sizes.get(digestIn(request))
      if (request.method !== "GET" || size === undefined) return false
      const { range } = request.headers
      if (range === undefined) {
        response.writeHead(200, { "content-length": String(size) })
        response.write(Buffer.alloc(Math.floor(size / 2)))
      } else {
        const start = Number(range.slice("bytes=".length, -1))
        const rest = { "content-length": String(size - start), "content-range": `bytes ${start}-${size - 1}/${size}` }
        response.writeHead(206, rest)
        response.flushHeaders()
      }
      return true
    },
    reason: "Unreachable"
  },
  {
    name: "announces fewer bytes than a blob has",
    side: "source",
    intercept: () =>
      every("GET", "/blobs/", (response) => {
        response.writeHead(200, { "content-length": "10" })
        response.end(Buffer.alloc(10))
      }),
    reason: "DigestMismatch"
  },
  ...STEPS.map(([side, method, part]) => ({
    name: `limits the rate of ${method} ${part} and names a time`,
    side,
    intercept: () =>
      every(method, part, (response) =>
        json(response, 429, errorBody("TOOMANYREQUESTS", "the registry's words"), { "retry-after": "1" })
      ),
    reason: "RateLimited" as const
  })),
  {
    name: "refuses uploads",
    side: "destination",
    intercept: () => every("POST", "/blobs/uploads/", refuses(403, "DENIED")),
    reason: "AuthenticationFailed"
  },
  {
    name: "refuses the bytes of every upload",
    side: "destination",
    intercept: () => every("PUT", "/blobs/uploads/", refuses(400, "BLOB_UPLOAD_INVALID")),
    reason: "PushRefused"
  },
  {
    name: "forgets every upload",
    side: "destination",
    intercept: () => every("PUT", "/blobs/uploads/", refuses(404, "BLOB_UPLOAD_UNKNOWN")),
    reason: "UploadLost"
  },
  {
    name: "cuts the connection of every upload",
    side: "destination",
    intercept: () => every("PUT", "/blobs/uploads/", cut),
    reason: "Unreachable"
  },
  {
    name: "answers 500 to a child manifest",
    side: "destination",
    intercept: () => nth("PUT", "/manifests/", 1, refuses(500, "UNKNOWN")),
    reason: "ServerError"
  },
  {
    name: "answers 500 to the tag",
    side: "destination",
    intercept: () => nth("PUT", "/manifests/", 3, refuses(500, "UNKNOWN")),
    reason: "ServerError"
  },
  {
    name: "cuts the connection of the tag",
    side: "destination",
    intercept: () => every("PUT", "/manifests/v1", cut),
    reason: "Unreachable"
  },
  {
    name: "limits the rate of uploads",
    side: "destination",
    intercept: () => every("POST", "/blobs/", refuses(429, "TOOMANYREQUESTS")),
    reason: "RateLimited"
  },
  {
    name: "requires that the repository is created first",
    side: "destination",
    intercept: () => every("POST", "/blobs/", refuses(404, "NAME_UNKNOWN")),
    reason: "DestinationRepositoryMissing"
  },
  {
    name: "serves wrong bytes of the right length",
    side: "source",
    intercept: () => (request, response) => {
      if (!pathOf(request).includes("/blobs/")) return false
      response.end(Buffer.alloc(sizes.get(digestIn(request)) ?? 0, "x"))
      return true
    },
    reason: "DigestMismatch"
  },
  {
    name: "serves too short a blob",
    side: "source",
    intercept: () => every("GET", "/blobs/", sends(Buffer.from("x"))),
    reason: "DigestMismatch"
  },
  {
    name: "serves too long a blob",
    side: "source",
    intercept: () => every("GET", "/blobs/", sends(Buffer.alloc(3 * LAYER))),
    reason: "DigestMismatch"
  },
  {
    name: "cuts the connection in the middle of a blob",
    side: "source",
    intercept: () =>
      every("GET", "/blobs/", (response) => {
        response.writeHead(200, { "content-length": "100" })
        response.write(Buffer.alloc(10), () => setImmediate(() => response.destroy()))
      }),
    reason: "Unreachable"
  },
  {
    name: "serves a manifest of other bytes",
    side: "source",
    intercept: () =>
      every("GET", "/manifests/", (response) => {
        response.writeHead(200, { "content-type": OCI_INDEX })
        response.end("{}")
      }),
    reason: "DigestMismatch"
  },
  {
    name: "refuses each read",
    side: "source",
    intercept: () => every("GET", "/blobs/", refuses(403, "DENIED")),
    reason: "AuthenticationFailed"
  }
]

/** Faults that end by themselves or with a retry. */
export const FALTERS: ReadonlyArray<{
  readonly name: string
  readonly side: Side
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
    name: "loses an uploaded blob until its manifest is written",
    side: "destination",
    intercept: () => nth("PUT", "/manifests/", 1, refuses(404, "MANIFEST_BLOB_UNKNOWN"))
  },
  {
    name: "answers 201 to one upload and drops the bytes",
    side: "destination",
    intercept: () => {
      let left = 1
      return (request, response) => {
        if (!isUpload(request) || left === 0) return false
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
    name: "announces more bytes than a blob has, and closes after the blob",
    side: "source",
    intercept: () =>
      onLayers(
        (response, bytes) => {
          response.writeHead(200, { "content-length": String(bytes.length + 10) })
          response.write(bytes, () => setImmediate(() => response.destroy()))
        },
        { isWhole: true }
      )
  },
  {
    name: "stalls in the middle of a blob",
    side: "source",
    intercept: () =>
      onLayers(
        (response, bytes) => {
          response.writeHead(200, { "content-length": String(bytes.length) })
          response.write(bytes.subarray(0, bytes.length / 2))
        },
        { times: 1 }
      )
  },
  {
    name: "announces more bytes than a blob has, and stalls after the blob",
    side: "source",
    intercept: () =>
      onLayers(
        (response, bytes) => {
          response.writeHead(200, { "content-length": String(bytes.length + 10) })
          response.write(bytes)
        },
        { isWhole: true }
      )
  },
  {
    name: "refuses mounts",
    side: "destination",
    intercept: () => (request, response) => {
      if (request.method !== "POST" || !(request.url ?? "").includes("mount=")) return false
      json(response, 405, errorBody("UNSUPPORTED", "the registry's words"))
      return true
    }
  },
  {
    name: "refuses blobs in one piece",
    side: "destination",
    intercept: () => (request, response) => {
      if (!isUpload(request) || Number(request.headers["content-length"] ?? 0) === 0) return false
      request.resume()
      json(response, 413, errorBody("SIZE_INVALID", "the registry's words"))
      return true
    }
  },
  {
    name: "serves other bytes once",
    side: "source",
    intercept: () => onLayers((response, bytes) => response.end(Buffer.alloc(bytes.length, "x")), { times: 1 })
  },
  {
    name: "is cut in the middle, and serves the whole blob for each range",
    side: "source",
    intercept: () => {
      const first = servesTenths(5)
      const later = onLayers((response, bytes) => response.end(bytes))
      return (request, response) => first(request, response) || later(request, response)
    }
  },
  {
    name: "sends its blobs without a length",
    side: "source",
    intercept: () =>
      onLayers((response, bytes) => {
        response.write(bytes.subarray(0, 10))
        response.end(bytes.subarray(10))
      })
  }
]
