/** The HTTP client: how answers are read, and the errors of failed requests, with each reader. */
import type { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, type Scope } from "effect"
import { ConnectionError, type ConnectionErrorReason } from "../../src/http/ConnectionError.ts"
import { describeFailure } from "../../src/http/failures.ts"
import { get, type HttpRequest, type HttpResponse } from "../../src/http/Http.ts"
import { type HttpClientOptions, makeHttpClient } from "../../src/http/HttpClient.ts"
import { parseProxy } from "../../src/http/Proxy.ts"
import { makeAuthority } from "../support/certificates.ts"
import { startProxy } from "../support/ConnectProxy.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { rawServer } from "../support/RawServer.ts"
import { scripted } from "../support/ScriptedServer.ts"

const AUTHORITY = makeAuthority()
const SERVER = AUTHORITY.issue(["127.0.0.1"])

type Options = Omit<HttpClientOptions, "userAgent">

/** A body is read into memory, as a stream by the general reader, or as a stream by the bulk reader. */
const READERS = [
  ["into memory", {}, {}],
  ["as a stream", { reads: "stream" }, { bulkReader: false }],
  ["in bulk", { reads: "stream" }, {}]
] as const

/** Sends a request and reads the answer's body to its end. */
const asked = Effect.fnUntraced(function* (request: HttpRequest, options: Options) {
  const http = yield* makeHttpClient({ userAgent: "test", certificates: [AUTHORITY.certificate], ...options })
  const response = yield* http.send(request, { tlsVerify: true, scope: "named" })
  return { response, bytes: yield* bytesOf(response) }
})

const bytesOf = ({ bytes, stream }: HttpResponse) =>
  stream === undefined
    ? Effect.succeed(Buffer.from(bytes))
    : Effect.tryPromise({
        try: async () => {
          const chunks: Array<Uint8Array> = []
          for await (const chunk of stream.bytes) chunks.push(Uint8Array.from(chunk))
          return Buffer.concat(chunks)
        },
        catch: (cause) => (cause instanceof ConnectionError ? cause : new Error("no ConnectionError", { cause }))
      })

interface Failure {
  readonly what: string
  readonly url: Effect.Effect<string, never, Scope.Scope>
  readonly options?: Options
  readonly headers?: Readonly<Record<string, string>>
  readonly reason: ConnectionErrorReason["_tag"]
  readonly isConnected: boolean
  readonly isAnswered?: boolean
  readonly words: string
}

const raw = (scheme: string, answer: (socket: Socket) => void, tls?: typeof SERVER) =>
  Effect.map(rawServer(answer, tls), ({ host }) => `${scheme}://${host}/x`)
const proxied = (options: Parameters<typeof startProxy>[0]) =>
  Effect.map(startProxy(options), ({ host }) => Result.getOrThrow(parseProxy("HTTPS_PROXY", host)))

const FAILURES: ReadonlyArray<Failure> = [
  {
    what: "a name without an address",
    url: Effect.succeed("https://nowhere.test/x"),
    options: { resolve: (_, done) => done(Object.assign(new Error("no"), { code: "ENOTFOUND" }), []) },
    reason: "Dns",
    isConnected: false,
    words: "failed: the host name does not resolve; check the registry's name (ENOTFOUND)"
  },
  {
    what: "a port that nothing listens at",
    url: Effect.succeed("http://127.0.0.1:1/x"),
    reason: "Refused",
    isConnected: false,
    words: "failed: nothing listens at the address; check the host and the port (ECONNREFUSED)"
  },
  {
    what: "a host that speaks no TLS",
    url: Effect.map(
      scripted((_, response) => response.end()),
      ({ host }) => `https://${host}/x`
    ),
    reason: "Tls",
    isConnected: false,
    words: "failed: the host answers without TLS; set tlsVerify: false"
  },
  {
    what: "a certificate of an authority that is not trusted",
    url: Effect.map(
      scripted((_, response) => response.end(), makeAuthority("another").issue(["127.0.0.1"])),
      ({ host }) => `https://${host}/x`
    ),
    reason: "Tls",
    isConnected: false,
    words: "failed: the host's certificate is not trusted; trust its CA (REGISTRY_CA_FILE)"
  },
  {
    what: "a certificate for another name",
    url: Effect.map(
      scripted((_, response) => response.end(), AUTHORITY.issue(["other.test"])),
      ({ host }) => `https://${host}/x`
    ),
    reason: "Tls",
    isConnected: false,
    words: "(ERR_TLS_CERT_ALTNAME_INVALID)"
  },
  {
    what: "an address that must not be connected to",
    url: Effect.succeed("http://169.254.169.254/latest"),
    reason: "AddressRefused",
    isConnected: false,
    words: "169.254.169.254"
  },
  {
    what: "a header with a line break",
    url: Effect.map(
      scripted((_, response) => response.end()),
      ({ host }) => `http://${host}/x`
    ),
    headers: { authorization: "a\r\nb: c" },
    reason: "InvalidRequest",
    isConnected: false,
    words: "header"
  },
  {
    what: "a connection that is closed without an answer",
    url: raw("http", (socket) => socket.destroy()),
    reason: "Closed",
    isConnected: true,
    words: "failed: "
  },
  {
    what: "an answer that is no HTTP",
    url: raw("http", (socket) => socket.end("220 hello\r\n\r\n")),
    reason: "NotHttp",
    isConnected: true,
    words: "failed: "
  },
  {
    what: "a head that does not end",
    url: raw("http", (socket) => socket.write(`HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(20_000)}`)),
    reason: "NotHttp",
    isConnected: true,
    words: "failed: "
  },
  {
    what: "a body that is broken off",
    url: raw("http", (socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", () => socket.destroy())
    }),
    reason: "Closed",
    isConnected: true,
    isAnswered: true,
    words: "broke off: "
  }
]

describe("a request without a whole answer", () => {
  for (const { headers = {}, isAnswered = false, isConnected, options, reason, url, what, words } of FAILURES) {
    for (const [how, reads, reader] of READERS) {
      itOnSockets(`a request fails with ${reason} and explains the failure, read ${how}: ${what}`, () =>
        Effect.gen(function* () {
          const request = { ...get(new URL(yield* url), headers), ...reads }
          const error = yield* Effect.flip(asked(request, { ...reader, ...options }))
          assert(error instanceof ConnectionError)
          assert.deepStrictEqual(
            [error.reason._tag, error.isConnected, error.isAnswered],
            [reason, isConnected, isAnswered],
            error.message
          )
          assert.include(describeFailure(error), words)
          assert.notMatch(describeFailure(error), /[\r\n]/u)
        })
      )
    }
  }

  for (const [scheme, options, reason, words] of [
    [
      "https",
      { refusal: 403 },
      { _tag: "ProxyRefused", status: 403 },
      "the proxy refuses to connect to the host (403)"
    ],
    ["https", { credential: "a:b" }, { _tag: "ProxyRefused", status: 407 }, "the proxy requires a user and password"],
    ["http", { credential: "a:b" }, { _tag: "ProxyRefused", status: 407 }, "the proxy requires a user and password"],
    ["http", {}, { _tag: "GatewayFailed", status: 502 }, "the proxy, or the host behind the proxy, answered 502"]
  ] as const) {
    itOnSockets(`a failed request names its proxy, by ${scheme}: ${words}`, () =>
      Effect.gen(function* () {
        const proxy = yield* proxied({ place: () => undefined, ...options })
        const request = get(new URL(`${scheme}://registry.test/x`), {})
        const error = yield* Effect.flip(asked(request, { proxies: { https: proxy, http: proxy } }))
        assert(error instanceof ConnectionError)
        assert.deepStrictEqual(error.reason, reason)
        assert.include(describeFailure(error), `failed: through the proxy ${proxy.host} (HTTPS_PROXY): ${words}`)
      })
    )
  }

  itOnSockets("a body that stands still fails the request, a body that is not read does not", () =>
    Effect.gen(function* () {
      for (const reader of [true, false]) {
        const url = yield* raw("http", (socket) => {
          socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n${"x".repeat(200_000)}`)
        })
        const http = yield* makeHttpClient({ userAgent: "test", bulkReader: reader })
        const { stream } = yield* http.send(
          { ...get(new URL(url), {}), reads: "stream" },
          { tlsVerify: true, scope: "named" }
        )
        assert(stream !== undefined)
        const chunks = stream.bytes[Symbol.asyncIterator]()
        yield* Effect.promise(() => chunks.next())
        yield* Effect.sleep("10 minutes")
        const rest = yield* Effect.flip(
          Effect.tryPromise(async () => {
            while ((await chunks.next()).done !== true) continue
          })
        )
        const { cause } = rest
        assert(cause instanceof ConnectionError)
        assert.deepStrictEqual(cause.reason, { _tag: "Idle", millis: 60_000 })
        assert.strictEqual(describeFailure(cause), "brought no byte for 1m")
      }
    })
  )
})

describe("an answer", () => {
  const head = "HTTP/1.1 200 OK\r\n"
  for (const [what, text, expected] of [
    ["with a length", `${head}content-length: 3\r\n\r\nabc`, "abc"],
    ["in chunks", `${head}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`, "abc"],
    ["that ends with its connection", `${head}\r\nabc`, "abc"],
    ["without a body", `${head}content-length: 0\r\n\r\n`, ""]
  ] as const) {
    for (const [how, reads, reader] of READERS) {
      itOnSockets(`an answer is read to its end, ${how}: ${what}`, () =>
        Effect.gen(function* () {
          const url = yield* raw("http", (socket) => (text.includes("-") ? socket.write(text) : socket.end(text)))
          const { bytes, response } = yield* asked({ ...get(new URL(url), {}), ...reads }, reader)
          assert.strictEqual(bytes.toString(), expected)
          assert.strictEqual(response.status, 200)
          assert.strictEqual(response.stream === undefined, how === "into memory")
        })
      )
    }
  }

  itOnSockets("the body of an error is read into memory, whatever the request reads", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) => {
        response.writeHead(404)
        response.end("not here")
      })
      for (const [, reads, reader] of READERS) {
        const { bytes, response } = yield* asked({ ...get(new URL(`http://${host}/x`), {}), ...reads }, reader)
        assert.deepStrictEqual([bytes.toString(), response.stream], ["not here", undefined])
      }
    })
  )

  itOnSockets("an answer that exceeds the request's limit is cut off, and its rest is not read", () =>
    Effect.gen(function* () {
      for (const length of [{}, { "content-length": "11" }]) {
        const { host } = yield* scripted((_, response) => {
          response.writeHead(200, length)
          response.end("hello world")
        })
        const request = { ...get(new URL(`http://${host}/x`), {}), reads: 10 }
        const { response } = yield* asked(request, {})
        assert.deepStrictEqual([response.isCut, response.bytes.length], [true, 0])
      }
    })
  )

  itOnSockets(
    "a body without a length is requested again with the general reader, and later bodies of that host only with it",
    () =>
      Effect.gen(function* () {
        const { host, seen } = yield* scripted((_, response) => {
          response.write("abc")
          response.end()
        })
        const http = yield* makeHttpClient({ userAgent: "test" })
        const request: HttpRequest = { ...get(new URL(`http://${host}/x`), {}), reads: "stream" }
        for (const count of [2, 3, 4]) {
          const response = yield* http.send(request, { tlsVerify: true, scope: "named" })
          assert.strictEqual((yield* bytesOf(response)).toString(), "abc")
          assert.lengthOf(seen, count)
        }
      })
  )
})

describe("ConnectionError", () => {
  const progress = { isConnected: false, isAnswered: false }

  it("a ConnectionError is found among nested causes", () => {
    const inner = ConnectionError.of({ _tag: "ProxyRefused", status: 407 }, "no")
    const outer = new Error("outer", { cause: new Error("inner", { cause: inner }) })
    assert.deepStrictEqual(ConnectionError.from(outer, progress).reason, inner.reason)
  })

  it("the reason of a ConnectionError comes from the innermost code of Node's errors", () => {
    const refused = Object.assign(new Error("connect"), { code: "ECONNREFUSED" })
    const all = Object.assign(new AggregateError([refused, refused]), { code: "ECONNREFUSED" })
    assert.deepStrictEqual(ConnectionError.from(all, progress).reason, { _tag: "Refused", code: "ECONNREFUSED" })
  })

  it("a ConnectionError with an unknown code has Node's message, in one line", () => {
    const odd = Object.assign(new Error("no route\nto host"), { code: "EHOSTUNREACH" })
    const error = ConnectionError.from(odd, progress)
    assert.strictEqual(error.reason._tag, "Other")
    assert.strictEqual(describeFailure(error), "failed: EHOSTUNREACH no route to host")
  })
})
