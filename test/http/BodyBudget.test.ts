/** The memory for bodies that all requests of a client share: who waits for whom. */
import type { ServerResponse } from "node:http"
import { assert, describe } from "@effect/vitest"
import { Clock, Effect, Fiber, Option } from "effect"
import { holding } from "../../src/http/BodyBudget.ts"
import { get } from "../../src/http/Http.ts"
import { makeHttpClient } from "../../src/http/HttpClient.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { everythingElse, itOnSockets } from "../support/passTimeWhenIdle.ts"
import { scripted } from "../support/ScriptedServer.ts"

const MIB = 1024 * 1024

/** A host whose `/slow/N` sends all but the last byte of N MiB until `finish` is called. `/whole/N` sends N MiB at once. */
const startHost = Effect.gen(function* () {
  const open: Array<ServerResponse> = []
  const { host } = yield* scripted((request, response) => {
    const [, kind, size = "0"] = request.url?.split("/") ?? []
    const bytes = Buffer.alloc(Number(size) * MIB, "x")
    response.writeHead(200, { "content-length": bytes.length })
    if (kind === "whole") return void response.end(bytes)
    response.write(bytes.subarray(1))
    open.push(response)
  })
  const http = yield* makeHttpClient({ userAgent: "test" })
  const read = (owner: string, path: string) =>
    Effect.map(
      http.send(
        { ...get(new URL(`http://${host}${path}`), {}), reads: 8 * MIB },
        { tlsVerify: true, scope: "named", owner }
      ),
      ({ bytes }) => bytes.length / MIB
    )
  return { read, open, finish: () => open.splice(0).forEach((response) => response.end("x")) }
})

/** Until `count` answers of `/slow` have begun, and the client has read what came of them. */
const begun = (open: ReadonlyArray<ServerResponse>, count: number) =>
  Effect.promise(async () => {
    while (open.length < count) await new Promise(setImmediate)
  })

const LISTING = holding(16 * MIB)

/** A host with a list that waits for memory: two slow lists and a slow small body of other owners have nearly all of it. */
const waitingList = Effect.gen(function* () {
  const { finish, open, read } = yield* startHost
  const lists = yield* Effect.forEach(["evil", "worse"], (owner) => Effect.forkChild(LISTING(read(owner, "/slow/0.1"))))
  const small = yield* Effect.forkChild(read("third", "/slow/1"))
  yield* begun(open, 3)
  yield* everythingElse
  const list = yield* Effect.forkChild(LISTING(read("good", "/whole/0.1")))
  return { finish, list, others: [...lists, small], read }
})

describe("the memory for bodies", () => {
  itOnSockets("an owner whose bodies do not end holds its own large bodies back, and nothing else", () =>
    Effect.gen(function* () {
      const { finish, open, read } = yield* startHost
      const slow = yield* Effect.forEach([1, 2], () => Effect.forkChild(read("evil", "/slow/8")))
      yield* begun(open, 2)
      yield* everythingElse
      const waiting = yield* Effect.forkChild(read("evil", "/whole/8"))
      assert.strictEqual(yield* read("good", "/whole/8"), 8)
      assert.strictEqual(yield* read("evil", "/whole/0.0625"), 0.0625)
      assert.isUndefined(waiting.pollUnsafe())
      finish()
      assert.deepStrictEqual(yield* Effect.forEach(slow, Fiber.join), [8, 8])
      assert.strictEqual(yield* Fiber.join(waiting), 8)
    })
  )

  itOnSockets("a body that is given up returns its memory", () =>
    Effect.gen(function* () {
      const { open, read } = yield* startHost
      for (const round of [1, 2, 3]) {
        const slow = yield* Effect.forEach([1, 2, 3, 4], () => Effect.forkChild(read("evil", "/slow/8")))
        yield* begun(open, 4 * round)
        yield* everythingElse
        yield* Effect.forEach(slow, Fiber.interrupt)
      }
      assert.strictEqual(yield* read("evil", "/whole/8"), 8)
    })
  )

  itOnSockets("the slow lists of two owners hold neither the list nor the bodies of others back", () =>
    Effect.gen(function* () {
      const { finish, open, read } = yield* startHost
      const slow = yield* Effect.forEach(["evil", "worse"], (owner) =>
        Effect.forkChild(LISTING(read(owner, "/slow/0.1")))
      )
      yield* begun(open, 2)
      yield* everythingElse
      const behind = yield* Effect.forkChild(LISTING(read("evil", "/whole/0.1")))
      assert.strictEqual(yield* LISTING(read("good", "/whole/0.125")), 0.125)
      assert.strictEqual(yield* read("third", "/whole/4"), 4)
      assert.isUndefined(behind.pollUnsafe())
      finish()
      yield* Effect.forEach([...slow, behind], Fiber.join)
    })
  )

  itOnSockets("a list that waits for memory holds no smaller body back", () =>
    Effect.gen(function* () {
      const { finish, list, others, read } = yield* waitingList
      assert.strictEqual(yield* read("fourth", "/whole/0.125"), 0.125)
      assert.isUndefined(list.pollUnsafe())
      finish()
      yield* Effect.forEach([...others, list], Fiber.join)
    })
  )

  itOnSockets("a list that waits for memory is overtaken by at most as many bytes as there are", () =>
    Effect.gen(function* () {
      const { finish, list, others, read } = yield* waitingList
      yield* everythingElse
      for (let overtaken = 0; overtaken < 6; overtaken++) assert.strictEqual(yield* read("fourth", "/whole/8"), 8)
      const behind = yield* Effect.forkChild(read("fourth", "/whole/8"))
      yield* everythingElse
      assert.isUndefined(list.pollUnsafe())
      assert.isUndefined(behind.pollUnsafe())
      finish()
      yield* Effect.forEach([...others, list, behind], Fiber.join)
    })
  )

  itOnSockets("work that holds its bodies may repeat a request that gave up waiting for memory", () =>
    Effect.gen(function* () {
      const { finish, open, read } = yield* startHost
      const owners = ["evil", "evil", "worse", "worse", "worst", "worst"]
      const slow = yield* Effect.forEach(owners, (owner) => Effect.forkChild(read(owner, "/slow/8")))
      yield* begun(open, owners.length)
      yield* everythingElse
      const work = Effect.gen(function* () {
        const first = yield* Effect.forkChild(read("good", "/whole/8"))
        yield* everythingElse
        assert.isUndefined(first.pollUnsafe())
        yield* Fiber.interrupt(first)
        finish()
        return yield* read("good", "/whole/8")
      })
      assert.strictEqual(yield* LISTING(work), 8)
      yield* Effect.forEach(slow, Fiber.join)
    })
  )

  itOnSockets(
    "work that holds its bodies reserves once, keeps that until its end, and never waits for its own bytes",
    () =>
      Effect.gen(function* () {
        const { read } = yield* startHost
        const bodies = Effect.all([read("evil", "/whole/8"), read("evil", "/whole/8"), read("evil", "/whole/8")])
        const other = yield* bodies.pipe(
          Effect.andThen(
            Effect.gen(function* () {
              const fiber = yield* Effect.forkDetach(read("evil", "/whole/8"))
              assert.strictEqual(yield* read("good", "/whole/8"), 8)
              assert.isUndefined(fiber.pollUnsafe())
              return fiber
            })
          ),
          LISTING
        )
        assert.strictEqual(yield* Fiber.join(other), 8)
      })
  )

  itOnSockets("work that holds its bodies reserves for many small bodies too", () =>
    Effect.gen(function* () {
      const { finish, open, read } = yield* startHost
      const slow = yield* Effect.forkChild(LISTING(read("evil", "/slow/0.1")))
      yield* begun(open, 1)
      yield* everythingElse
      const page = read("evil", "/whole/0.03125")
      const pages = yield* Effect.forkChild(LISTING(Effect.all([page, page, page])))
      yield* everythingElse
      assert.isUndefined(pages.pollUnsafe())
      finish()
      assert.deepStrictEqual(yield* Fiber.join(pages), [0.03125, 0.03125, 0.03125])
      yield* Fiber.join(slow)
    })
  )

  itOnSockets("the time for which a list waits for memory counts against no time limit of its request", () =>
    Effect.gen(function* () {
      const list = JSON.stringify({ tags: Array.from({ length: 3_000 }, (_, index) => `v${"0".repeat(30)}${index}`) })
      const { host } = yield* scripted((request, response) => {
        if (request.url?.includes("/tags/") !== true) return void response.end("{}")
        response.writeHead(200, { "content-type": "application/json", "content-length": list.length })
        if (request.url.includes("/slow/")) response.write(list.slice(1))
        else response.end(list)
      })
      const tagsOf = (path: string) =>
        Effect.flatMap(RegistryClient, ({ tags }) =>
          tags({ repository: { registry: host, path }, tlsVerify: false, credential: Option.none() })
        ).pipe(LISTING)
      yield* Effect.gen(function* () {
        const start = yield* Clock.currentTimeMillis
        const slow = yield* Effect.forEach(["slow/a", "slow/b"], (path) => Effect.forkChild(tagsOf(path)))
        yield* everythingElse
        assert.lengthOf(yield* tagsOf("team/app"), 3_000)
        const seconds = ((yield* Clock.currentTimeMillis) - start) / 1_000
        // Each slow list is asked for three times, for a minute each.
        assert.isAbove(seconds, 360)
        assert.isBelow(seconds, 370)
        yield* Effect.forEach(slow, Fiber.interrupt)
      }).pipe(Effect.provide(RegistryClientHttp.layer()))
    })
  )
})
