/** Answers that barely follow HTTP, or break it. Each one soon ends as an answer or an error. */
import { assert, describe } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { digestOf } from "../../../src/oci/Digest.ts"
import { startRegistry } from "../../../src/registry/memory/EmbeddedRegistry.ts"
import { OCI_MANIFEST } from "../../../src/oci/Manifest.ts"
import { RegistryClient } from "../../../src/registry/RegistryClient.ts"
import { everythingElse } from "../../support/passTimeWhenIdle.ts"
import { rawServer } from "../../support/RawServer.ts"
import { accessTo, failsWith, live } from "../../support/registryClient.ts"

const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2 }))
const MANIFEST = { bytes, digest: digestOf(bytes), mediaType: OCI_MANIFEST, size: bytes.length }
const TAGS = JSON.stringify({ tags: ["v1"] })
const LIST = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${TAGS.length}\r\n\r\n${TAGS}`
const FOUND = `HTTP/1.1 200 OK\r\ncontent-type: ${OCI_MANIFEST}\r\ncontent-length: 2\r\ndocker-content-digest: ${MANIFEST.digest}\r\n\r\n`

const listed = (text: string) =>
  Effect.gen(function* () {
    const { host } = yield* rawServer((socket) => void socket.write(text))
    assert.deepStrictEqual(yield* (yield* RegistryClient).tags(accessTo(host)), ["v1"])
  })

describe("an answer", () => {
  for (const [name, text] of [
    ["after a 100", `HTTP/1.1 100 Continue\r\n\r\n${LIST}`],
    ["after a 103 with headers", `HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n${LIST}`],
    [
      "in chunks, with a trailer",
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x\r\n\r\n${TAGS.length.toString(16)};a=b\r\n${TAGS}\r\n0\r\nx: y\r\n\r\n`
    ],
    ["with more after it", `${LIST}and so on`]
  ] as const) {
    live(`an answer is read: ${name}`, () => listed(text))
  }

  live("an answer of HTTP/1.0 ends with its connection", () =>
    Effect.gen(function* () {
      const { host } = yield* rawServer((socket) => socket.end(`HTTP/1.0 200 OK\r\n\r\n${TAGS}`))
      assert.deepStrictEqual(yield* (yield* RegistryClient).tags(accessTo(host)), ["v1"])
    })
  )

  for (const [name, text, words] of [
    [
      "that changes the protocol",
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
      "closed without an answer"
    ],
    ["whose head does not end", `HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(20_000)}`, "Header overflow"],
    ["that is no HTTP", "SSH-2.0-OpenSSH_9.9\r\n", "Expected HTTP"]
  ] as const) {
    live(`an answer is refused: ${name}`, () =>
      Effect.gen(function* () {
        const { host } = yield* rawServer((socket) => void socket.write(text))
        yield* failsWith((yield* RegistryClient).tags(accessTo(host)), "Unreachable", words)
      })
    )
  }

  for (const [name, text] of [
    ["head", "HTTP/1.1 200 OK\r\ncontent-"],
    ["body", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"],
    ["chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{"]
  ] as const) {
    live(`an answer that breaks off in its ${name} is refused`, () =>
      Effect.gen(function* () {
        const { host } = yield* rawServer((socket) => socket.end(text))
        yield* failsWith((yield* RegistryClient).tags(accessTo(host)), "Unreachable")
      })
    )
  }

  live("an answer with 304 has no body, whatever its Content-Length", () =>
    Effect.gen(function* () {
      const { host } = yield* rawServer(
        (socket) => void socket.write("HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\n\r\n")
      )
      const destination = yield* startRegistry()
      const client = yield* RegistryClient
      yield* failsWith(client.tags(accessTo(host)), "InvalidAnswer", "304")
      const copied = client.copyBlob({
        source: accessTo(host),
        destination: accessTo(destination.host),
        blob: MANIFEST
      })
      yield* failsWith(copied, "InvalidAnswer", "304")
    })
  )

  live("an answer to HEAD with a body is accepted, and its connection is not reused", () =>
    Effect.gen(function* () {
      const { host } = yield* rawServer((socket) => void socket.write(`${FOUND}{}`))
      const client = yield* RegistryClient
      for (const tag of ["v1", "v2"]) {
        assert.isTrue(Option.isSome(yield* client.head(accessTo(host), tag)))
      }
    })
  )

  live("an answer to HEAD whose body comes later does not spoil a later write", () =>
    Effect.gen(function* () {
      const { host } = yield* rawServer((socket, head) => {
        if (head.startsWith("HEAD")) {
          socket.write(FOUND)
          setImmediate(() => setImmediate(() => socket.write("{}")))
        } else if (head.startsWith("POST")) {
          socket.write("HTTP/1.1 202 Accepted\r\nlocation: /upload\r\ncontent-length: 0\r\n\r\n")
        } else {
          socket.write("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")
        }
      })
      const client = yield* RegistryClient
      yield* client.head(accessTo(host), "v1")
      yield* everythingElse
      yield* client.putBlob(accessTo(host), MANIFEST, Stream.make(bytes))
    })
  )

  live("an empty answer before the end of the request is accepted although the connection breaks", () =>
    Effect.gen(function* () {
      const { host } = yield* rawServer((socket, head) => {
        if (head.startsWith("POST")) {
          socket.write("HTTP/1.1 202 Accepted\r\nlocation: /upload\r\ncontent-length: 0\r\n\r\n")
        } else {
          socket.pause()
          socket.write("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", () => socket.resetAndDestroy())
        }
      })
      const size = 64 * 1024 * 1024
      const zeros = Stream.forever(Stream.make(new Uint8Array(256 * 1024)))
      const blob = { digest: digestOf(bytes), size }
      yield* failsWith((yield* RegistryClient).putBlob(accessTo(host), blob, zeros), "AuthenticationFailed")
    })
  )

  live("an answer to a request whose body the host stops reading ends the request", () =>
    Effect.gen(function* () {
      const large = Buffer.alloc(32 * 1024 * 1024, "x")
      const { host } = yield* rawServer((socket) => {
        socket.pause()
        socket.write("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n")
      })
      const content = { bytes: large, digest: digestOf(large), mediaType: OCI_MANIFEST, size: large.length }
      yield* failsWith((yield* RegistryClient).putManifest(accessTo(host), "v1", content), "PushRefused", "413")
    })
  )
})

describe("a body", () => {
  live("a body with more bytes than announced does not run into the next request", () =>
    Effect.gen(function* () {
      const { host, received } = yield* rawServer((socket, head) => {
        if (head.startsWith("POST")) {
          socket.write("HTTP/1.1 202 Accepted\r\nlocation: /upload\r\ncontent-length: 0\r\n\r\n")
        }
      })
      const blob = { digest: digestOf(bytes), size: 4 }
      yield* failsWith(
        (yield* RegistryClient).putBlob(
          accessTo(host),
          blob,
          Stream.make(Buffer.from("abcd"), Buffer.from("DELETE /"))
        ),
        "Unreachable",
        "more bytes than its 4"
      )
      assert.notInclude(received(), "DELETE /")
    })
  )
})
