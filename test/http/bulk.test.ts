/** Large blobs that are read into reused buffers, and sent to hosts that read slowly. */
import { createHash, randomBytes } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { setImmediate } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { digestOf } from "../../src/oci/Digest.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { parseProxy } from "../../src/http/Proxy.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { makeAuthority } from "../support/certificates.ts"
import { startProxy } from "../support/ConnectProxy.ts"
import { accessTo } from "../support/registryClient.ts"
import { scripted } from "../support/ScriptedServer.ts"

const AUTHORITY = makeAuthority()
const SERVER = AUTHORITY.issue(["127.0.0.1", "registry.test"])
const SIZE = 24 * 1024 * 1024

/** The digest of a request's body, read with pauses of some turns of the event loop, in which every buffer on the route fills up. */
const slowDigestOf = async (request: IncomingMessage): Promise<string> => {
  const hash = createHash("sha256")
  let pieces = 0
  for await (const piece of request as AsyncIterable<Uint8Array>) {
    hash.update(piece)
    if (++pieces % 32 === 0) for (let turns = 0; turns < 20; turns++) await setImmediate()
  }
  return `sha256:${hash.digest("hex")}`
}

describe("a large blob", () => {
  for (const [route, sourceTls, tls, proxyTls] of [
    ["by HTTP", false, false, undefined],
    ["by TLS", true, true, undefined],
    ["from TLS to HTTP", true, false, undefined],
    ["through a tunnel", true, true, false],
    ["through a tunnel within TLS", true, true, true]
  ] as const) {
    it.live(
      `a large blob arrives unchanged at a host that reads slowly, ${route}`,
      () =>
        Effect.gen(function* () {
          const bytes = randomBytes(SIZE)
          const blob = { digest: digestOf(bytes), size: SIZE }
          const source = yield* startRegistry(sourceTls ? { tls: SERVER } : {})
          source.store.putBlob("team/app", bytes)
          const found: Array<string> = []
          const destination = yield* scripted(
            (request, response) => {
              if (request.method === "POST") {
                response.writeHead(202, { location: "/upload" })
                response.end()
                return
              }
              void slowDigestOf(request).then((digest) => {
                found.push(digest)
                response.writeHead(201)
                response.end()
              })
            },
            tls ? SERVER : undefined
          )
          const proxy = yield* startProxy({
            place: () => destination.host,
            ...(proxyTls === true ? { tls: SERVER } : {})
          })
          const address = `${proxyTls === true ? "https" : "http"}://${proxy.host}`
          const layer = RegistryClientHttp.layer({
            certificates: [AUTHORITY.certificate],
            proxies: { https: Result.getOrThrow(parseProxy("HTTPS_PROXY", address)) }
          })
          yield* Effect.gen(function* () {
            const client = yield* RegistryClient
            for (let copies = 0; copies < 2; copies++) {
              yield* client.copyBlob({
                source: { ...accessTo(source.host), tlsVerify: sourceTls },
                destination: {
                  ...accessTo(proxyTls === undefined ? destination.host : "registry.test"),
                  tlsVerify: tls
                },
                blob
              })
            }
          }).pipe(Effect.provide(layer))
          assert.deepStrictEqual(found, [blob.digest, blob.digest])
          assert.lengthOf(proxy.seen, proxyTls === undefined ? 0 : 1)
        }),
      30_000
    )
  }
})
