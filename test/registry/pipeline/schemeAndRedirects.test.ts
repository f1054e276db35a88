/** The stages that choose the scheme and follow redirects. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted } from "effect"
import { chooseScheme, HostSchemes } from "../../../src/registry/pipeline/chooseScheme.ts"
import { followRedirects } from "../../../src/registry/pipeline/followRedirects.ts"
import { plainHttpRule } from "../../../src/registry/pipeline/plainHttp.ts"
import type { Handler } from "../../../src/registry/pipeline/request.ts"
import { accessOf, answering, requestOf, unreachable } from "../../support/handler.ts"

const URL_PATH = "registry.test/v2/team/app/manifests/v1"
const maySend = plainHttpRule("named.test")
const trusting = requestOf({ access: accessOf("registry.test", false) })

describe("chooseScheme", () => {
  it.effect("chooseScheme tries plain HTTP if TLS fails and plain HTTP is allowed, and uses it at once later", () =>
    Effect.gen(function* () {
      const { next, urls } = answering(unreachable(), { status: 200 })
      const send = chooseScheme(new HostSchemes(), maySend)(next)
      yield* send(trusting)
      yield* send(trusting)
      assert.deepStrictEqual(urls(), [`https://${URL_PATH}`, `http://${URL_PATH}`, `http://${URL_PATH}`])
    })
  )

  for (const [what, request, answers] of [
    ["a registry that must be verified", requestOf(), [unreachable()]],
    ["a registry that spoke TLS, and then did not answer", trusting, [unreachable(false)]],
    ["a registry that refuses", trusting, [{ status: 503 }]]
  ] as const) {
    it.effect(`chooseScheme never uses plain HTTP for ${what}`, () =>
      Effect.gen(function* () {
        const { next, urls } = answering(...answers)
        yield* Effect.ignore(chooseScheme(new HostSchemes(), maySend)(next)(request))
        assert.deepStrictEqual(urls(), [`https://${URL_PATH}`])
      })
    )
  }

  it.effect("chooseScheme never uses plain HTTP for a registry that has spoken TLS", () =>
    Effect.gen(function* () {
      const { next, urls } = answering({ status: 200 }, unreachable())
      const send = chooseScheme(new HostSchemes(), maySend)(next)
      yield* send(trusting)
      yield* Effect.ignore(send(trusting))
      assert.deepStrictEqual(urls(), [`https://${URL_PATH}`, `https://${URL_PATH}`])
    })
  )

  it.effect("chooseScheme tries TLS again once plain HTTP fails", () =>
    Effect.gen(function* () {
      const { next, urls } = answering(unreachable(), { status: 200 }, unreachable(), { status: 200 })
      const send = chooseScheme(new HostSchemes(), maySend)(next)
      yield* send(trusting)
      yield* Effect.ignore(send(trusting))
      yield* send(trusting)
      assert.strictEqual(urls().at(-1), `https://${URL_PATH}`)
    })
  )

  it.effect("chooseScheme leaves a whole URL unchanged", () =>
    Effect.gen(function* () {
      const { next, urls } = answering({ status: 200 })
      yield* chooseScheme(new HostSchemes(), maySend)(next)({ ...trusting, to: new URL("http://elsewhere.test/x") })
      assert.deepStrictEqual(urls(), ["http://elsewhere.test/x"])
    })
  )
})

const following = (schemes = new HostSchemes()) => followRedirects(schemes, Duration.seconds(60))
const led = (location: string) => ({ status: 307, headers: { location } })
const authorized = requestOf({ authorization: Redacted.make("Bearer t") })

describe("followRedirects", () => {
  it.effect(
    "followRedirects keeps the authorization while the origin is the same, and gives the URL before any redirect",
    () =>
      Effect.gen(function* () {
        const { next, seen, urls } = answering(led("/other"), led("https://store.test/blob"), led("/more"), {})
        const { base, status } = yield* following()(next)(authorized)
        assert.deepStrictEqual(urls().slice(1), [
          "https://registry.test/other",
          "https://store.test/blob",
          "https://store.test/more"
        ])
        assert.deepStrictEqual(
          seen.map(({ authorization }) => authorization !== undefined),
          [true, true, false, false]
        )
        assert.deepStrictEqual([base.href, status], [`https://${URL_PATH}`, 200])
      })
  )

  it.effect("followRedirects gives all answers together the time limit of one", () =>
    Effect.gen(function* () {
      const slow = answering(led("/a"), led("/b"), {})
      const taking: Handler = (request) =>
        Effect.map(slow.next(request), (response) => ({ ...response, millis: 20_000 }))
      yield* following()(taking)(authorized)
      assert.deepStrictEqual(
        slow.seen.map(({ millisLeft }) => millisLeft),
        [undefined, 40_000, 20_000]
      )
    })
  )

  it.effect("followRedirects ends after five redirects with the last answer", () =>
    Effect.gen(function* () {
      const { next, seen } = answering(led("/loop"))
      assert.strictEqual((yield* following()(next)(authorized)).status, 307)
      assert.lengthOf(seen, 6)
    })
  )

  it.effect("followRedirects follows only redirects of reads, and only to http: and https: URLs", () =>
    Effect.gen(function* () {
      const { next, seen } = answering(led("/other"))
      yield* following()(next)(requestOf({ method: "PUT" }))
      assert.lengthOf(seen, 1)
      const odd = answering(led("ftp://other.test/"))
      yield* following()(odd.next)(authorized)
      assert.lengthOf(odd.seen, 1)
    })
  )

  it.effect("followRedirects goes from HTTPS to plain HTTP only if tlsVerify is false", () =>
    Effect.gen(function* () {
      const { next, seen } = answering(led("http://store.test/blob"), {})
      const error = yield* Effect.flip(following()(next)(authorized))
      assert.strictEqual(error.reason._tag, "InvalidAnswer")
      assert.lengthOf(seen, 1)
      const allowed = answering(led("http://store.test/blob"), {})
      yield* following()(allowed.next)(trusting)
      assert.lengthOf(allowed.seen, 2)
    })
  )

  it.effect("followRedirects learns from a redirect to HTTPS that a host speaks TLS", () =>
    Effect.gen(function* () {
      const schemes = new HostSchemes()
      schemes.foundPlain("registry.test")
      const { next } = answering(led(`https://${URL_PATH}`), {})
      yield* following(schemes)(next)({ ...trusting, to: new URL(`http://${URL_PATH}`) })
      assert.isTrue(schemes.isSecure("registry.test"))
      assert.isFalse(schemes.isPlain(trusting.access))
    })
  )
})
