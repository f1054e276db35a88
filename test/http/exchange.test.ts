import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Stream } from "effect"
import { describeFailure } from "../../src/http/failures.ts"
import { makeHttpClient } from "../../src/http/HttpClient.ts"
import { digestOf } from "../../src/oci/Digest.ts"
import { OCI_MANIFEST } from "../../src/oci/Manifest.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { accessTo, failsWith, live, TOKEN } from "../support/registryClient.ts"
import { errorBody, json, scripted } from "../support/ScriptedServer.ts"

const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2 }))
const MANIFEST = { bytes, digest: digestOf(bytes), mediaType: OCI_MANIFEST, size: bytes.length }

type Answer = (request: IncomingMessage, response: ServerResponse, isKept: boolean) => void

/** A server whose handler is told whether a request came by a reused connection. */
const keeping = (answer: Answer) =>
  Effect.gen(function* () {
    const sockets = new Set<Socket>()
    const server = yield* scripted((request, response) => {
      const isKept = sockets.has(request.socket)
      sockets.add(request.socket)
      answer(request, response, isKept)
    })
    return { ...server, sockets }
  })

const created = (response: ServerResponse): void => {
  response.writeHead(201)
  response.end()
}

const accepted = (response: ServerResponse): void => {
  response.writeHead(202, { location: "/upload" })
  response.end()
}

describe("a connection", () => {
  live("a connection is reused after any answer", () =>
    Effect.gen(function* () {
      const { host, seen, sockets } = yield* keeping((request, response) => {
        if (request.method === "PUT") return created(response)
        if (request.method === "HEAD") return json(response, 404, {}, { "content-length": "2" })
        if (request.url?.includes("/tags/") === true) return json(response, 200, { tags: ["v1"] })
        return json(response, 404, errorBody("MANIFEST_UNKNOWN", "x".repeat(10_000)))
      })
      const [client, access] = [yield* RegistryClient, accessTo(host)]
      yield* client.head(access, "v1")
      yield* client.tags(access)
      yield* failsWith(client.manifest(access, "v1"), "NotFound")
      yield* client.putManifest(access, "v1", MANIFEST)
      yield* client.head(access, "v2")
      // HEAD and GET of the written tag, and then GET, say whether the registry's HEAD tells the truth.
      assert.deepStrictEqual(
        seen.map(({ method }) => method),
        ["HEAD", "GET", "GET", "GET", "PUT", "HEAD", "HEAD", "GET", "GET"]
      )
      assert.strictEqual(sockets.size, 1)
    })
  )

  live("a request succeeds although its host closes the reused connection at that moment", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* keeping((request, response, isKept) => {
        if (isKept) request.socket.destroy()
        else created(response)
      })
      const [client, access] = [yield* RegistryClient, accessTo(host)]
      yield* client.putManifest(access, "v1", MANIFEST)
      yield* client.putManifest(access, "v2", MANIFEST)
      assert.deepStrictEqual(
        seen.map(({ url }) => url.slice(-2)),
        ["v1", "v2", "v2"]
      )
    })
  )

  live("requests succeed although the host closes all reused connections, and their bodies arrive whole", () =>
    Effect.gen(function* () {
      const tags = ["a", "b", "c", "d"]
      const waiting: Array<ServerResponse> = []
      const bodies: Array<string> = []
      const { host, seen, sockets } = yield* keeping((request, response, isKept) => {
        if (request.method === "HEAD") {
          waiting.push(response)
          if (waiting.length < tags.length) return
          for (const one of waiting) {
            json(one, 200, {}, { "content-length": "2", "docker-content-digest": MANIFEST.digest })
          }
          return
        }
        if (isKept) {
          request.socket.destroy()
          return
        }
        let body = ""
        request.setEncoding("utf8").on("data", (text: string) => (body += text))
        request.on("end", () => {
          bodies.push(body)
          created(response)
        })
      })
      const [client, access] = [yield* RegistryClient, accessTo(host)]
      yield* Effect.all(
        tags.map((tag) => client.head(access, tag)),
        { concurrency: "unbounded" }
      )
      const kept = tags.length
      assert.strictEqual(sockets.size, kept)
      yield* client.putManifest(access, "v1", MANIFEST)
      assert.lengthOf(
        seen.filter(({ method }) => method === "PUT"),
        kept + 1
      )
      assert.deepStrictEqual(bodies, [bytes.toString()])
    })
  )

  live("a POST is not repeated after its host closed the reused connection", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* keeping((request, response, isKept) => {
        if (isKept) request.socket.destroy()
        else created(response)
      })
      const [client, access] = [yield* RegistryClient, accessTo(host)]
      yield* client.putManifest(access, "v1", MANIFEST)
      yield* failsWith(client.putBlob(access, MANIFEST, Stream.make(bytes)), "Unreachable")
      assert.deepStrictEqual(
        seen.map(({ method }) => method),
        ["PUT", "POST"]
      )
    })
  )

  live("interrupting a request closes its connection, and the request is not repeated", () =>
    Effect.gen(function* () {
      const arrived = yield* Deferred.make<void>()
      const closed = yield* Deferred.make<void>()
      const { host, seen } = yield* keeping((request, response) => {
        if (request.url?.endsWith("v2") !== true) return created(response)
        request.socket.once("close", () => Deferred.doneUnsafe(closed, Exit.void))
        Deferred.doneUnsafe(arrived, Exit.void)
      })
      const [client, access] = [yield* RegistryClient, accessTo(host)]
      yield* client.putManifest(access, "v1", MANIFEST)
      const given = yield* Effect.forkChild(client.putManifest(access, "v2", MANIFEST))
      yield* Deferred.await(arrived)
      yield* Fiber.interrupt(given)
      yield* Deferred.await(closed)
      yield* client.putManifest(access, "v3", MANIFEST)
      assert.deepStrictEqual(
        seen.map(({ url }) => url.slice(-2)),
        ["v1", "v2", "v3"]
      )
    })
  )
})

describe("a header", () => {
  for (const [name, spoilt] of [
    ["a line break", `${TOKEN}\r\nx-more: of it`],
    ["what no header may have", `${TOKEN}\u{1f600}`]
  ] as const) {
    live(`a request with ${name} in a header is not sent, and the error does not show the header`, () =>
      Effect.gen(function* () {
        const { host, seen } = yield* scripted((_, response) => json(response, 200, {}))
        const http = yield* makeHttpClient({ userAgent: "test" })
        for (const reads of [1, "stream"] as const) {
          const request = {
            method: "GET",
            url: new URL(`http://${host}/`),
            headers: { authorization: spoilt },
            reads
          } as const
          const error = yield* Effect.flip(http.send(request, { tlsVerify: true, scope: "named" }))
          assert.strictEqual(error.reason._tag, "InvalidRequest")
          assert.notInclude(`${String(error)} ${describeFailure(error)} ${JSON.stringify(error)}`, TOKEN)
        }
        assert.lengthOf(seen, 0)
      })
    )
  }
})

describe("a body", () => {
  live("a streamed body stops once its host has answered", () =>
    Effect.gen(function* () {
      const { host } = yield* keeping((request, response) => {
        if (request.method === "POST") return accepted(response)
        return json(response, 403, errorBody("DENIED", "too large for you"))
      })
      const size = 256 * 1024 * 1024
      let pulled = 0
      async function* zeros(): AsyncGenerator<Uint8Array> {
        for (; pulled < size; pulled += 256 * 1024) yield await Promise.resolve(new Uint8Array(256 * 1024))
      }
      const endless = Stream.orDie(Stream.fromAsyncIterable(zeros(), String))
      const blob = { digest: digestOf(bytes), size }
      yield* failsWith((yield* RegistryClient).putBlob(accessTo(host), blob, endless), "AuthenticationFailed", "DENIED")
      assert.isBelow(pulled, size)
    })
  )

  live("an upload with fewer bytes than announced fails", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* keeping((request, response) => {
        if (request.method === "POST") return accepted(response)
        request.resume()
        request.once("end", () => created(response))
        return undefined
      })
      const blob = { digest: digestOf(bytes), size: bytes.length + 1 }
      yield* failsWith(
        (yield* RegistryClient).putBlob(accessTo(host), blob, Stream.make(bytes)),
        "Unreachable",
        `${bytes.length} bytes instead of ${bytes.length + 1}`
      )
      assert.isTrue(seen.every(({ method }) => method === "POST" || method === "PUT"))
    })
  )
})
