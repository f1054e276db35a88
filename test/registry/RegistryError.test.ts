/** The fields of a registry's error: its reason, what it concerns, the side of a copy, and its time. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { onSide, RegistryError } from "../../src/registry/RegistryError.ts"
import { errorBody, json, scripted } from "../support/ScriptedServer.ts"
import { accessTo, live } from "../support/registryClient.ts"

const REPOSITORY = { registry: "registry.corp:5000", path: "team/app" }

describe("RegistryError", () => {
  it("the message of a RegistryError is one line that begins with the repository", () => {
    assert.strictEqual(
      RegistryError.of("NotFound", REPOSITORY, "there is no v1").message,
      "registry.corp:5000/team/app: there is no v1"
    )
  })

  it("until is set only for reasons with a time", () => {
    const of = (reason: Parameters<typeof RegistryError.of>[0]) => RegistryError.of(reason, REPOSITORY, "said no").until
    assert.strictEqual(of({ _tag: "RateLimited", until: 7_000 }), 7_000)
    assert.strictEqual(of({ _tag: "ServerError", status: 503, until: 8_000 }), 8_000)
    assert.isUndefined(of({ _tag: "ServerError", status: 500 }))
    assert.isUndefined(of("Unreachable"))
  })

  it.effect("onSide sets the side of a RegistryError and keeps all other fields", () =>
    Effect.gen(function* () {
      const error = RegistryError.of({ _tag: "RateLimited", until: 7_000 }, REPOSITORY, "said no", {
        operation: "GET /v2/team/app/manifests/v1"
      })
      const result = yield* Effect.result(onSide("source")(Effect.fail(error)))
      const marked = Result.getOrThrow(Result.flip(result))
      assert.strictEqual(marked.side, "source")
      assert.deepStrictEqual(
        [marked.reason, marked.concerns, marked.operation, marked.message],
        [error.reason, error.concerns, error.operation, error.message]
      )
    })
  )
})

describe("what an error speaks of", () => {
  for (const [status, code, headers, ofManifest, ofTags] of [
    [401, "UNAUTHORIZED", {}, "Repository", "Repository"],
    [403, "DENIED", {}, "Reference", "Repository"],
    [404, "MANIFEST_UNKNOWN", {}, "Reference", "Repository"],
    [404, "NAME_UNKNOWN", {}, "Repository", "Repository"],
    [418, "TEAPOT", {}, "Reference", "Repository"],
    [429, "TOOMANYREQUESTS", { "retry-after": "60" }, "Registry", "Registry"],
    [500, "UNKNOWN", {}, "Reference", "Repository"],
    [503, "UNAVAILABLE", { "retry-after": "60" }, "Registry", "Registry"]
  ] as const) {
    const hold = "retry-after" in headers ? " and a time to wait" : ""
    live(
      `${status} ${code}${hold} concerns ${ofManifest} when a manifest is read, and ${ofTags} when tags are listed`,
      () =>
        Effect.gen(function* () {
          const client = yield* RegistryClient
          const serve = scripted((_, response) => json(response, status, errorBody(code, "no"), headers))
          const ofOne = yield* Effect.flip(client.manifest(accessTo((yield* serve).host), "v1"))
          const ofAll = yield* Effect.flip(client.tags(accessTo((yield* serve).host)))
          assert.deepStrictEqual([ofOne.concerns, ofAll.concerns], [ofManifest, ofTags], ofOne.message)
        })
    )
  }

  live("a host that cannot be connected to concerns the Registry", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* RegistryClient).manifest(accessTo("127.0.0.1:1"), "v1"))
      assert.deepStrictEqual([error.reason, error.concerns], [{ _tag: "Unreachable", unconnected: true }, "Registry"])
    })
  )
})
