/** The requests that count for a limit, and those that are sent once more. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { makeRateLimiter } from "../../../src/registry/limits/RateLimiter.ts"
import { limitRate } from "../../../src/registry/pipeline/limitRate.ts"
import type { Handler, RegistryRequest } from "../../../src/registry/pipeline/request.ts"
import { type Answer, answering, requestOf } from "../../support/handler.ts"

/** The result of a request, and the accesses that were counted for it. */
const outcomeOf = Effect.fnUntraced(function* (request: RegistryRequest, ...answers: ReadonlyArray<Answer>) {
  const counted: Array<string> = []
  const limiter = yield* makeRateLimiter({
    observer: {
      answered: (registry, method, code) => counted.push(`${registry} ${method} ${code}`),
      quota: () => {},
      held: () => {}
    }
  })
  const { next, seen } = answering(...answers)
  const fiber = yield* Effect.forkChild(Effect.result(limitRate(limiter)(next)(request)))
  yield* TestClock.adjust("10 seconds")
  const result = yield* Fiber.join(fiber)
  return { counted, sent: seen.length, result }
})

const refused = (headers: Readonly<Record<string, string>> = {}, text = ""): Answer => ({ status: 429, headers, text })
const streamed = { bytes: (async function* () {})(), size: 0 }

describe("limitRate", () => {
  for (const [what, to, route, counted] of [
    ["what goes to the registry's own host", "/v2/team/app/manifests/v1", "manifest", ["registry.test GET 200"]],
    ["what goes there by HTTP", new URL("http://registry.test/x"), "manifest", ["registry.test GET 200"]],
    ["nothing of a store of blobs", new URL("https://store.test/x"), "blob", []],
    ["a token server for itself", new URL("https://tokens.test/x"), "token", ["tokens.test GET 200"]]
  ] as const) {
    it.effect(`limitRate counts ${what}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual((yield* outcomeOf(requestOf({ to, route }), {})).counted, [...counted])
      })
    )
  }

  it.effect("limitRate sends a request again once if it came a little too early", () =>
    Effect.gen(function* () {
      const { result, sent } = yield* outcomeOf(requestOf(), refused({ "retry-after": "1" }), { status: 200 })
      assert.deepStrictEqual([sent, result._tag], [2, "Success"])
    })
  )

  it.effect("counts the time of a refusal with that of the answer after it", () =>
    Effect.gen(function* () {
      const limiter = yield* makeRateLimiter({})
      const { next } = answering(refused({ "retry-after": "1" }), { status: 200 })
      const taking: Handler = (request) => Effect.map(next(request), (response) => ({ ...response, millis: 20_000 }))
      const fiber = yield* Effect.forkChild(limitRate(limiter)(taking)(requestOf()))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).millis, 40_000)
    })
  )

  for (const [what, request, answer, until] of [
    ["a long time", requestOf(), refused({ "retry-after": "60" }), 60_000],
    ["a long time in words alone", requestOf(), refused({}, "retry-after: 60s, allowed: 44000/minute"), 60_000],
    ["a short time, but has a body that is gone", requestOf({ method: "PUT", body: streamed }), refused(), 1_000]
  ] as const) {
    it.effect(`limitRate fails after one request with the time of the next request: ${what}`, () =>
      Effect.gen(function* () {
        const { result, sent } = yield* outcomeOf(request, answer)
        assert(result._tag === "Failure")
        assert.deepStrictEqual(result.failure.reason, { _tag: "RateLimited", until })
        assert.strictEqual(sent, 1)
      })
    )
  }

  it.effect("limitRate passes on the refusal of another host unchanged", () =>
    Effect.gen(function* () {
      const to = new URL("https://store.test/x")
      const { result } = yield* outcomeOf(requestOf({ to, route: "blob" }), refused())
      assert(result._tag === "Success")
      assert.strictEqual(result.success.status, 429)
    })
  )
})
