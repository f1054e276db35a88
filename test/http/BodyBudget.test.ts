/** The memory for bodies that all requests of a client share: who waits for whom. */
import type { ServerResponse } from "node:http"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { holding } from "../../src/http/BodyBudget.ts"
import { get } from "../../src/http/Http.ts"
import { makeHttpClient } from "../../src/http/HttpClient.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
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

describe("the memory for bodies", () => {
  itOnSockets("an owner whose bodies do not end holds its own large bodies back, and nothing else", () =>
    Effect.gen(function* () {
      const { finish, open, read } = yield* startHost
      const slow = yield* Effect.forEach([1, 2, 3, 4], () => Effect.forkChild(read("evil", "/slow/8")))
      while (open.length < 4) yield* Effect.promise(() => new Promise(setImmediate))
      const waiting = yield* Effect.forkChild(read("evil", "/whole/8"))
      assert.strictEqual(yield* read("good", "/whole/8"), 8)
      assert.strictEqual(yield* read("evil", "/whole/0.0625"), 0.0625)
      assert.isUndefined(waiting.pollUnsafe())
      finish()
      assert.deepStrictEqual(yield* Effect.forEach(slow, Fiber.join), [8, 8, 8, 8])
      assert.strictEqual(yield* Fiber.join(waiting), 8)
    })
  )

  itOnSockets("a body that is given up returns its memory", () =>
    Effect.gen(function* () {
      const { open, read } = yield* startHost
      for (const round of [1, 2, 3]) {
        const slow = yield* Effect.forEach([1, 2, 3, 4], () => Effect.forkChild(read("evil", "/slow/8")))
        while (open.length < 4 * round) yield* Effect.promise(() => new Promise(setImmediate))
        yield* Effect.forEach(slow, Fiber.interrupt)
      }
      assert.strictEqual(yield* read("evil", "/whole/8"), 8)
    })
  )

  itOnSockets("work that holds its bodies may repeat a request that gave up waiting for memory", () =>
    Effect.gen(function* () {
      const { finish, open, read } = yield* startHost
      const owners = ["evil", "evil", "evil", "evil", "worse", "worse"]
      const slow = yield* Effect.forEach(owners, (owner) => Effect.forkChild(read(owner, "/slow/8")))
      while (open.length < owners.length) yield* Effect.promise(() => new Promise(setImmediate))
      const work = Effect.gen(function* () {
        const first = yield* Effect.forkChild(read("good", "/whole/8"))
        for (let request = 0; request < 20; request++) yield* read("other", "/whole/0.0625")
        assert.isUndefined(first.pollUnsafe())
        yield* Fiber.interrupt(first)
        finish()
        return yield* read("good", "/whole/8")
      })
      assert.strictEqual(yield* holding(32 * MIB)(work), 8)
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
          holding(32 * MIB)
        )
        assert.strictEqual(yield* Fiber.join(other), 8)
      })
  )
})
