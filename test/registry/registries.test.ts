/** Every registry by its own name. A proxy sends all names to one server of this process. */
import { assert, describe } from "@effect/vitest"
import { Effect, Option, Result } from "effect"
import { TestClock } from "effect/testing"
import { registryHost } from "../../src/oci/Reference.ts"
import { parseProxy } from "../../src/http/Proxy.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { makeAuthority } from "../support/certificates.ts"
import { startProxy } from "../support/ConnectProxy.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { scripted } from "../support/ScriptedServer.ts"
import { type Asked, encodeReply, readAsked, type Row, ROWS, TOKEN } from "./registries.table.ts"

const AUTHORITY = makeAuthority()
const NAMES = [
  ...new Set(ROWS.map(({ repository }) => registryHost(repository.registry).replace(/:[0-9]+$/u, ""))),
  "auth.docker.io",
  "gitlab.com"
]
const CERTIFICATE = AUTHORITY.issue(NAMES)

const describeAsked = ({ authorization = "", host, method, path, query }: Asked): string => {
  const search = [...query].map(([name, value]) => `${name}=${value}`).join("&")
  const by = authorization.startsWith("Basic ") ? " (basic)" : authorization === `Bearer ${TOKEN}` ? " (token)" : ""
  return `${method} ${host}${path}${search === "" ? "" : `?${search}`}${by}`
}

/** The client of a row, and the requests to the row's registry. */
const world = Effect.fnUntraced(function* (row: Row) {
  const asked: Array<string> = []
  const { host: server } = yield* scripted((request, response) => {
    void readAsked(request, request.headers.host ?? "").then((one) => {
      asked.push(describeAsked(one))
      const { headers, status, text } = encodeReply(row.answer(one))
      response.writeHead(status, headers)
      response.end(request.method === "HEAD" ? undefined : text)
    })
  }, CERTIFICATE)
  const proxy = yield* startProxy({
    place: (target) => (NAMES.includes(target.replace(/:[0-9]+$/u, "")) ? server : undefined)
  })
  const layer = RegistryClientHttp.layer({
    certificates: [AUTHORITY.certificate],
    proxies: { https: Result.getOrThrow(parseProxy("HTTPS_PROXY", proxy.host)) }
  })
  return { asked, layer }
})

const check = Effect.fnUntraced(function* (row: Row) {
  const { asked, layer } = yield* world(row)
  const access: RepositoryAccess = {
    repository: row.repository,
    tlsVerify: true,
    credential: Option.fromUndefinedOr(row.credential)
  }
  yield* Effect.gen(function* () {
    const client = yield* RegistryClient
    const result = yield* Effect.result(row.ask(client, access))
    if (row.fails === undefined) {
      assert.deepStrictEqual(Result.getOrThrow(result), row.finds)
    } else {
      const error = Result.getOrThrow(Result.flip(result))
      assert.strictEqual(error.reason._tag, row.fails.reason, error.message)
      for (const word of row.fails.words) assert.include(error.message, word)
      for (const word of row.fails.without ?? []) assert.notInclude(error.message, word)
      for (const secret of ["<html>", "hunter2", TOKEN]) assert.notInclude(error.message, secret)
      if (row.fails.retryAfterMillis !== undefined) {
        assert.strictEqual(error.until, Date.parse(row.now ?? "") + row.fails.retryAfterMillis)
      }
    }
    if (row.asked !== undefined) assert.deepStrictEqual(asked, row.asked)
    if (row.notices !== undefined) {
      const notices = yield* client.notices(row.repository)
      assert.deepStrictEqual(
        notices.map(({ message }) => message),
        row.notices
      )
    }
  }).pipe(Effect.provide(layer))
})

const registries = [...new Set(ROWS.map(({ registry }) => registry))]
for (const registry of registries) {
  describe(registry === "any" ? "a registry" : registry, () => {
    for (const row of ROWS.filter((one) => one.registry === registry)) {
      const { now = "2026-11-24T12:00:00Z" } = row
      const title = `${row.registry === "any" ? "a registry" : row.registry} ${row.difference}`
      itOnSockets(title, () => Effect.andThen(TestClock.setTime(Date.parse(now)), check(row)), 30_000)
    }
  })
}
