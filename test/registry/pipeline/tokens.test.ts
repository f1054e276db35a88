/** Requests for tokens: their scopes and credentials, their number, and the effect of a refusal on the next request. */
import { assert, describe, it } from "@effect/vitest"
import type { IncomingMessage } from "node:http"
import { Effect, Fiber, Option, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import { digestOf } from "../../../src/oci/Digest.ts"
import { type EmbeddedRegistry, startRegistry } from "../../../src/registry/memory/EmbeddedRegistry.ts"
import { httpRequestOf, urlOf } from "../../../src/registry/pipeline/request.ts"
import { makeTokens } from "../../../src/registry/pipeline/tokens.ts"
import { type Credential, RegistryClient, type RepositoryAccess } from "../../../src/registry/RegistryClient.ts"
import { parseTokenServers } from "../../../src/registry/tokenServers.ts"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import { responseOf } from "../../support/handler.ts"
import {
  accessTo,
  BASIC,
  clientOnLoopback,
  failsWith,
  live,
  PASSWORD,
  TOKEN,
  USER
} from "../../support/registryClient.ts"
import { errorBody, json, pathOf, scripted, scriptedTls } from "../../support/ScriptedServer.ts"

interface Asked {
  readonly method: string
  readonly path: string
  readonly scopes: ReadonlyArray<string>
  readonly authorization: string | undefined
  readonly form: URLSearchParams
}

interface Granted {
  readonly status: number
  readonly body: unknown
}

interface WorldOptions {
  /** The answer of the token server. Default a token that names its scopes. */
  readonly grant?: (asked: Asked, count: number) => Granted
  /** Whether the registry accepts a header for a request. Default any token whose scopes cover the repository. */
  readonly accepts?: (header: string | undefined, request: IncomingMessage) => boolean
  /** The parameters after the realm in the challenge. Default a service. */
  readonly challenge?: (request: IncomingMessage) => string
  readonly tokenPath?: (request: IncomingMessage) => string
}

/** A token is the readable text of its scopes. */
const grantAll = (asked: Asked): Granted => ({
  status: 200,
  body: { token: `${TOKEN} ${asked.scopes.join(" ")}`.replaceAll(" ", "~"), expires_in: 300 }
})

const repositoryOf = (request: IncomingMessage): string =>
  /^\/v2\/(.+?)\/(?:tags|manifests|blobs)\//u.exec(pathOf(request))?.[1] ?? ""

const covers = (header: string | undefined, request: IncomingMessage): boolean =>
  header?.includes(`~repository:${repositoryOf(request)}:`) === true

const world = Effect.fnUntraced(function* (options: WorldOptions = {}) {
  const asked: Array<Asked> = []
  const tokens = yield* scripted((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const form = new URLSearchParams(Buffer.concat(chunks).toString())
      const url = new URL(request.url ?? "", "http://x")
      const one: Asked = {
        method: request.method ?? "",
        path: url.pathname,
        scopes: form.get("scope")?.split(" ") ?? url.searchParams.getAll("scope"),
        authorization: request.headers.authorization,
        form
      }
      asked.push(one)
      const { body, status } = (options.grant ?? grantAll)(one, asked.length)
      json(response, status, body)
    })
  })
  const refusals: Array<string> = []
  const registry: EmbeddedRegistry = yield* startRegistry({
    intercept: (request, response) => {
      if ((options.accepts ?? covers)(request.headers.authorization, request)) return false
      refusals.push(`${request.method ?? ""} ${request.url ?? ""}`)
      const realm = `http://${tokens.host}${options.tokenPath?.(request) ?? "/token"}`
      json(response, 401, errorBody("UNAUTHORIZED", "authentication required"), {
        "www-authenticate": `Bearer realm="${realm}",${options.challenge?.(request) ?? 'service="s"'}`
      })
      return true
    }
  })
  pushSampleImage(registry.store, "team/app", "v1", "seed")
  pushSampleImage(registry.store, "team/other", "v1", "seed")
  return { ...registry, asked, refusals }
})

const other = (access: RepositoryAccess): RepositoryAccess => ({
  ...access,
  repository: { ...access.repository, path: "team/other" }
})

const IDENTITY = "identity-token"
const IDENTIFIED: Credential = {
  username: "",
  password: Redacted.make(""),
  identityToken: Redacted.make(IDENTITY)
}

describe("a refused token", () => {
  live("a refused token of many requests is replaced once", () =>
    Effect.gen(function* () {
      let good = 1
      const { asked, host } = yield* world({
        grant: () => ({ status: 200, body: { token: `${TOKEN}-${good}`, expires_in: 300 } }),
        accepts: (header) => header === `Bearer ${TOKEN}-${good}`
      })
      const registry = yield* RegistryClient
      yield* registry.tags(accessTo(host, USER))
      assert.lengthOf(asked, 1)
      good = 2
      const tags = Effect.suspend(() => registry.tags(accessTo(host, USER)))
      const all = yield* Effect.all(
        Array.from({ length: 20 }, () => tags),
        { concurrency: "unbounded" }
      )
      for (const found of all) assert.deepStrictEqual(found, ["v1"])
      assert.lengthOf(asked, 2)
    })
  )

  live("a refused token that a registry repeats in its answer is redacted in the message", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((request, response) => {
        const { authorization } = request.headers
        if (pathOf(request) === "/token") return json(response, 200, { token: TOKEN })
        json(response, 401, errorBody("DENIED", `not with ${authorization}`), {
          "www-authenticate": `Bearer realm="http://${request.headers.host}/token",service="s"`
        })
      })
      yield* failsWith(
        (yield* RegistryClient).tags(accessTo(host, USER)),
        "AuthenticationFailed",
        "not with Bearer <redacted>"
      )
    })
  )

  live("the error of a refused anonymous token says why there is no credential", () =>
    Effect.gen(function* () {
      const { host } = yield* world({ grant: () => ({ status: 401, body: errorBody("UNAUTHORIZED", "who are you") }) })
      const tags = (access: RepositoryAccess) => Effect.flatMap(RegistryClient, (client) => client.tags(access))
      yield* failsWith(tags(accessTo(host)), "AuthenticationFailed", "no credentials for this registry are configured")
      const access = { ...accessTo(host), withheld: "they are not sent, because nobody is verified" }
      const { message } = yield* failsWith(tags(access), "AuthenticationFailed", "; they are not sent, because")
      assert.notInclude(message, "no credentials")
    })
  )

  it.effect("concurrent refusals each say why their own request has no credential", () =>
    Effect.gen(function* () {
      const { headerFor } = yield* makeTokens({
        isPlain: () => false,
        tokenServers: new Map(),
        send: (request) => Effect.delay(Effect.succeed(responseOf(request, { status: 401 })), "1 second")
      })
      const challenge = {
        _tag: "Bearer",
        realm: "https://tokens.test",
        service: undefined,
        scope: undefined
      } as const
      const detailFor = (withheld?: string) => {
        const access = { ...accessTo("r.test"), ...(withheld === undefined ? {} : { withheld }) }
        return Effect.map(Effect.flip(headerFor(access, challenge, "pull")), ({ detail }) => detail)
      }
      const all = Effect.all([detailFor(), detailFor("of one"), detailFor("of another")], {
        concurrency: "unbounded"
      })
      const waiting = yield* Effect.forkChild(all)
      yield* TestClock.adjust("1 second")
      const [none, one, another] = yield* Fiber.join(waiting)
      assert.include(none, "; no credentials for this registry are configured")
      assert.include(one, "; of one")
      assert.include(another, "; of another")
    })
  )

  live("a token that is longer than servers accept in a header is refused", () =>
    Effect.gen(function* () {
      const { host } = yield* world({ grant: () => ({ status: 200, body: { token: "t".repeat(20_000) } }) })
      yield* failsWith((yield* RegistryClient).tags(accessTo(host, USER)), "InvalidAnswer", "a token of 20000 bytes")
    })
  )

  live("a refused token of one repository leaves the tokens of others", () =>
    Effect.gen(function* () {
      const { asked, host, refusals } = yield* world({
        accepts: (header, request) => repositoryOf(request) === "team/app" && covers(header, request)
      })
      const registry = yield* RegistryClient
      yield* registry.tags(accessTo(host, USER))
      yield* failsWith(registry.tags(other(accessTo(host, USER))), "AuthenticationFailed", "team/other")
      const before = refusals.length
      const tokens = asked.length
      yield* registry.tags(accessTo(host, USER))
      assert.strictEqual(refusals.length, before)
      assert.strictEqual(asked.length, tokens)
    })
  )
})

describe("a host with a token server for each repository", () => {
  const byRepository: WorldOptions = {
    tokenPath: (request) => `/${repositoryOf(request)}/token`,
    grant: (asked) =>
      asked.scopes.every((scope) => scope.startsWith(`repository:${asked.path.slice(1, -"/token".length)}:`))
        ? grantAll(asked)
        : { status: 403, body: errorBody("DENIED", "not of this repository") }
  }

  live("each repository's token is requested at the repository's own token server", () =>
    Effect.gen(function* () {
      const { asked, host } = yield* world(byRepository)
      const registry = yield* RegistryClient
      assert.deepStrictEqual(yield* registry.tags(accessTo(host, USER)), ["v1"])
      assert.deepStrictEqual(yield* registry.tags(other(accessTo(host, USER))), ["v1"])
      const before = asked.length
      assert.deepStrictEqual(yield* registry.tags(accessTo(host, USER)), ["v1"])
      assert.deepStrictEqual(yield* registry.tags(other(accessTo(host, USER))), ["v1"])
      assert.strictEqual(asked.length, before)
    })
  )

  live("a token server for all repositories gets a wrong password once", () =>
    Effect.gen(function* () {
      const { asked, host } = yield* world({
        grant: (one) =>
          one.authorization === undefined ? grantAll(one) : { status: 401, body: errorBody("UNAUTHORIZED", "no") }
      })
      const registry = yield* RegistryClient
      yield* registry.tags(accessTo(host))
      yield* failsWith(registry.tags(other(accessTo(host, USER))), "AuthenticationFailed", "were refused")
      assert.lengthOf(asked, 2)
    })
  )
})

describe("scopes", () => {
  live("a scope that is not of a repository is requested as the registry names it", () =>
    Effect.gen(function* () {
      const { asked, host } = yield* world({
        challenge: () => 'service="public.ecr.aws",scope="aws"',
        accepts: (header) => header === `Bearer ${TOKEN}~aws`
      })
      yield* (yield* RegistryClient).tags(accessTo(host))
      assert.deepStrictEqual(
        asked.map(({ scopes }) => scopes),
        [["aws"]]
      )
    })
  )

  live("the scope for a list of tags has the registry's further actions, at once for later requests", () =>
    Effect.gen(function* () {
      const { asked, host, refusals } = yield* world({
        challenge: (request) => {
          const action = pathOf(request).endsWith("/tags/list") ? "metadata_read" : "pull"
          return `service="acr",scope="repository:${repositoryOf(request)}:${action}"`
        },
        accepts: (header, request) =>
          covers(header, request) &&
          (!pathOf(request).endsWith("/tags/list") || header?.includes("metadata_read") === true)
      })
      const registry = yield* RegistryClient
      yield* registry.head(accessTo(host, USER), "v1")
      yield* registry.tags(accessTo(host, USER))
      const before = refusals.length
      yield* registry.tags(other(accessTo(host, USER)))
      assert.strictEqual(refusals.length, before)
      assert.deepStrictEqual(
        asked.map(({ scopes }) => scopes),
        [
          ["repository:team/app:pull"],
          ["repository:team/app:pull,metadata_read"],
          ["repository:team/other:pull,metadata_read"]
        ]
      )
    })
  )

  it.effect("the scope of a verified registry has no further actions of its unverified impersonator", () =>
    Effect.gen(function* () {
      const asked: Array<ReadonlyArray<string>> = []
      const { headerFor, refused } = yield* makeTokens({
        isPlain: () => false,
        tokenServers: new Map(),
        send: (request) =>
          Effect.sync(() => {
            asked.push(urlOf(request).searchParams.getAll("scope"))
            return responseOf(request, { text: JSON.stringify({ token: TOKEN }) })
          })
      })
      const scope = "repository:team/app:metadata_read"
      const challenge = { _tag: "Bearer", realm: "https://tokens.test", service: undefined, scope } as const
      yield* refused(accessTo("r.test"), challenge, "list", undefined)
      yield* headerFor(accessTo("r.test", undefined, true), challenge, "list")
      yield* headerFor(accessTo("r.test"), challenge, "list")
      assert.deepStrictEqual(asked, [["repository:team/app:pull"], ["repository:team/app:pull,metadata_read"]])
    })
  )

  live("a registry that names new further actions each time gets only a few of them requested", () =>
    Effect.gen(function* () {
      let count = 0
      const { asked, host } = yield* world({
        challenge: (request) => {
          count += 1
          return `service="s",scope="repository:${repositoryOf(request)}:metadata_${"abcdefghijklmnopqrstuvwxyz"[count]}"`
        },
        accepts: () => false
      })
      const registry = yield* RegistryClient
      for (let round = 0; round < 6; round++) yield* Effect.ignore(registry.tags(accessTo(host, USER)))
      const longest = Math.max(...asked.map(({ scopes }) => scopes.join().split(",").length))
      assert.strictEqual(longest, 1 + 4)
    })
  )

  live("the token to mount a blob has the scopes of both repositories", () =>
    Effect.gen(function* () {
      const { asked, host, store } = yield* world()
      const bytes = Buffer.from("a layer")
      store.putBlob("team/other", bytes)
      const blob = { digest: digestOf(bytes), size: bytes.length }
      assert.isTrue(yield* (yield* RegistryClient).mountBlob(accessTo(host, USER), blob, "team/other"))
      assert.deepStrictEqual(
        asked.map(({ scopes }) => scopes),
        [["repository:team/app:pull,push", "repository:team/other:pull"]]
      )
    })
  )

  live("if a token server refuses the wider scope, the narrower one is requested once", () =>
    Effect.gen(function* () {
      const { asked, host } = yield* world({
        grant: (one) => (one.scopes.length > 1 ? { status: 403, body: errorBody("DENIED", "not both") } : grantAll(one))
      })
      const destination = accessTo(host, USER)
      const registry = yield* RegistryClient
      const sourceRegistry = yield* startRegistry()
      const source = accessTo(sourceRegistry.host)
      for (const text of ["one", "two"]) {
        const bytes = Buffer.from(text)
        sourceRegistry.store.putBlob("team/app", bytes)
        const blob = { digest: digestOf(bytes), size: bytes.length }
        yield* registry.copyBlob({ source, destination, blob, mountFrom: "team/other" })
        assert.isTrue(yield* registry.hasBlob(destination, blob))
      }
      assert.deepStrictEqual(
        asked.map(({ scopes }) => scopes.length),
        [2, 1]
      )
    })
  )
})

describe("identity tokens", () => {
  live("an identity token is posted for a token, as in OAuth 2", () =>
    Effect.gen(function* () {
      const { asked, host } = yield* world()
      yield* (yield* RegistryClient).tags(accessTo(host, IDENTIFIED))
      assert.lengthOf(asked, 1)
      const [{ authorization, form, method } = {} as Asked] = asked
      assert.strictEqual(method, "POST")
      assert.strictEqual(authorization, undefined)
      assert.deepStrictEqual(Object.fromEntries(form), {
        grant_type: "refresh_token",
        service: "s",
        scope: "repository:team/app:pull",
        client_id: "skopeo-operator",
        refresh_token: IDENTITY
      })
    })
  )

  for (const status of [404, 405]) {
    live(`an identity token is the password for a token server that answers POST with ${status}`, () =>
      Effect.gen(function* () {
        const { asked, host } = yield* world({
          grant: (one) => (one.method === "POST" ? { status, body: errorBody("UNSUPPORTED", "no") } : grantAll(one))
        })
        const named = { ...IDENTIFIED, username: "robot" }
        assert.deepStrictEqual(yield* (yield* RegistryClient).tags(accessTo(host, named)), ["v1"])
        assert.deepStrictEqual(
          asked.map(({ authorization, method }) => [method, authorization]),
          [
            ["POST", undefined],
            ["GET", `Basic ${Buffer.from(`robot:${IDENTITY}`).toString("base64")}`]
          ]
        )
      })
    )
  }

  live("an identity token that a token server repeats in base64 is redacted in the message", () =>
    Effect.gen(function* () {
      const encoded = Buffer.from(`robot:${IDENTITY}`).toString("base64")
      const { host } = yield* world({
        grant: (one) => ({
          status: one.method === "POST" ? 405 : 401,
          body: errorBody("UNAUTHORIZED", `${one.authorization} is nobody`)
        })
      })
      const error = yield* failsWith(
        (yield* RegistryClient).tags(accessTo(host, { ...IDENTIFIED, username: "robot" })),
        "AuthenticationFailed",
        "Basic <redacted> is nobody"
      )
      assert.notInclude(error.message, encoded)
    })
  )

  live("a refused identity token is not in the message", () =>
    Effect.gen(function* () {
      const { host } = yield* world({
        grant: (one) => ({ status: 401, body: errorBody("UNAUTHORIZED", `no such token ${one.form.toString()}`) })
      })
      const error = yield* failsWith(
        (yield* RegistryClient).tags(accessTo(host, IDENTIFIED)),
        "AuthenticationFailed",
        "were refused"
      )
      assert.notInclude(error.message, IDENTITY)
    })
  )
})

describe("a token server on another host", () => {
  /** By their names, 127.0.0.1 and localhost have different owners. */
  const elsewhere = Effect.fnUntraced(function* () {
    const tokens = yield* scripted((_, response) => json(response, 200, { token: TOKEN }))
    const realm = tokens.host.replace("127.0.0.1", "localhost")
    const registry = yield* startRegistry({
      intercept: (request, response) => {
        if (request.headers.authorization === `Bearer ${TOKEN}`) return false
        const challenge = `Bearer realm="http://${realm}/token",service="s"`
        json(response, 401, {}, { "www-authenticate": challenge })
        return true
      }
    })
    pushSampleImage(registry.store, "team/app", "v1", "seed")
    return { host: registry.host, realm, tokens: tokens.seen }
  })

  for (const [what, credential] of [
    ["a password", USER],
    ["an identity token", IDENTIFIED]
  ] as const) {
    live(`${what} is not sent to a token server of another owner, and the error has the line that allows it`, () =>
      Effect.gen(function* () {
        const { host, realm, tokens } = yield* elsewhere()
        const registry = yield* RegistryClient
        const error = yield* failsWith(
          registry.tags(accessTo(host, credential)),
          "CredentialsNotSent",
          `names the token server ${realm}, which may have another owner`,
          `add ${host}=${realm} to REGISTRY_TOKEN_SERVERS (the chart's config.registries.tokenServers)`
        )
        assert.strictEqual(error.concerns, "Repository")
        assert.lengthOf(tokens, 0)
      })
    )
  }

  live("a configured token server of another owner gets the credentials of its registry only", () =>
    Effect.gen(function* () {
      const one = yield* elsewhere()
      const other = yield* elsewhere()
      const servers = parseTokenServers(`${one.host}=${one.realm}, quay.io=${other.realm}`)
      yield* Effect.gen(function* () {
        const registry = yield* RegistryClient
        assert.deepStrictEqual(yield* registry.tags(accessTo(one.host, USER)), ["v1"])
        assert.strictEqual(one.tokens[0]?.authorization, BASIC)
        yield* failsWith(registry.tags(accessTo(other.host, USER)), "CredentialsNotSent", other.realm)
        assert.lengthOf(other.tokens, 0)
      }).pipe(
        Effect.provide(
          clientOnLoopback({ plainHttp: "127.0.0.0/8,localhost", tokenServers: Result.getOrThrow(servers) })
        )
      )
    })
  )

  live("an anonymous request gets its token from a token server of any owner", () =>
    Effect.gen(function* () {
      const { host, tokens } = yield* elsewhere()
      assert.deepStrictEqual(yield* (yield* RegistryClient).tags(accessTo(host)), ["v1"])
      assert.lengthOf(tokens, 1)
      assert.isUndefined(tokens[0]?.authorization)
    })
  )

  live("a token that no header can have is refused before it is used", () =>
    Effect.gen(function* () {
      const { host, refusals } = yield* world({ grant: () => ({ status: 200, body: { token: "a\r\nx-injected: 1" } }) })
      yield* failsWith((yield* RegistryClient).tags(accessTo(host, USER)), "InvalidAnswer", "no header can have")
      assert.lengthOf(refusals, 1)
    })
  )

  live("a token server must use TLS if the registry does, even with tlsVerify false", () =>
    Effect.gen(function* () {
      const tokens = yield* scripted((_, response) => json(response, 200, { token: TOKEN }))
      const { host } = yield* scriptedTls((_, response) =>
        json(response, 401, {}, { "www-authenticate": `Bearer realm="http://${tokens.host}/token",service="s"` })
      )
      yield* failsWith(
        (yield* RegistryClient).tags(accessTo(host, USER)),
        "AuthenticationFailed",
        "no credentials were sent there"
      )
      assert.lengthOf(tokens.seen, 0)
    })
  )
})

describe("challenges", () => {
  live("Basic and Bearer in one header are answered with a token", () =>
    Effect.gen(function* () {
      const { asked, host } = yield* world({ challenge: () => 'service="quay", Basic realm="quay"' })
      assert.deepStrictEqual(yield* (yield* RegistryClient).tags(accessTo(host, USER)), ["v1"])
      assert.deepStrictEqual(
        asked.map(({ authorization }) => authorization),
        [BASIC]
      )
    })
  )

  live("challenges on lines of their own are all read, by both readers of blobs", () =>
    Effect.gen(function* () {
      const bytes = Buffer.from("a layer")
      const blob = { digest: digestOf(bytes), size: bytes.length }
      const tokens = yield* scripted((_, response) => json(response, 200, { token: TOKEN }))
      const source = yield* scripted((request, response) => {
        if (request.headers.authorization === `Bearer ${TOKEN}`) return void response.end(bytes)
        response.writeHead(401, {
          "content-length": "0",
          "www-authenticate": [`Bearer realm="http://${tokens.host}/token",service="s"`, 'Basic realm="r"']
        })
        response.end()
      })
      const destination = yield* startRegistry()
      const to = accessTo(destination.host)
      yield* (yield* RegistryClient).copyBlob({ source: accessTo(source.host, USER), destination: to, blob })
      assert.isDefined(destination.store.blob("team/app", blob.digest))
    })
  )

  live("a Basic challenge that one credential answered is refused by name for another", () =>
    Effect.gen(function* () {
      const { host, requests } = yield* startRegistry({
        intercept: (request, response) => {
          if (request.headers.authorization === BASIC) return false
          json(response, 401, errorBody("UNAUTHORIZED", "no"), { "www-authenticate": 'Basic realm="r"' })
          return true
        }
      })
      const registry = yield* RegistryClient
      yield* failsWith(registry.tags(accessTo(host)), "AuthenticationFailed", "no credentials")
      yield* failsWith(registry.tags(accessTo(host, USER)), "NotFound")
      yield* failsWith(
        registry.tags(accessTo(host, { username: "robot", password: Redacted.make("wrong") })),
        "AuthenticationFailed",
        "were refused"
      )
      assert.isTrue(Option.isNone(yield* registry.head(accessTo(host, USER), "v1")))
      // The last two are HEAD and, because nothing is known yet about HEAD at this registry, GET.
      assert.isAtMost(requests.length, 5)
      assert.notInclude(requests.join(" "), PASSWORD)
    })
  )
})

describe("tokens that are kept", () => {
  live("a token is given only to the credential that it was given for, not to another password of the same user", () =>
    Effect.gen(function* () {
      const { asked, host } = yield* world({
        grant: (one) =>
          one.authorization === BASIC ? grantAll(one) : { status: 401, body: errorBody("UNAUTHORIZED", "no") }
      })
      const registry = yield* RegistryClient
      assert.deepStrictEqual(yield* registry.tags(accessTo(host, USER)), ["v1"])
      const impostor = { username: "robot", password: Redacted.make("guess") }
      yield* failsWith(registry.tags(accessTo(host, impostor)), "AuthenticationFailed", "were refused")
      assert.lengthOf(asked, 2)
    })
  )

  it.effect("at most 2,000 tokens are cached, and the token used last stays", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const { headerFor } = yield* makeTokens({
        isPlain: () => false,
        tokenServers: new Map(),
        send: (request) =>
          Effect.sync(() => {
            const url = urlOf(request)
            asked.push(url.href)
            const bytes = Buffer.from(JSON.stringify({ token: TOKEN, expires_in: 300 }))
            return {
              status: 200,
              headers: {},
              request: httpRequestOf(request),
              bytes,
              isCut: false,
              base: url,
              millis: 0
            }
          })
      })
      /** The number of requests for tokens after the realm of this number is named. */
      const costOf = (number: number) =>
        Effect.gen(function* () {
          const before = asked.length
          const realm = `https://tokens.test/${number}`
          yield* headerFor(accessTo("r.test"), { _tag: "Bearer", realm, service: undefined, scope: undefined }, "pull")
          return asked.length - before
        })
      for (let number = 0; number < 2_000; number++) yield* costOf(number)
      assert.lengthOf(asked, 2_000)
      assert.strictEqual(yield* costOf(0), 0)
      assert.strictEqual(yield* costOf(2_000), 1)
      assert.strictEqual(yield* costOf(0), 0)
      assert.strictEqual(yield* costOf(1), 1)
    })
  )
})
