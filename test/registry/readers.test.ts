/**
 * Every registry of the table with both readers of bodies: the requests, the results and the bytes of a blob are the
 * same. The bulk reader supports no proxy, so the names resolve to a server of this process and get its port.
 */
import { assert, describe } from "@effect/vitest"
import { Effect, Option, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import { registryHost } from "../../src/oci/Reference.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import type { RegistryError } from "../../src/registry/RegistryError.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { makeAuthority } from "../support/certificates.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { scripted } from "../support/ScriptedServer.ts"
import { encodeReply, makeRows, readAsked, type Row, ROWS } from "./registries.table.ts"

const AUTHORITY = makeAuthority()
const nameOf = (registry: string): string => registryHost(registry).replace(/:[0-9]+$/u, "")
const NAMES = [
  ...new Set([...ROWS.map(({ repository }) => nameOf(repository.registry)), "auth.docker.io", "gitlab.com"])
]
const CERTIFICATE = AUTHORITY.issue(NAMES)
const BLOB = { digest: `sha256:${"0".repeat(64)}`, size: 1 }

/** A row's registry at a port of this process. Every URL that the registry names gets the port. */
const world = Effect.fnUntraced(function* (row: Row) {
  let port = ""
  const asked: Array<string> = []
  const placed = (words: string): string =>
    NAMES.reduce((rest, name) => rest.replaceAll(`https://${name}`, `https://${name}:${port}`), words)
  const { host } = yield* scripted((request, response) => {
    void readAsked(request, nameOf(request.headers.host ?? "")).then((one) => {
      asked.push(`${one.method} ${one.host}${request.url ?? ""}`)
      const { headers, status, text } = encodeReply(row.answer(one))
      const words = placed(text)
      // The bulk reader requests a body of unknown length, which the general reader requests again.
      const length = request.method === "HEAD" ? {} : { "content-length": String(Buffer.byteLength(words)) }
      const all = Object.entries({ ...length, ...headers }).map(([name, value]) => [name, placed(value)])
      response.writeHead(status, Object.fromEntries(all))
      response.end(request.method === "HEAD" ? undefined : words)
    })
  }, CERTIFICATE)
  port = host.split(":")[1] ?? ""
  return { asked, port }
})

const told = (port: string, result: Result.Result<unknown, RegistryError>) =>
  Result.match(result, {
    onSuccess: (found) => JSON.stringify(found),
    onFailure: ({ concerns, detail, reason }) =>
      JSON.stringify([reason._tag, concerns, detail])
        .replaceAll(port, "PORT")
        .replaceAll(/[0-9-]+T[0-9:]+Z/gu, "TIME")
  })

/** The result of the row, the bytes of a blob with one reader, and the requests. */
const outcomeOf = Effect.fnUntraced(function* (row: Row, bulkReader: boolean) {
  const { asked, port } = yield* world(row)
  const access: RepositoryAccess = {
    repository: { ...row.repository, registry: `${nameOf(row.repository.registry)}:${port}` },
    tlsVerify: true,
    credential: Option.fromUndefinedOr(row.credential)
  }
  const layer = RegistryClientHttp.layer({
    certificates: [AUTHORITY.certificate],
    resolve: (_, done) => done(null, [{ address: "127.0.0.1", family: 4 }]),
    bulkReader
  })
  return yield* Effect.gen(function* () {
    const client = yield* RegistryClient
    const found = yield* Effect.result(row.ask(client, access))
    // A registry with a rate limit would delay the blob.
    if (Result.isFailure(found) && found.failure.isRateLimited) return { asked, found: told(port, found) }
    const blob = yield* Effect.result(Stream.runCollect(client.blob(access, BLOB)))
    const bytes = Result.map(blob, (chunks) => Buffer.concat(chunks).toString())
    return { asked, found: told(port, found), blob: told(port, bytes) }
  }).pipe(Effect.provide(layer))
})

const check = Effect.fnUntraced(function* (index: number) {
  const [first, second] = [makeRows()[index], makeRows()[index]]
  assert(first !== undefined && second !== undefined)
  const inBulk = yield* outcomeOf(first, true)
  assert.deepStrictEqual(inBulk, yield* outcomeOf(second, false))
  assert.isAbove(inBulk.asked.length, 0)
})

describe("the bulk reader and the general one", () => {
  ROWS.forEach((row, index) => {
    const { now = "2026-11-24T12:00:00Z" } = row
    const title = `both readers of bodies give the same result: ${row.registry === "any" ? "a registry" : row.registry} ${row.difference}`
    itOnSockets(title, () => Effect.andThen(TestClock.setTime(Date.parse(now)), check(index)), 30_000)
  })
})
