/** Credentials and plain HTTP: which hosts get a credential or its token without TLS, and what another client may get. */
import { assert, describe } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { requireBasic, startRegistry } from "../../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import { type Credential, RegistryClient, type RepositoryAccess } from "../../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../../src/registry/RegistryClientHttp.ts"
import { itOnSockets } from "../../support/passTimeWhenIdle.ts"
import { accessTo, BASIC, failsWith, PASSWORD, TOKEN, USER } from "../../support/registryClient.ts"
import { errorBody, json, scripted, scriptedTls } from "../../support/ScriptedServer.ts"

const IDENTIFIED: Credential = {
  username: "<token>",
  password: Redacted.make(""),
  identityToken: Redacted.make("identity-token")
}

/** A registry by plain HTTP with an image. Records the authorization of each request. */
const plain = Effect.fnUntraced(function* (challenge?: string) {
  const brought: Array<string> = []
  const registry = yield* startRegistry({
    intercept: (request, response) => {
      const { authorization } = request.headers
      if (authorization !== undefined) brought.push(authorization)
      if (challenge === undefined || authorization !== undefined) return false
      json(response, 401, errorBody("UNAUTHORIZED", "who are you"), { "www-authenticate": challenge })
      return true
    }
  })
  pushSampleImage(registry.store, "team/app", "v1", "seed")
  return { host: registry.host, brought, requests: registry.requests }
})

const tokenServer = scripted((_, response) => json(response, 200, { token: TOKEN }))

/** A client whose configuration names these hosts for plain HTTP. */
const naming = (...hosts: ReadonlyArray<string>) =>
  Effect.provide(RegistryClientHttp.layer({ plainHttp: hosts.join() }))

const tags = (access: RepositoryAccess) => Effect.flatMap(RegistryClient, (client) => client.tags(access))
const delegate = (access: RepositoryAccess) => Effect.flatMap(RegistryClient, (client) => client.delegate(access))

describe("a registry by plain HTTP", () => {
  itOnSockets("a registry that the configuration does not name gets no password by plain HTTP", () =>
    Effect.gen(function* () {
      const { brought, host } = yield* plain('Basic realm="r"')
      const access = accessTo(host, USER)
      yield* Effect.gen(function* () {
        for (let round = 0; round < 2; round++) {
          yield* failsWith(
            tags(access),
            "CredentialsNotSent",
            `${host} is reached by plain HTTP`,
            `add ${host} to REGISTRY_PLAIN_HTTP (the chart's config.registries.plainHttp)`
          )
        }
      }).pipe(naming("registry.test,10.0.0.0/8"))
      assert.deepStrictEqual(brought, [])
    })
  )

  for (const named of ["127.0.0.1", "127.0.0.0/8", "HOST"]) {
    itOnSockets(`a registry that the configuration names as ${named} gets the password by plain HTTP`, () =>
      Effect.gen(function* () {
        const { brought, host } = yield* plain('Basic realm="r"')
        assert.deepStrictEqual(yield* tags(accessTo(host, USER)).pipe(naming(named.replace("HOST", host))), ["v1"])
        assert.deepStrictEqual(brought, [BASIC])
      })
    )
  }

  itOnSockets("the port of a named host counts", () =>
    Effect.gen(function* () {
      const { brought, host } = yield* plain('Basic realm="r"')
      yield* failsWith(tags(accessTo(host, USER)), "CredentialsNotSent").pipe(naming("127.0.0.1:1"))
      assert.deepStrictEqual(brought, [])
    })
  )

  itOnSockets("a registry that asks for no credential is read by plain HTTP without one", () =>
    Effect.gen(function* () {
      const { brought, host } = yield* plain()
      assert.deepStrictEqual(yield* tags(accessTo(host, USER)).pipe(naming()), ["v1"])
      assert.deepStrictEqual(brought, [])
    })
  )

  itOnSockets("a token without a credential is sent by plain HTTP, because anyone can get it", () =>
    Effect.gen(function* () {
      const tokens = yield* tokenServer
      const { brought, host } = yield* plain(`Bearer realm="http://${tokens.host}/token",service="s"`)
      assert.deepStrictEqual(yield* tags(accessTo(host)).pipe(naming()), ["v1"])
      assert.deepStrictEqual(brought, [`Bearer ${TOKEN}`])
    })
  )

  for (const [what, credential] of [
    ["a password", USER],
    ["an identity token", IDENTIFIED]
  ] as const) {
    itOnSockets(`${what} is not sent to a token server by plain HTTP, and the error names all hosts that lack`, () =>
      Effect.gen(function* () {
        const tokens = yield* tokenServer
        const { brought, host } = yield* plain(`Bearer realm="http://${tokens.host}/token",service="s"`)
        const access = accessTo(host, credential)
        yield* failsWith(tags(access), "CredentialsNotSent", `add ${host},${tokens.host} to REGISTRY_PLAIN_HTTP`).pipe(
          naming()
        )
        yield* failsWith(tags(access), "CredentialsNotSent", `add ${tokens.host} to`).pipe(naming(host))
        assert.lengthOf(tokens.seen, 0)
        assert.deepStrictEqual(brought, [])
        assert.deepStrictEqual(yield* tags(access).pipe(naming(host, tokens.host)), ["v1"])
      })
    )
  }

  itOnSockets("a token that was given for a credential is not sent by plain HTTP", () =>
    Effect.gen(function* () {
      const tokens = yield* tokenServer
      const { brought, host } = yield* plain(`Bearer realm="http://${tokens.host}/token",service="s"`)
      yield* failsWith(tags(accessTo(host, USER)), "CredentialsNotSent", `add ${host} to`).pipe(naming(tokens.host))
      assert.lengthOf(tokens.seen, 1)
      assert.deepStrictEqual(brought, [])
    })
  )

  itOnSockets("a registry that is away is Unreachable, and the error says what plain HTTP would need", () =>
    Effect.gen(function* () {
      let isAway = false
      const { host } = yield* scriptedTls((request, response) => {
        if (isAway) return void request.socket.destroy()
        if (requireBasic("robot", PASSWORD)(request, response)) return
        json(response, 200, { tags: ["v1"] })
      })
      yield* Effect.gen(function* () {
        const access = accessTo(host, USER)
        assert.deepStrictEqual(yield* tags(access), ["v1"])
        isAway = true
        const error = yield* failsWith(tags(access), "Unreachable")
        assert.notInclude(error.message, "REGISTRY_PLAIN_HTTP", "the host has spoken TLS")
      }).pipe(naming())
      const free = yield* Effect.scoped(Effect.map(plain(), ({ host }) => host))
      yield* failsWith(tags(accessTo(free, USER)), "Unreachable").pipe(naming())
    })
  )
})

describe("the access of another client", () => {
  itOnSockets("another client gets an access without a credential as it is, without a request", () =>
    Effect.gen(function* () {
      const { host, requests } = yield* plain()
      const access = accessTo(host)
      assert.strictEqual(yield* delegate(access).pipe(naming()), access)
      assert.lengthOf(requests, 0)
    })
  )

  itOnSockets("another client gets no credential for a registry that asks for it by plain HTTP and is not named", () =>
    Effect.gen(function* () {
      const { host } = yield* plain('Basic realm="r"')
      yield* failsWith(delegate(accessTo(host, USER)), "CredentialsNotSent", `add ${host} to REGISTRY_PLAIN_HTTP`).pipe(
        naming()
      )
      const access = accessTo(host, USER)
      assert.strictEqual(yield* delegate(access).pipe(naming(host)), access)
    })
  )

  itOnSockets("another client works without the credential if the registry does by plain HTTP", () =>
    Effect.gen(function* () {
      const { host } = yield* plain()
      const access = yield* delegate(accessTo(host, USER)).pipe(naming())
      assert.isTrue(Option.isNone(access.credential))
      assert.include(access.withheld, `add ${host} to REGISTRY_PLAIN_HTTP`)
    })
  )

  itOnSockets(
    "another client gets the credential of a registry with TLS, with one request or with a known challenge",
    () =>
      Effect.gen(function* () {
        const { host, seen } = yield* scriptedTls((request, response) => {
          if (requireBasic("robot", PASSWORD)(request, response)) return
          json(response, 200, { tags: ["v1"] })
        })
        const access = accessTo(host, USER)
        yield* Effect.gen(function* () {
          assert.strictEqual(yield* delegate(access), access)
          assert.deepStrictEqual(
            seen.map(({ authorization, url }) => [url, authorization]),
            [["/v2/", undefined]]
          )
          yield* tags(access)
          const before = seen.length
          assert.strictEqual(yield* delegate(access), access)
          assert.strictEqual(seen.length, before)
        }).pipe(naming())
      })
  )

  itOnSockets("another client gets no credential for a registry that names a token server of another owner", () =>
    Effect.gen(function* () {
      const { host } = yield* scriptedTls((_, response) =>
        json(response, 401, {}, { "www-authenticate": 'Bearer realm="https://sso.example.net/token",service="s"' })
      )
      yield* failsWith(
        delegate(accessTo(host, USER)),
        "CredentialsNotSent",
        `add ${host}=sso.example.net to REGISTRY_TOKEN_SERVERS`
      ).pipe(naming())
    })
  )

  itOnSockets("another client gets no credential that would go to a token server by plain HTTP", () =>
    Effect.gen(function* () {
      const tokens = yield* tokenServer
      const { host } = yield* plain(`Bearer realm="http://${tokens.host}/token",service="s"`)
      yield* failsWith(delegate(accessTo(host, USER)), "CredentialsNotSent", `add ${tokens.host} to`).pipe(naming(host))
    })
  )
})
