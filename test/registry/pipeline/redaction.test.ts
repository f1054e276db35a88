/** Secrets that a registry repeats in its answers, in any encoding and any place. */
import { assert } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import { digestOf } from "../../../src/oci/Digest.ts"
import { type Credential, RegistryClient } from "../../../src/registry/RegistryClient.ts"
import { accessTo, BASIC, failsWith, live, PASSWORD, USER } from "../../support/registryClient.ts"
import { errorBody, json, pathOf, scripted } from "../../support/ScriptedServer.ts"

const SECRET = 'S3cret&<x>/+pass"é'
const ODD: Credential = { username: "bob", password: Redacted.make(SECRET) }
const base64 = (text: string): string => Buffer.from(text).toString("base64")

live("A password that a registry repeats in any encoding is redacted in the error", () =>
  Effect.gen(function* () {
    const echoes = [
      SECRET,
      encodeURIComponent(SECRET),
      JSON.stringify(SECRET).slice(1, -1),
      "S3cret&amp;&lt;x&gt;/+pass&quot;&#233;",
      base64(SECRET),
      base64(SECRET).replaceAll("=", ""),
      Buffer.from(SECRET).toString("base64url"),
      Buffer.from(SECRET).toString("hex"),
      base64(`bob:${SECRET}`),
      `"${base64(`{"auth":"bob:${SECRET}"}`)}"`
    ]
    for (const echo of echoes) {
      const { host } = yield* scripted((_, response) => json(response, 403, errorBody("DENIED", `sent ${echo}.`)))
      const error = yield* failsWith((yield* RegistryClient).tags(accessTo(host, ODD)), "AuthenticationFailed", "sent ")
      assert.match(error.message, /<redacted>/u, echo)
      assert.notInclude(error.message, echo)
    }
  })
)

live("The error of a redirected request has the requested path, not the path that the registry chose", () =>
  Effect.gen(function* () {
    const { host } = yield* scripted((request, response) => {
      const { authorization } = request.headers
      if (authorization === undefined) return json(response, 401, {}, { "www-authenticate": `Basic realm="x"` })
      if (pathOf(request).startsWith("/leak")) return json(response, 404, {})
      response.writeHead(307, { location: `/leak/${PASSWORD}/${authorization.slice("Basic ".length)}` })
      response.end()
    })
    const client = yield* RegistryClient
    yield* failsWith(client.tags(accessTo(host, USER)), "NotFound", "GET /v2/team/app/tags/list answered 404")
  })
)

live("The path of a redirect that leads nowhere is not shown", () =>
  Effect.gen(function* () {
    const { host } = yield* scripted((request, response) => {
      const { authorization } = request.headers
      if (authorization === undefined) return json(response, 401, {}, { "www-authenticate": `Basic realm="x"` })
      if (pathOf(request).startsWith("/leak")) return request.socket.destroy()
      response.writeHead(307, { location: `/leak/${encodeURIComponent(PASSWORD)}/${BASIC.slice("Basic ".length)}` })
      response.end()
    })
    const client = yield* RegistryClient
    const error = yield* failsWith(
      client.tags(accessTo(host, USER)),
      "Unreachable",
      "GET /v2/team/app/tags/list failed: "
    )
    assert.strictEqual(error.operation, "GET /v2/team/app/tags/list")
  })
)

live("The URL of an upload that a registry names is redacted in the error", () =>
  Effect.gen(function* () {
    const { host } = yield* scripted((request, response) => {
      request.resume()
      const { authorization } = request.headers
      if (authorization === undefined) return json(response, 401, {}, { "www-authenticate": `Basic realm="x"` })
      if (request.method === "POST") return json(response, 202, {}, { location: `/leak/${PASSWORD}` })
      json(response, 404, {})
    })
    const bytes = Buffer.from("x")
    const { putBlob } = yield* RegistryClient
    yield* failsWith(
      putBlob(accessTo(host, USER), { digest: digestOf(bytes), size: 1 }, Stream.make(bytes)),
      "PushRefused",
      "/leak/<redacted> answered 404"
    )
  })
)

live("The realm of a challenge is bounded and redacted in the error", () =>
  Effect.gen(function* () {
    const { host } = yield* scripted((_, response) =>
      json(response, 401, {}, { "www-authenticate": `Bearer realm="ftp://${PASSWORD}.test/${"x".repeat(10_000)}"` })
    )
    const error = yield* failsWith(
      (yield* RegistryClient).tags(accessTo(host, USER)),
      "AuthenticationFailed",
      "ftp://<redacted>.test/"
    )
    assert.isBelow(error.message.length, 500)
  })
)
