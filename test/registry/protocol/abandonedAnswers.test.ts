/** An abandoned request or answer leaves no connection behind. */
import type { RequestListener, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Result, type Scope, Stream } from "effect"
import { digestOf } from "../../../src/oci/Digest.ts"
import { startRegistry } from "../../../src/registry/memory/EmbeddedRegistry.ts"
import type { KeyedCertificate } from "../../../src/registry/memory/LoopbackServer.ts"
import { RegistryClient, type RepositoryAccess } from "../../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../../src/registry/RegistryClientHttp.ts"
import { makeAuthority } from "../../support/certificates.ts"
import { everythingElse, itOnSockets } from "../../support/passTimeWhenIdle.ts"
import { accessTo, failsWith } from "../../support/registryClient.ts"
import { scripted } from "../../support/ScriptedServer.ts"

const AUTHORITY = makeAuthority()
const SERVER = AUTHORITY.issue(["127.0.0.1"])
const layer = RegistryClientHttp.layer({ certificates: [AUTHORITY.certificate] })
const live = (name: string, test: () => Effect.Effect<void, unknown, RegistryClient | Scope.Scope>) =>
  itOnSockets(name, () => Effect.provide(test(), layer), 20_000)

const SIZE = 64 * 1024 * 1024
const BLOB = { digest: digestOf(Buffer.from("a layer")), size: SIZE }
const trusted = (host: string): RepositoryAccess => ({ ...accessTo(host), tlsVerify: true })

/** A server that counts its connections with an unfinished request or answer. */
const watched = (answer: RequestListener, tls?: KeyedCertificate) =>
  Effect.gen(function* () {
    const busy = new Set<Socket>()
    const server = yield* scripted((request, response) => {
      const { socket } = request
      busy.add(socket)
      socket.once("close", () => busy.delete(socket))
      response.once("finish", () => busy.delete(socket))
      answer(request, response)
    }, tls)
    const isQuiet = Effect.andThen(
      everythingElse,
      Effect.sync(() => assert.strictEqual(busy.size, 0))
    )
    return { ...server, isQuiet }
  })

/** An answer that begins a body of {@link SIZE} and never continues it. */
const begins = (response: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void => {
  response.writeHead(status, { "content-length": String(SIZE), ...headers })
  response.write(Buffer.alloc(1024 * 1024))
}

describe("an answer that is not wanted", () => {
  live("the body of a redirect is discarded", () =>
    Effect.gen(function* () {
      const source = yield* watched(
        (_, response) => begins(response, 307, { location: "http://registry.test/" }),
        SERVER
      )
      const destination = yield* startRegistry()
      const client = yield* RegistryClient
      yield* failsWith(client.tags(trusted(source.host)), "InvalidAnswer", "plain HTTP")
      yield* source.isQuiet
      const copied = client.copyBlob({
        source: trusted(source.host),
        destination: accessTo(destination.host),
        blob: BLOB
      })
      assert.isTrue(Result.isFailure(yield* Effect.result(copied)))
      yield* source.isQuiet
    })
  )

  live("the body of the answer that begins an upload is discarded", () =>
    Effect.gen(function* () {
      const { host, isQuiet } = yield* watched(
        (_, response) => begins(response, 202, { location: "http://storage.test/upload" }),
        SERVER
      )
      const client = yield* RegistryClient
      yield* failsWith(client.putBlob(trusted(host), BLOB, Stream.never), "PushRefused", "plain HTTP")
      yield* isQuiet
    })
  )
})

describe("a blob", () => {
  live("a blob that is not read to its end closes its connection", () =>
    Effect.gen(function* () {
      const { host, isQuiet } = yield* watched((_, response) => begins(response, 200))
      const client = yield* RegistryClient
      const begun = yield* Deferred.make<void>()
      const reading = yield* Effect.forkChild(
        Stream.runForEach(client.blob(accessTo(host), BLOB), () => Deferred.succeed(begun, undefined))
      )
      yield* Deferred.await(begun)
      yield* everythingElse
      yield* Fiber.interrupt(reading)
      yield* isQuiet
    })
  )

  live("a blob that is never read closes its connection", () =>
    Effect.gen(function* () {
      const source = yield* watched((_, response) => begins(response, 200))
      const destination = yield* watched((_, response) => {
        response.writeHead(202, { location: "http://169.254.169.254/upload" })
        response.end()
      })
      const copied = (yield* RegistryClient).copyBlob({
        source: accessTo(source.host),
        destination: accessTo(destination.host),
        blob: BLOB
      })
      assert.isTrue(Result.isFailure(yield* Effect.result(copied)))
      assert.isAbove(source.seen.length, 0)
      yield* source.isQuiet
    })
  )

  live("interrupting a copy while no byte comes closes both connections", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const source = yield* watched((_, response) => begins(response, 200))
      const destination = yield* watched((request, response) => {
        if (request.method === "POST") {
          response.writeHead(202, { location: "/upload" })
          return response.end()
        }
        request.resume()
        return Deferred.doneUnsafe(begun, Exit.void)
      })
      const copying = yield* Effect.forkChild(
        (yield* RegistryClient).copyBlob({
          source: accessTo(source.host),
          destination: accessTo(destination.host),
          blob: BLOB
        })
      )
      yield* Deferred.await(begun)
      yield* everythingElse
      yield* Fiber.interrupt(copying)
      yield* source.isQuiet
      yield* destination.isQuiet
    })
  )

  for (const answers of [true, false]) {
    live(
      `an interrupted copy withdraws its upload${answers ? "" : ", and ends although the registry does not answer"}`,
      () =>
        Effect.gen(function* () {
          const begun = yield* Deferred.make<void>()
          const source = yield* watched((_, response) => begins(response, 200))
          const requests: Array<string> = []
          const destination = yield* watched((request, response) => {
            requests.push(`${request.method} ${request.url}`)
            if (request.method === "POST") return response.writeHead(202, { location: "/upload?state=1" }).end()
            if (request.method === "DELETE") return answers ? response.writeHead(204).end() : undefined
            request.resume()
            return Deferred.doneUnsafe(begun, Exit.void)
          })
          const copying = yield* Effect.forkChild(
            (yield* RegistryClient).copyBlob({
              source: accessTo(source.host),
              destination: accessTo(destination.host),
              blob: BLOB
            })
          )
          yield* Deferred.await(begun)
          yield* Effect.timeout(Fiber.interrupt(copying), "2 seconds")
          assert.deepStrictEqual(requests.slice(1), [
            "PUT /upload?state=1&digest=" + encodeURIComponent(BLOB.digest),
            "DELETE /upload?state=1"
          ])
          yield* destination.isQuiet
        })
    )
  }

  live("a failed upload stops the read of its source", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      const { host } = yield* watched((request, response) => {
        if (request.method === "POST") {
          response.writeHead(202, { location: "/upload" })
          response.end()
        } else {
          Deferred.doneUnsafe(begun, Exit.void)
        }
      })
      const bytes = Stream.ensuring(
        Stream.concat(Stream.make(Buffer.from("a")), Stream.never),
        Deferred.succeed(ended, undefined)
      )
      const sending = yield* Effect.forkChild((yield* RegistryClient).putBlob(accessTo(host), BLOB, bytes))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(sending)
      yield* Effect.timeout(Deferred.await(ended), "2 seconds")
    })
  )
})
