/** The innermost stages: the time limit, the address guard, and the errors of connections. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { ConnectionError } from "../../../src/http/ConnectionError.ts"
import type { HttpRequest } from "../../../src/http/Http.ts"
import type { HttpClient } from "../../../src/http/HttpClient.ts"
import { exchange } from "../../../src/registry/pipeline/exchange.ts"
import { guardAddress } from "../../../src/registry/pipeline/guardAddress.ts"
import { timeout } from "../../../src/registry/pipeline/timeout.ts"
import { answering, requestOf } from "../../support/handler.ts"

describe("timeout", () => {
  const limited = timeout(Duration.seconds(60))(() => Effect.never)

  it.effect("timeout fails a request without an answer in time, and names the request", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(limited(requestOf())))
      yield* TestClock.adjust("60 seconds")
      const error = yield* Fiber.join(fiber)
      assert.deepStrictEqual([error.reason, error.concerns], [{ _tag: "Unreachable" }, "Registry"])
      assert.strictEqual(error.detail, "GET /v2/team/app/manifests/v1 got no complete answer within 1m")
    })
  )

  it.effect("timeout keeps to the time that redirects have left, and reports the time it took", () =>
    Effect.gen(function* () {
      const { next } = answering({})
      const slow = timeout(Duration.seconds(60))((request) => Effect.delay(next(request), "20 seconds"))
      const [enough, tooLittle] = [requestOf({ millisLeft: 30_000 }), requestOf({ millisLeft: 10_000 })]
      const first = yield* Effect.forkChild(slow(enough))
      const second = yield* Effect.forkChild(Effect.flip(slow(tooLittle)))
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* Fiber.join(first)).millis, 20_000)
      assert.deepStrictEqual((yield* Fiber.join(second)).reason, { _tag: "Unreachable" })
    })
  )

  it.effect("timeout does not limit a streamed body", () =>
    Effect.gen(function* () {
      const body = { bytes: (async function* () {})(), size: 0 }
      const fiber = yield* Effect.forkChild(limited(requestOf({ method: "PUT", body })))
      yield* TestClock.adjust("10 minutes")
      assert.isUndefined(fiber.pollUnsafe())
    })
  )
})

describe("guardAddress", () => {
  it.effect("guardAddress sets the address scope by the registry that an Image names, wherever the request goes", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const scopeFor: HttpClient["scopeFor"] = (named, url) => {
        asked.push(`${named} ${url.host}`)
        return "public"
      }
      const { next, seen } = answering({})
      yield* guardAddress({ scopeFor })(next)(requestOf({ to: new URL("https://store.test/x") }))
      assert.deepStrictEqual([asked, seen[0]?.addressScope], [["registry.test store.test"], "public"])
    })
  )
})

describe("exchange", () => {
  it.effect("exchange sends a request with its authorization and its address scope", () =>
    Effect.gen(function* () {
      const sent: Array<readonly [HttpRequest, string]> = []
      const send: HttpClient["send"] = (request, { scope }) =>
        Effect.sync(() => {
          sent.push([request, scope])
          return { request, status: 200, headers: {}, bytes: new Uint8Array(), isCut: false }
        })
      const request = requestOf({ headers: { accept: "x" }, authorization: Redacted.make("Bearer t"), reads: 10 })
      const { base } = yield* exchange({ send })(request)
      const url = new URL("https://registry.test/v2/team/app/manifests/v1")
      const headers = { "accept-encoding": "identity", accept: "x", authorization: "Bearer t" }
      assert.deepStrictEqual(sent, [[{ method: "GET", url, headers, reads: 10 }, "public"]])
      assert.strictEqual(base.href, url.href)
    })
  )

  const none = { isConnected: false, isAnswered: false }
  for (const [what, error, reason, concerns, words] of [
    [
      "no connection",
      ConnectionError.of({ _tag: "Refused", code: "ECONNREFUSED" }, "no", none),
      { _tag: "Unreachable", unconnected: true },
      "Registry",
      "GET /v2/team/app/manifests/v1 failed: nothing listens at the address"
    ],
    [
      "no answer",
      ConnectionError.of({ _tag: "Closed" }, "gone", { ...none, isConnected: true }),
      { _tag: "Unreachable" },
      "Registry",
      "failed: gone"
    ],
    [
      "not the whole answer",
      ConnectionError.of({ _tag: "Closed" }, "gone", { isConnected: true, isAnswered: true }),
      { _tag: "Unreachable" },
      "Reference",
      "broke off: gone"
    ],
    [
      "a private address",
      ConnectionError.of({ _tag: "AddressRefused", host: "a.test", address: "10.0.0.1", kind: "private" }, "no", none),
      { _tag: "InvalidAnswer" },
      "Reference",
      "leads to a.test, which has the address 10.0.0.1: a private address, to which a registry of another host must not refer; if that is intended, add a.test to REGISTRY_PRIVATE_HOSTS"
    ]
  ] as const) {
    it.effect(`exchange explains a failed connection: ${what}`, () =>
      Effect.gen(function* () {
        const failure = yield* Effect.flip(exchange({ send: () => Effect.fail(error) })(requestOf()))
        assert.deepStrictEqual([failure.reason, failure.concerns], [reason, concerns])
        assert.include(failure.detail, words)
        assert.strictEqual(failure.operation, "GET /v2/team/app/manifests/v1")
      })
    )
  }

  it.effect("the error of a connection shows a part of a long host that a registry has chosen", () =>
    Effect.gen(function* () {
      const error = ConnectionError.of({ _tag: "Closed" }, "gone", none)
      const to = new URL(`https://${"a".repeat(10_000)}.test/x`)
      const failure = yield* Effect.flip(exchange({ send: () => Effect.fail(error) })(requestOf({ to })))
      assert.include(failure.detail, "GET /x at aaa")
      assert.isBelow(failure.detail.length, 400)
    })
  )
})
