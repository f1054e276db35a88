/** Faults of a side: a copy is complete, or its tag stays as it was. */
import { assert, describe, it } from "@effect/vitest"
import type { IncomingMessage, ServerResponse } from "node:http"
import { Deferred, Effect } from "effect"
import type { CopyProgress } from "../../src/domain/Copy.ts"
import type { Intercept } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { serve } from "../../src/registry/memory/LoopbackServer.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { FALTERS, FAULTS, LAYER, layers, rememberLayers, servesTenths, sizes, STEPS } from "./faults.table.ts"
import { file, run } from "../support/commandLine.ts"
import { PROCESS_TIMEOUT, start } from "../support/commandProcess.ts"
import {
  assertEqual,
  assertNothingHalf,
  childrenOf,
  copy,
  DESTINATION,
  failsWith,
  nth,
  refuses,
  SOURCE,
  uploads,
  worldOf
} from "../support/copyWorld.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { errorBody, json, pathOf } from "../support/ScriptedServer.ts"

describe("copyImage, when a side fails", () => {
  for (const { intercept, name, reason, side } of FAULTS) {
    itOnSockets(`the tag stays as it was if the ${side} ${name}`, () =>
      Effect.gen(function* () {
        const world = yield* worldOf({ [side]: { intercept: intercept() } })
        // The old tag must stay. It has another seed, so that the destination has none of the new blobs.
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

  itOnSockets("the next copy sends only the parts that the destination lacks", () =>
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

describe("copyImage, when a side falters", () => {
  for (const { intercept, name, side } of FALTERS) {
    itOnSockets(`the copy is complete if the ${side} ${name}`, () =>
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

  itOnSockets("a read that breaks off continues at the same byte", () =>
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

/** A registry whose tokens expire when the nth of some requests arrives. Its token server gives new tokens. */
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

describe("copyImage, when its token expires during the copy", () => {
  for (const [side, method, part] of STEPS) {
    for (const n of [1, 2, 3]) {
      // A first token that is refused at once interrupts nothing.
      if (n === 1 && part === "/manifests/" && side === "source") continue
      itOnSockets(`the copy is complete if the token of the ${side} expires at ${method} ${part} number ${n}`, () =>
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

  itOnSockets("a copy whose tokens are never valid for an upload fails with AuthenticationFailed", () =>
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
  /** A storage with addresses that are valid once. The first answer breaks off. */
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

  itOnSockets("a read from a storage that breaks off asks the registry for a new address", () =>
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

  itOnSockets("a copy fails if the storage refuses each address", () =>
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
      `a killed sync leaves no incomplete tag, and the next sync completes the copy: killed while ${name}`,
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
