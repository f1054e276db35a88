/** The authorization of requests, and requests that are sent again with another authorization. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { authorize, KnownChallenges } from "../../../src/registry/pipeline/authorize.ts"
import type { Tokens } from "../../../src/registry/pipeline/tokens.ts"
import { RegistryError } from "../../../src/registry/RegistryError.ts"
import { accessOf, type Answer, answering, requestOf } from "../../support/handler.ts"

const CHALLENGED: Answer = { status: 401, headers: { "www-authenticate": 'Bearer realm="https://t.test",service="s"' } }

type Headers = Pick<Tokens, "headerFor" | "refused">

/** Tokens are numbered. The next token replaces a refused one. */
const numbered = () => {
  let number = 1
  const tokens: Headers = {
    headerFor: (_, challenge) =>
      Effect.sync(() => (challenge === undefined ? undefined : Redacted.make(`Bearer ${number}`))),
    refused: (_, __, ___, brought) =>
      Effect.sync(() => {
        if (brought !== undefined) number += 1
      })
  }
  return tokens
}

const broughtBy = (seen: ReturnType<typeof answering>["seen"]) =>
  seen.map(({ authorization }) => (authorization === undefined ? "none" : Redacted.value(authorization)))

const streamed = { bytes: (async function* () {})(), size: 0 }

describe("authorize", () => {
  it.effect("authorize sends the first request without a token, and later requests with one", () =>
    Effect.gen(function* () {
      const { next, seen } = answering(CHALLENGED, { status: 200 })
      const send = authorize(numbered(), new KnownChallenges())(next)
      assert.strictEqual((yield* send(requestOf())).status, 200)
      assert.strictEqual((yield* send(requestOf())).status, 200)
      assert.deepStrictEqual(broughtBy(seen), ["none", "Bearer 1", "Bearer 1"])
    })
  )

  it.effect("authorize replaces an expired token once", () =>
    Effect.gen(function* () {
      const { next, seen } = answering(CHALLENGED, CHALLENGED)
      assert.strictEqual((yield* authorize(numbered(), new KnownChallenges())(next)(requestOf())).status, 401)
      assert.strictEqual((yield* authorize(numbered(), new KnownChallenges())(next)(requestOf())).status, 401)
      assert.lengthOf(seen, 4)
    })
  )

  it.effect("authorize sends a verified host nothing that its unverified impersonator has asked for", () =>
    Effect.gen(function* () {
      for (const [first, second] of [
        [false, true],
        [true, false]
      ] as const) {
        const { next, seen } = answering(CHALLENGED, { status: 200 })
        const send = authorize(numbered(), new KnownChallenges())(next)
        yield* send(requestOf({ access: accessOf("registry.test", first) }))
        yield* send(requestOf({ access: accessOf("registry.test", second) }))
        yield* send(requestOf({ access: accessOf("registry.test", first) }))
        assert.deepStrictEqual(broughtBy(seen), ["none", "Bearer 1", "none", "Bearer 1"])
      }
    })
  )

  it.effect("authorize sends no authorization with a request without a need", () =>
    Effect.gen(function* () {
      const { next, seen } = answering(CHALLENGED)
      const { need: _, ...request } = requestOf()
      assert.strictEqual((yield* authorize(numbered(), new KnownChallenges())(next)(request)).status, 401)
      assert.deepStrictEqual(broughtBy(seen), ["none"])
    })
  )

  it.effect("the refusal of a used up body says whether another try gets a new token", () =>
    Effect.gen(function* () {
      const { next, seen } = answering(CHALLENGED, { status: 200 }, CHALLENGED, { status: 200 })
      const send = authorize(numbered(), new KnownChallenges())(next)
      yield* send(requestOf())
      const upload = requestOf({ method: "PUT", route: "upload", need: "pull,push", body: streamed })
      const error = yield* Effect.flip(send(upload))
      assert.deepStrictEqual(error.reason, { _tag: "AuthenticationFailed", renewed: true })
      yield* send(requestOf())
      assert.deepStrictEqual(broughtBy(seen), ["none", "Bearer 1", "Bearer 1", "Bearer 2"])
    })
  )

  it.effect("authorize fails with the token server's error before a body would be sent in vain", () =>
    Effect.gen(function* () {
      const { next, seen } = answering(CHALLENGED, { status: 200 })
      const refusal = RegistryError.of("Unreachable", accessOf("registry.test").repository, "the token server is away")
      let isAway = false
      const inner = numbered()
      const tokens: Headers = {
        ...inner,
        headerFor: (...given) => (isAway ? Effect.fail(refusal) : inner.headerFor(...given))
      }
      const send = authorize(tokens, new KnownChallenges())(next)
      yield* send(requestOf())
      isAway = true
      const upload = requestOf({ method: "PUT", route: "upload", need: "pull,push", body: streamed })
      const result = yield* Effect.result(send({ ...upload, access: { ...upload.access } }))
      assert(Result.isFailure(result))
      assert.strictEqual(result.failure.detail, "the token server is away")
      assert.lengthOf(seen, 2)
    })
  )
})
