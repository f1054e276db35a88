/** Registries that do a write and answer with another status than the specification's, and that refuse what only saves bytes. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { type Intercept, startRegistry } from "../../../src/registry/memory/EmbeddedRegistry.ts"
import { RegistryStore } from "../../../src/registry/memory/RegistryStore.ts"
import { digestOf } from "../../../src/oci/Digest.ts"
import { OCI_INDEX } from "../../../src/oci/Manifest.ts"
import { RegistryClient } from "../../../src/registry/RegistryClient.ts"
import { accessTo, failsWith, live } from "../../support/registryClient.ts"
import { errorBody, json } from "../../support/ScriptedServer.ts"

const PATH = "team/app"
const LAYER = Buffer.from("the layer")
const BLOB = { digest: digestOf(LAYER), size: LAYER.length }

/** Answers one method with another status, and leaves the rest of the registry's answer. */
const answering =
  (method: string, part: string, status: number): Intercept =>
  (request, response) => {
    if (request.method !== method || request.url?.includes(part) !== true) return false
    const write = response.writeHead.bind(response)
    Object.assign(response, {
      writeHead: (_: number, headers: Record<string, string>) => {
        const { "content-length": _length, ...others } = headers
        return write(status, status === 204 ? others : headers)
      }
    })
    return false
  }

/** A source with the layer, and a destination. */
const world = Effect.fnUntraced(function* (intercept: Intercept) {
  const source = yield* startRegistry()
  source.store.putBlob(PATH, LAYER)
  const store = new RegistryStore()
  const destination = yield* startRegistry({ store, intercept })
  const registry = yield* RegistryClient
  const copied = (mountFrom?: string) =>
    registry.copyBlob({
      source: accessTo(source.host),
      destination: accessTo(destination.host),
      blob: BLOB,
      ...(mountFrom === undefined ? {} : { mountFrom })
    })
  return { copied, destination, registry, source, store }
})

describe("a write with another status", () => {
  for (const method of ["POST", "PUT"]) {
    live(`a write fails as NotARegistry if a proxy answers ${method} with 200 and a page`, () =>
      Effect.gen(function* () {
        const { copied, destination, registry } = yield* world((request, response) => {
          if (request.method !== method) return false
          response.writeHead(200, { "content-type": "text/html; charset=utf-8" })
          response.end("<html>Log in</html>")
          return true
        })
        yield* failsWith(copied(), "NotARegistry", "answered 200 with a page")
        if (method === "POST") return
        const bytes = Buffer.from("{}")
        const manifest = { bytes, digest: digestOf(bytes), mediaType: OCI_INDEX, size: bytes.length }
        const written = registry.putManifest(accessTo(destination.host), "v1", manifest)
        yield* failsWith(written, "NotARegistry", "answered 200 with a page")
      })
    )
  }

  for (const status of [200, 202, 204]) {
    live(`a manifest is written if the registry answers ${status}`, () =>
      Effect.gen(function* () {
        const { destination, registry } = yield* world(answering("PUT", "/manifests/", status))
        const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [] }))
        const manifest = { bytes, digest: digestOf(bytes), mediaType: OCI_INDEX, size: bytes.length }
        yield* registry.putManifest(accessTo(destination.host), "v1", manifest)
        assert.strictEqual(destination.store.manifest(PATH, "v1")?.digest, manifest.digest)
      })
    )

    live(`a manifest is written if the registry answers ${status} with the type of a page and no body`, () =>
      Effect.gen(function* () {
        const { destination, registry } = yield* world((request, response) => {
          if (request.method !== "PUT") return false
          response.writeHead(status, { "content-type": "text/html; charset=utf-8" })
          response.end()
          return true
        })
        const bytes = Buffer.from("{}")
        const manifest = { bytes, digest: digestOf(bytes), mediaType: OCI_INDEX, size: bytes.length }
        yield* registry.putManifest(accessTo(destination.host), "v1", manifest)
      })
    )

    live(`a blob is written if the registry answers ${status} to PUT`, () =>
      Effect.gen(function* () {
        const { copied, store } = yield* world(answering("PUT", "/uploads/", status))
        assert.strictEqual(yield* copied(), "Sent")
        assert.isDefined(store.blob(PATH, BLOB.digest))
      })
    )
  }

  for (const status of [200, 201, 204]) {
    live(`a blob is written in chunks if the registry answers ${status} to PATCH`, () =>
      Effect.gen(function* () {
        const patched = answering("PATCH", "/uploads/", status)
        const { copied, store } = yield* world((request, response) => {
          if (request.method === "PUT" && request.headers["content-length"] !== "0") {
            request.resume().on("end", () => json(response, 405, errorBody("UNSUPPORTED", "chunks only")))
            return true
          }
          return patched(request, response)
        })
        assert.strictEqual(yield* copied(), "Sent")
        assert.isDefined(store.blob(PATH, BLOB.digest))
      })
    )
  }

  live("the error of an upload without a URL says so", () =>
    Effect.gen(function* () {
      const { copied } = yield* world((_, response) => {
        json(response, 202, {})
        return true
      })
      yield* failsWith(copied(), "PushRefused", "answered 202 without the URL of the upload (Location)")
    })
  )
})

describe("a mount that is refused", () => {
  for (const [status, code] of [
    [400, "UNSUPPORTED"],
    [401, "UNAUTHORIZED"],
    [403, "DENIED"],
    [404, "BLOB_UNKNOWN"],
    [404, "NAME_UNKNOWN"],
    [405, "UNSUPPORTED"],
    [500, "UNKNOWN"],
    [503, "UNAVAILABLE"]
  ] as const) {
    live(`the blob is sent after ${status} ${code} to a mount`, () =>
      Effect.gen(function* () {
        const { copied, store } = yield* world((request, response) => {
          if (request.url?.includes("mount=") !== true) return false
          json(response, status, errorBody(code, "no mount"))
          return true
        })
        assert.strictEqual(yield* copied("other/app"), "Sent")
        assert.isDefined(store.blob(PATH, BLOB.digest))
      })
    )
  }

  live("the blob is not sent after 429 to a mount", () =>
    Effect.gen(function* () {
      const { copied, destination } = yield* world((_, response) => {
        json(response, 429, errorBody("TOOMANYREQUESTS", "slow down"), { "retry-after": "60" })
        return true
      })
      yield* failsWith(copied("other/app"), "RateLimited", "429")
      assert.lengthOf(destination.requests, 1)
    })
  )
})

describe("a blob that is there", () => {
  /** Refuses the bytes of every blob, in Nexus's words. */
  const refusesBytes: Intercept = (request, response) => {
    if (request.method !== "PUT") return false
    request.resume().on("end", () => json(response, 400, errorBody("BLOB_UPLOAD_INVALID", "cannot be updated")))
    return true
  }

  live("a blob that the registry refuses because the blob is there counts as there", () =>
    Effect.gen(function* () {
      const { copied, store } = yield* world(refusesBytes)
      store.putBlob(PATH, LAYER)
      assert.strictEqual(yield* copied(), "Mounted")
    })
  )

  live("a refused blob that is not there is an error", () =>
    Effect.gen(function* () {
      const { copied } = yield* world(refusesBytes)
      yield* failsWith(copied(), "PushRefused", "400 BLOB_UPLOAD_INVALID: cannot be updated")
    })
  )

  live("a blob that a full registry refuses with 413 is not sent again in chunks", () =>
    Effect.gen(function* () {
      const methods: Array<string | undefined> = []
      const { copied } = yield* world((request, response) => {
        methods.push(request.method)
        if (request.method !== "PUT") return false
        json(response, 413, errorBody("DENIED", "quota exceeded"))
        return true
      })
      yield* failsWith(copied(), "QuotaExceeded", "the registry has no room")
      assert.deepStrictEqual(methods, ["POST", "PUT"])
    })
  )
})
