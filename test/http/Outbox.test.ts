/** The outbox: order, retries, and its bounds. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import { ConnectionError } from "../../src/http/ConnectionError.ts"
import type { HttpResponse } from "../../src/http/Http.ts"
import { type Delivery, makeOutbox, type OutboxOptions } from "../../src/http/Outbox.ts"

const BOUNDS: OutboxOptions = {
  capacity: 10,
  bytes: 1_000,
  attempts: 3,
  age: "10 minutes",
  timeout: "5 seconds",
  grace: "2 seconds"
}

type Answer = Effect.Effect<Pick<HttpResponse, "status" | "headers">, ConnectionError>

const answered = (status: number, headers: HttpResponse["headers"] = {}): Answer => Effect.succeed({ status, headers })

/** An outbox of names, its attempts with their seconds, and the ends of the items. `answer` gets the number of the attempt. */
const makeWorld = Effect.fnUntraced(function* (
  answer: (name: string, attempt: number) => Answer,
  bounds: Partial<OutboxOptions> = {}
) {
  const sent: Array<string> = []
  const ends: Array<readonly [string, Delivery]> = []
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const { offer } = yield* makeOutbox<{ readonly name: string; readonly body: Uint8Array }>(
    { ...BOUNDS, ...bounds },
    {
      request: ({ name }, now) => ({
        method: "POST",
        url: new URL(`http://receiver.test/${name}`),
        headers: { at: String(now / 1_000) }
      }),
      send: (request) =>
        Effect.suspend(() => {
          const name = request.url.pathname.slice(1)
          sent.push(`${name} ${request.headers["at"]}`)
          const attempt = sent.filter((line) => line.startsWith(`${name} `)).length
          return Effect.map(answer(name, attempt), (head) => ({
            ...head,
            request,
            bytes: new Uint8Array(),
            isCut: false
          }))
        }),
      ended: ({ name }, delivery) => Effect.sync(() => void ends.push([name, delivery]))
    }
  ).pipe(Scope.provide(scope))
  const outbox = { offer: (name: string, size = 1) => offer({ name, body: new Uint8Array(size) }) }
  return { outbox, sent, ends, close: Scope.close(scope, Exit.void) }
})

describe("an outbox", () => {
  it.effect("an outbox sends its items one after the other, in the order of the offers", () =>
    Effect.gen(function* () {
      const { ends, outbox, sent } = yield* makeWorld((name) =>
        Effect.delay(answered(200), name === "a" ? "3 seconds" : "1 second")
      )
      for (const name of ["a", "b", "c"]) yield* outbox.offer(name)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(sent, ["a 0", "b 3", "c 4"])
      assert.deepStrictEqual(
        ends.map(([name, { _tag }]) => `${name} ${_tag}`),
        ["a Sent", "b Sent", "c Sent"]
      )
    })
  )

  it.effect("an outbox retries after 429, 503, no answer and a lost connection, and not after another refusal", () =>
    Effect.gen(function* () {
      const { ends, outbox, sent } = yield* makeWorld((name, attempt) => {
        if (attempt > 1) return answered(204)
        switch (name) {
          case "limited":
            return answered(429)
          case "broken":
            return answered(503)
          case "slow":
            return Effect.never
          case "lost":
            return Effect.fail(ConnectionError.of({ _tag: "Closed" }, "ECONNRESET"))
          default:
            return answered(Number(name))
        }
      })
      for (const name of ["limited", "broken", "slow", "lost", "301", "400", "410"]) yield* outbox.offer(name)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        sent.map((line) => line.split(" ")[0]),
        ["limited", "limited", "broken", "broken", "slow", "slow", "lost", "lost", "301", "400", "410"]
      )
      assert.deepStrictEqual(
        ends.map(([name, end]) => [name, end._tag, "error" in end ? end.error : ""]),
        [
          ["limited", "Sent", ""],
          ["broken", "Sent", ""],
          ["slow", "Sent", ""],
          ["lost", "Sent", ""],
          ["301", "Refused", "answered 301"],
          ["400", "Refused", "answered 400"],
          ["410", "Refused", "answered 410"]
        ]
      )
    })
  )

  it.effect("an outbox waits as long as Retry-After says, in seconds or as a date", () =>
    Effect.gen(function* () {
      const { outbox, sent } = yield* makeWorld((name, attempt) => {
        if (attempt > 1) return answered(204)
        return answered(429, { "retry-after": name === "seconds" ? "30" : new Date(90_000).toUTCString() })
      })
      yield* outbox.offer("seconds")
      yield* outbox.offer("date")
      yield* TestClock.adjust("29 seconds")
      assert.deepStrictEqual(sent, ["seconds 0"])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(sent, ["seconds 0", "seconds 30", "date 30", "date 90"])
    })
  )

  it.effect("an item fails after its last attempt, and when the receiver asks for more time than the item has", () =>
    Effect.gen(function* () {
      const { ends, outbox, sent } = yield* makeWorld((name) =>
        name === "later" ? answered(503, { "retry-after": "601" }) : answered(500)
      )
      yield* outbox.offer("broken")
      yield* outbox.offer("later")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        sent.map((line) => line.split(" ")[0]),
        ["broken", "broken", "broken", "later"]
      )
      assert.deepStrictEqual(ends, [
        ["broken", { _tag: "Failed", error: "answered 500" }],
        ["later", { _tag: "Failed", error: "answered 503" }]
      ])
    })
  )

  it.effect("10,000 offers to a silent receiver return at once, and all but the capacity are dropped", () =>
    Effect.gen(function* () {
      const { close, ends, outbox, sent } = yield* makeWorld(() => Effect.never)
      yield* outbox.offer("first")
      yield* TestClock.adjust(0)
      for (let index = 0; index < 10_000; index++) yield* outbox.offer(`item-${index}`)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
      assert.lengthOf(sent, 1)
      assert.lengthOf(ends, 10_000 - BOUNDS.capacity)
      assert.isTrue(ends.every(([, { _tag }]) => _tag === "Dropped"))
      yield* Effect.forkChild(close)
      yield* TestClock.adjust("2 seconds")
      assert.lengthOf(ends, 10_001)
    })
  )

  it.effect("the bodies that wait have a limited number of bytes, and an item that ends makes room", () =>
    Effect.gen(function* () {
      const { ends, outbox, sent } = yield* makeWorld(() => Effect.delay(answered(200), "1 second"))
      yield* outbox.offer("a", 600)
      yield* outbox.offer("too many together", 600)
      yield* outbox.offer("b", 400)
      yield* outbox.offer("one more", 1)
      yield* TestClock.adjust("1 second")
      yield* outbox.offer("c", 600)
      yield* outbox.offer("too large", 1_001)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        ends.map(([name, { _tag }]) => `${name} ${_tag}`),
        ["too many together Dropped", "one more Dropped", "a Sent", "too large Dropped", "b Sent", "c Sent"]
      )
      assert.deepStrictEqual(sent, ["a 0", "b 1", "c 2"])
    })
  )

  it.effect("the end of the scope gives each waiting item one attempt", () =>
    Effect.gen(function* () {
      const { close, ends, outbox, sent } = yield* makeWorld((name) => (name === "b" ? answered(500) : answered(200)))
      for (const name of ["a", "b", "c"]) yield* outbox.offer(name)
      yield* close
      assert.deepStrictEqual(sent, ["a 0", "b 0", "c 0"])
      assert.deepStrictEqual(
        ends.map(([name, { _tag }]) => `${name} ${_tag}`),
        ["a Sent", "b Failed", "c Sent"]
      )
    })
  )

  it.effect("the end of the scope waits for a silent receiver no longer than the grace, and drops the rest", () =>
    Effect.gen(function* () {
      const { close, ends, outbox } = yield* makeWorld(() => Effect.never)
      for (const name of ["a", "b"]) yield* outbox.offer(name)
      yield* TestClock.adjust(0)
      const closing = yield* Effect.forkChild(close)
      yield* TestClock.adjust("2 seconds")
      assert.isDefined(closing.pollUnsafe())
      assert.deepStrictEqual(
        ends.map(([name, { _tag }]) => `${name} ${_tag}`),
        ["a Dropped", "b Dropped"]
      )
    })
  )

  it.effect("an item that waits for its next attempt gets the attempt at the end of the scope", () =>
    Effect.gen(function* () {
      const { close, ends, outbox, sent } = yield* makeWorld((_, attempt) => answered(attempt === 1 ? 503 : 200))
      yield* outbox.offer("a")
      yield* TestClock.adjust(0)
      yield* close
      assert.deepStrictEqual(sent, ["a 0", "a 0"])
      assert.deepStrictEqual(ends, [["a", { _tag: "Sent" }]])
    })
  )
})
