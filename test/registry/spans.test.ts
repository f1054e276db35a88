/** The spans of a client. */
import { assert, describe } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { digestOf } from "../../src/oci/Digest.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { accessTo, clientOnLoopback, PASSWORD, TOKEN, USER } from "../support/registryClient.ts"
import { makeSpans, treeOf } from "../support/spans.ts"
import { errorBody, json, pathOf } from "../support/ScriptedServer.ts"

describe("a client's spans", () => {
  itOnSockets("the spans of a client name its methods and contain their requests, without secrets", () =>
    Effect.gen(function* () {
      const spans = makeSpans()
      const registry = yield* startRegistry({
        intercept: (request, response) => {
          const { authorization, host = "" } = request.headers
          if (authorization === `Bearer ${TOKEN}`) return false
          const realm = `Bearer realm="http://${host}/token",service="s"`
          if (pathOf(request) === "/token") json(response, 200, { token: TOKEN })
          else json(response, 401, errorBody("UNAUTHORIZED", "who are you"), { "www-authenticate": realm })
          return true
        }
      })
      const digest = pushSampleImage(registry.store, "team/app", "v1", "seed")
      const bytes = Buffer.from("a layer")
      registry.store.putBlob("team/app", bytes)
      const blob = { digest: digestOf(bytes), size: bytes.length }
      yield* Effect.gen(function* () {
        const client = yield* RegistryClient
        const access = accessTo(registry.host, USER)
        yield* client.manifest(access, digest)
        yield* client.manifest(access, digest)
        yield* Stream.runDrain(client.blob(access, blob))
      }).pipe(Effect.provide(clientOnLoopback()), spans.collect)
      const shown = JSON.stringify(spans.all.map(({ attributes }) => [...attributes]))
      for (const secret of [PASSWORD, TOKEN]) assert.notInclude(shown, secret)
      assert.strictEqual(
        treeOf(spans.all, ({ name }) => name),
        [
          "RegistryClient.manifest",
          "  registry.request",
          "    registry.request",
          "RegistryClient.manifest",
          "RegistryClient.blob",
          "  registry.request"
        ].join("\n")
      )
    })
  )
})
