/** The requests over HTTP that the rate limiter counts. */
import { assert, describe } from "@effect/vitest"
import { Clock, Effect, Result, Stream } from "effect"
import { digestOf } from "../../../src/oci/Digest.ts"
import { startRegistry } from "../../../src/registry/memory/EmbeddedRegistry.ts"
import { OCI_INDEX } from "../../../src/oci/Manifest.ts"
import { RegistryClient } from "../../../src/registry/RegistryClient.ts"
import type { RegistryError } from "../../../src/registry/RegistryError.ts"
import * as RegistryClientHttp from "../../../src/registry/RegistryClientHttp.ts"
import { parseRegistryLimits } from "../../../src/registry/limits/configured.ts"
import { itOnSockets } from "../../support/passTimeWhenIdle.ts"
import { accessTo } from "../../support/registryClient.ts"
import { errorBody, json, pathOf, scripted } from "../../support/ScriptedServer.ts"

const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [] }))
const INDEX = { bytes: manifest, mediaType: OCI_INDEX, digest: digestOf(manifest), size: manifest.length }
const BYTES = Buffer.from("the layer")
const BLOB = { digest: digestOf(BYTES), size: BYTES.length }

/** A client, and the requests that its observer reports. */
const observed = (options: Pick<RegistryClientHttp.RegistryClientHttpOptions, "limits" | "timeout"> = {}) => {
  const told: Array<string> = []
  const quotas: Array<string> = []
  const holds: Array<readonly [registry: string, until: number]> = []
  const layer = RegistryClientHttp.layer({
    ...options,
    observer: {
      answered: (registry, method, code) => told.push(`${registry} ${method} ${code}`),
      quota: (registry, remaining, limit) => quotas.push(`${registry} ${remaining}/${limit}`),
      held: (registry, until) => holds.push([registry, until])
    }
  })
  return { told, quotas, holds, layer }
}

const limited = <A, R>(effect: Effect.Effect<A, RegistryError, R>) =>
  Effect.map(Effect.result(effect), (result) => {
    assert(Result.isFailure(result), "should have failed")
    assert.strictEqual(result.failure.reason._tag, "RateLimited", result.failure.message)
    return result.failure
  })

describe("the rate limiter over HTTP", () => {
  itOnSockets(
    "the rate limiter counts every request to its registry, including uploads and bulk reads, and no request to other hosts",
    () => {
      const { layer, told } = observed()
      return Effect.gen(function* () {
        const storage = yield* scripted((_, response) => response.end(BYTES))
        const source = yield* scripted((request, response) => {
          response.writeHead(307, { location: `http://${storage.host}${pathOf(request)}?signed` })
          response.end()
        })
        const destination = yield* startRegistry()
        const client = yield* RegistryClient
        yield* client.copyBlob({ source: accessTo(source.host), destination: accessTo(destination.host), blob: BLOB })
        yield* Stream.runDrain(client.blob(accessTo(source.host), BLOB))
        yield* client.putManifest(accessTo(destination.host), "v1", INDEX)
        yield* client.head(accessTo(destination.host), "v1")
        const seenBy = (host: string) => told.filter((line) => line.startsWith(host) && !line.endsWith("none"))
        assert.deepStrictEqual(seenBy(source.host), [`${source.host} GET 307`, `${source.host} GET 307`])
        assert.deepStrictEqual(
          seenBy(destination.host).map((line) => line.slice(destination.host.length + 1)),
          ["POST 202", "PUT 201", "PUT 201", "HEAD 200"]
        )
        assert.strictEqual(seenBy(destination.host).length, destination.requests.length)
        assert.deepStrictEqual(seenBy(storage.host), [])
        assert.lengthOf(storage.seen, 2)
      }).pipe(Effect.provide(layer))
    }
  )

  itOnSockets("a used up quota refuses manifests without a request, and allows HEADs", () => {
    const { holds, layer, quotas } = observed()
    return Effect.gen(function* () {
      let remaining = 1
      const { host, seen } = yield* scripted((request, response) => {
        if (request.method === "GET") remaining -= 1
        response.writeHead(200, {
          "content-type": OCI_INDEX,
          "docker-content-digest": INDEX.digest,
          "content-length": String(INDEX.size),
          "ratelimit-limit": "100;w=21600",
          "ratelimit-remaining": `${remaining};w=21600`,
          "docker-ratelimit-source": "192.0.2.7"
        })
        response.end(request.method === "GET" ? INDEX.bytes : undefined)
      })
      const client = yield* RegistryClient
      yield* client.head(accessTo(host), "v1")
      yield* client.manifest(accessTo(host), "v1")
      const error = yield* limited(client.manifest(accessTo(host), "v2"))
      assert.include(error.message, "0 of 100 pulls in 6h are left; no more are made until")
      yield* client.head(accessTo(host), "v2")
      assert.deepStrictEqual(
        seen.map(({ method }) => method),
        ["HEAD", "GET", "HEAD"]
      )
      assert.deepStrictEqual(quotas, [`${host} 1/100`, `${host} 0/100`, `${host} 0/100`])
      assert.deepStrictEqual(holds.at(0), [host, error.until ?? 0])
    }).pipe(Effect.provide(layer))
  })

  for (const [what, headers, body] of [
    ["a second", { "retry-after": "1" }, "slow down"],
    ["GHCR's microseconds", {}, "retry-after: 880.092us, allowed: 44000/minute"],
    ["no time at all", {}, "slow down"]
  ] as const) {
    itOnSockets(`a request that exceeds the rate, by ${what}, is sent again once, whether it reads or writes`, () => {
      const { layer } = observed()
      return Effect.gen(function* () {
        let refuse = true
        const { host, seen } = yield* scripted((request, response) => {
          refuse = !refuse
          if (!refuse) json(response, 429, errorBody("TOOMANYREQUESTS", body), headers)
          else if (request.method === "PUT") response.writeHead(201).end()
          else json(response, 200, { tags: ["v1"] })
        })
        const client = yield* RegistryClient
        assert.deepStrictEqual(yield* client.tags(accessTo(host)), ["v1"])
        yield* client.putManifest(accessTo(host), "v1", INDEX)
        assert.deepStrictEqual(
          seen.map(({ method }) => method),
          ["GET", "GET", "PUT", "PUT"]
        )
      }).pipe(Effect.provide(layer))
    })
  }

  itOnSockets("a token server has its own limit, which is enforced too", () => {
    const { layer } = observed()
    return Effect.gen(function* () {
      const tokens = yield* scripted((_, response) => json(response, 429, {}, { "retry-after": "60" }))
      const { host, seen } = yield* scripted((_, response) =>
        json(response, 401, {}, { "www-authenticate": `Bearer realm="http://${tokens.host}/token",service="s"` })
      )
      const client = yield* RegistryClient
      for (let count = 0; count < 3; count++) {
        const error = yield* limited(client.tags(accessTo(host)))
        assert.include(error.message, `the token server ${tokens.host}`)
        assert.isAtLeast((error.until ?? 0) - (yield* Clock.currentTimeMillis), 50_000)
      }
      assert.lengthOf(tokens.seen, 1)
      assert.isAtMost(seen.length, 3)
    }).pipe(Effect.provide(layer))
  })

  itOnSockets("a request may be queued for longer than the time limit of its answer", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* scripted((_, response) => json(response, 200, { tags: ["v1"] }))
      const limits = Result.getOrThrow(parseRegistryLimits(`${host}=1/s`))
      const { layer } = observed({ limits, timeout: "5 seconds" })
      yield* Effect.gen(function* () {
        const client = yield* RegistryClient
        // Finding out whether the host speaks TLS takes one request, and one second of the rate.
        yield* client.tags(accessTo(host))
        const waiting = Array.from({ length: 12 }, () => client.tags(accessTo(host)))
        for (const tags of yield* Effect.all(waiting, { concurrency: "unbounded" }))
          assert.deepStrictEqual(tags, ["v1"])
        assert.lengthOf(seen, 13)
      }).pipe(Effect.provide(layer))
    })
  )
})
