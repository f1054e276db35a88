import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Option, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import { RequestObserver } from "../../src/kube/exchange.ts"
import { KubeClient, KubeError, type ListPage, type WatchEvent } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { listWatch, type StoreEvent } from "../../src/kube/ListWatch.ts"
import { type SecretObject, Secrets } from "../../src/kube/Resources.ts"
import * as ScriptedKube from "../support/scriptedKube.ts"

const secret = (name: string, resourceVersion: string): SecretObject => ({ metadata: { name, resourceVersion } })

const summary = (event: StoreEvent<SecretObject>): string =>
  event._tag === "Replaced"
    ? `Replaced ${event.objects.map(({ metadata }) => metadata.name).join(",")}`
    : `${event._tag} ${event.object.metadata.name}`

const failure = (code: number, reason: string) => new KubeError({ operation: "test", code, reason, detail: "scripted" })
const unreachable = failure(0, "Unreachable")

type Answer<A> = A | KubeError
interface Script {
  /** The answers to the lists, in order. The last answer is repeated. */
  readonly lists: ReadonlyArray<Answer<ListPage<SecretObject>>>
  /**
   * The events of the watches, in order. A KubeError fails a watch, "open" keeps a watch open, "two minutes" is a pause. The last
   * watch is repeated.
   */
  readonly watches: ReadonlyArray<Watch>
  /** The same for lists as streams. By default the server has no such lists. */
  readonly streams?: ReadonlyArray<Watch>
}
type Watch = ReadonlyArray<WatchEvent<SecretObject> | KubeError | "open" | "two minutes">

const page = (resourceVersion: string, names: ReadonlyArray<string>, next?: string): ListPage<SecretObject> => ({
  items: names.map((name) => secret(name, resourceVersion)),
  resourceVersion,
  ...(next === undefined ? {} : { continue: next })
})
const added = (name: string, resourceVersion: string): WatchEvent<SecretObject> => ({
  type: "ADDED",
  object: secret(name, resourceVersion),
  resourceVersion
})
const bookmark = (resourceVersion: string): WatchEvent<SecretObject> => ({ type: "BOOKMARK", resourceVersion })
const initialEnd = (resourceVersion: string): WatchEvent<SecretObject> => ({
  type: "BOOKMARK",
  resourceVersion,
  isInitialEnd: true
})
const noStreams = failure(422, "Invalid")

/** Follows a scripted API server. `requests` has its requests, `times` their times, and `failures` what was reported as failed. */
const follow = Effect.fnUntraced(function* (script: Script) {
  const requests: Array<string> = []
  const times: Array<number> = []
  let lists = 0
  let watches = 0
  let streams = 0
  const asked = (request: string) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      requests.push(request)
      times.push(now)
    })
  const server = ScriptedKube.layer<SecretObject>({
    list: (scope) =>
      Effect.flatMap(asked(`list ${scope.limit} ${scope.continue ?? ""}`.trim()), () => {
        const answer = script.lists[Math.min(lists++, script.lists.length - 1)]
        if (answer === undefined) return Effect.die("no answer to a list is scripted")
        return answer instanceof KubeError ? Effect.fail(answer) : Effect.succeed(answer)
      }),
    watch: ({ resourceVersion }) =>
      Stream.unwrap(
        Effect.map(asked(resourceVersion === undefined ? "stream" : `watch ${resourceVersion}`), () =>
          Stream.fromIterable(
            resourceVersion === undefined
              ? nth(script.streams ?? [[noStreams]], streams++)
              : nth(script.watches, watches++)
          ).pipe(
            Stream.flatMap((event) =>
              event === "two minutes"
                ? Stream.fromEffectDrain(Effect.sleep("2 minutes"))
                : event === "open"
                  ? Stream.never
                  : event instanceof KubeError
                    ? Stream.fail(event)
                    : Stream.succeed(event)
            )
          )
        )
      )
  })
  const events: Array<string> = []
  const failures: Array<string> = []
  yield* listWatch(Secrets, { namespace: "team" }).pipe(
    Stream.runForEach((event) => Effect.sync(() => events.push(summary(event)))),
    Effect.provide(server),
    Effect.provideService(RequestObserver, {
      answered: () => {},
      watchFailed: (resource) => failures.push(resource)
    }),
    Effect.forkScoped
  )
  yield* TestClock.adjust("0 millis")
  return { requests, times, events, failures }
})

const nth = (watches: ReadonlyArray<Watch>, index: number): Watch => watches[Math.min(index, watches.length - 1)] ?? []

const pauses = (times: ReadonlyArray<number>) => times.slice(1).map((time, index) => time - (times[index] ?? 0))

describe("listWatch", () => {
  it.effect("a list in pages is one event, and a watch from the version of the list follows", () =>
    Effect.gen(function* () {
      const { events, failures, requests } = yield* follow({
        lists: [page("10", ["a", "b"], "p2"), page("10", ["c"])],
        watches: [[added("d", "11"), "open"]]
      })
      assert.deepStrictEqual(requests, ["stream", "list 50", "list 50 p2", "watch 10"])
      assert.deepStrictEqual(events, ["Replaced a,b,c", "Applied d"])
      assert.deepStrictEqual(failures, [])
    })
  )

  it.effect("a watch that the server ended continues from the last event or bookmark, without another list", () =>
    Effect.gen(function* () {
      const { events, requests } = yield* follow({
        lists: [page("10", [])],
        watches: [
          [added("a", "11")],
          [bookmark("20")],
          [{ type: "DELETED", object: secret("a", "21"), resourceVersion: "21" }],
          ["open"]
        ]
      })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(requests, ["stream", "list 50", "watch 10", "watch 11", "watch 20", "watch 21"])
      assert.deepStrictEqual(events, ["Replaced ", "Applied a", "Deleted a"])
    })
  )

  it.effect("a watch that broke off continues from the last version, and is reported as failed", () =>
    Effect.gen(function* () {
      const { events, failures, requests } = yield* follow({
        lists: [page("10", [])],
        watches: [
          [added("a", "11"), unreachable],
          [bookmark("20"), failure(500, "InternalError")],
          [added("b", "21"), "open"]
        ]
      })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(requests, ["stream", "list 50", "watch 10", "watch 11", "watch 20"])
      assert.deepStrictEqual(events, ["Replaced ", "Applied a", "Applied b"])
      assert.deepStrictEqual(failures, ["secrets", "secrets"])
    })
  )

  it.effect("a new list follows on 410, and is one event", () =>
    Effect.gen(function* () {
      const { events, requests } = yield* follow({
        lists: [page("10", ["a", "b"]), page("50", ["b"], "p2"), page("50", ["c"])],
        watches: [[added("x", "11"), failure(410, "Expired")], ["open"]]
      })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(requests, ["stream", "list 50", "watch 10", "list 50", "list 50 p2", "watch 50"])
      assert.deepStrictEqual(events, ["Replaced a,b", "Applied x", "Replaced b,c"])
    })
  )

  it.effect("a list starts over if a later page fails, and a partial list is no event", () =>
    Effect.gen(function* () {
      const { events, requests } = yield* follow({
        lists: [
          page("10", ["a"], "p2"),
          failure(429, "TooManyRequests"),
          page("12", ["a"], "p2"),
          failure(410, "Expired"),
          page("14", ["a", "b"])
        ],
        watches: [["open"]]
      })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(requests, [
        "stream",
        "list 50",
        "list 50 p2",
        "list 50",
        "list 50 p2",
        "list 50",
        "watch 14"
      ])
      assert.deepStrictEqual(events, ["Replaced a,b"])
    })
  )

  for (const error of [unreachable, failure(429, "TooManyRequests"), failure(500, "InternalError")]) {
    it.effect(`pauses grow up to 30 seconds, without another list, while watches fail with ${error.reason}`, () =>
      Effect.gen(function* () {
        const { requests, times } = yield* follow({ lists: [page("10", [])], watches: [[error]] })
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual([...new Set(requests)], ["stream", "list 50", "watch 10"])
        assert.strictEqual(requests.filter((request) => request.startsWith("list")).length, 1)
        const waits = pauses(times.slice(2))
        const expected = waits.map((_, attempt) => Math.min(800 * 2 ** attempt, 30_000))
        for (const [attempt, wait] of waits.entries()) {
          const nominal = expected[attempt] ?? 0
          assert.isTrue(wait >= nominal * 0.79 && wait <= nominal * 1.21, `${attempt}: ${wait} ms of ${nominal}`)
        }
        assert.isAbove(waits.length, 15)
      })
    )
  }

  it.effect("pauses continue to grow after a failed watch that had events", () =>
    Effect.gen(function* () {
      const failing = Array.from({ length: 8 }, () => [unreachable])
      for (const progress of [added("a", "11"), bookmark("11")]) {
        const { times } = yield* follow({
          lists: [page("10", [])],
          watches: [...failing, [progress, unreachable], [unreachable]]
        })
        yield* TestClock.adjust("10 minutes")
        const waits = pauses(times.slice(2))
        assert.isAbove(waits[7] ?? 0, 20_000)
        assert.isAbove(waits[8] ?? 0, 20_000)
      }
    })
  )

  it.effect("pauses start at the base again after two minutes without a failure", () =>
    Effect.gen(function* () {
      const failing = Array.from({ length: 8 }, () => [unreachable])
      const { requests, times } = yield* follow({
        lists: [page("10", [])],
        watches: [...failing, ["two minutes"], [unreachable]]
      })
      yield* TestClock.adjust("10 minutes")
      const waits = pauses(times.slice(2))
      assert.isAbove(waits[7] ?? 0, 20_000)
      // The watch without events ends, and the next watch fails.
      assert.strictEqual(waits[8], 120_000)
      assert.isBelow(waits[9] ?? 0, 1_000)
      assert.strictEqual(requests.filter((request) => request.startsWith("list")).length, 1)
    })
  )

  it.effect("pauses grow while every watch is refused as too old, because lists are expensive", () =>
    Effect.gen(function* () {
      const { requests } = yield* follow({ lists: [page("10", [])], watches: [[failure(410, "Expired")]] })
      yield* TestClock.adjust("10 minutes")
      const lists = requests.filter((request) => request.startsWith("list")).length
      assert.isBelow(lists, 40)
      assert.isAbove(lists, 15)
    })
  )

  it.effect("pauses grow while a server ends each watch at once, with or without a bookmark", () =>
    Effect.gen(function* () {
      for (const watch of [[], [bookmark("11")]]) {
        const { requests } = yield* follow({ lists: [page("10", [])], watches: [watch] })
        yield* TestClock.adjust("10 minutes")
        const watches = requests.filter((request) => request.startsWith("watch")).length
        assert.isTrue(watches > 15 && watches < 40, `${watches} watches in ten minutes`)
        assert.deepStrictEqual(requests.slice(0, 2), ["stream", "list 50"])
        assert.strictEqual(requests.length - watches, 2)
      }
    })
  )

  it.effect("a list as a stream is one event, and the stream continues as a watch", () =>
    Effect.gen(function* () {
      const { events, requests } = yield* follow({
        streams: [
          [
            added("a", "5"),
            added("b", "6"),
            { type: "MODIFIED", object: secret("a", "9"), resourceVersion: "9" },
            { type: "DELETED", object: secret("b", "10"), resourceVersion: "10" },
            initialEnd("10"),
            added("c", "11"),
            unreachable
          ]
        ],
        lists: [],
        watches: [["open"]]
      })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(requests, ["stream", "watch 11"])
      assert.deepStrictEqual(events, ["Replaced a", "Applied c"])
    })
  )

  it.effect(
    "all later lists are in pages after a list as a stream that never ended, and no object is lost or reported twice",
    () =>
      Effect.gen(function* () {
        const { events, requests, times } = yield* follow({
          streams: [[added("a", "5"), bookmark("6"), "open"]],
          lists: [page("10", ["a", "b"]), page("20", ["b"])],
          watches: [[failure(410, "Expired")], ["open"]]
        })
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(requests, ["stream", "list 50", "watch 10", "list 50", "watch 20"])
        assert.strictEqual((times[1] ?? 0) - (times[0] ?? 0), 10_000)
        assert.deepStrictEqual(events, ["Replaced a,b", "Replaced b"])
      })
  )

  it.effect("the next list is a stream again after a stream that was forbidden or that broke off", () =>
    Effect.gen(function* () {
      const { events, requests } = yield* follow({
        streams: [
          [failure(403, "Forbidden")],
          [added("a", "5"), unreachable],
          [added("a", "5"), initialEnd("7"), "open"]
        ],
        lists: [failure(403, "Forbidden")],
        watches: []
      })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(requests, ["stream", "list 50", "stream", "stream"])
      assert.deepStrictEqual(events, ["Replaced a"])
    })
  )

  it.effect("the first list is retried until it succeeds", () =>
    Effect.gen(function* () {
      const { events } = yield* follow({
        lists: [unreachable, failure(403, "Forbidden"), failure(410, "Expired"), page("10", ["a"])],
        watches: [["open"]]
      })
      assert.deepStrictEqual(events, [])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(events, ["Replaced a"])
    })
  )

  it.effect("a list and a watch follow the API server in memory", () =>
    Effect.gen(function* () {
      const kube = yield* KubeClient
      const make = (name: string) => kube.create(Secrets, { metadata: { namespace: "team", name } })
      yield* make("a")
      yield* make("b")
      const queue = yield* Queue.unbounded<string>()
      yield* listWatch(Secrets, { namespace: "team" }).pipe(
        Stream.runForEach((event) => Queue.offer(queue, summary(event))),
        Effect.forkScoped
      )
      assert.strictEqual(yield* Queue.take(queue), "Replaced a,b")
      yield* make("c")
      assert.strictEqual(yield* Queue.take(queue), "Applied c")
      yield* kube.delete(Secrets, { namespace: "team", name: "a" })
      assert.strictEqual(yield* Queue.take(queue), "Deleted a")
      yield* kube.create(Secrets, { metadata: { namespace: "other", name: "d" } })
      yield* TestClock.adjust(Duration.hours(1))
      assert.deepStrictEqual(yield* Queue.poll(queue), Option.none())
    }).pipe(Effect.provide(KubeClientMemory.layer({ store: new ApiServerStore({ history: 10 }) })))
  )
})
