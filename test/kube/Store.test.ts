import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Option, Queue, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { KubeError, type ListScope, type WatchEvent } from "../../src/kube/KubeClient.ts"
import { type SecretObject, Secrets } from "../../src/kube/Resources.ts"
import * as Store from "../../src/kube/Store.ts"
import * as ScriptedKube from "../support/scriptedKube.ts"

/** The stored value of a Secret. The Secret's type has colours here, by which the store indexes the value. */
interface Kept {
  readonly name: string
  readonly version: string
  readonly colours: ReadonlyArray<string>
}

const decode = ({ metadata, type = "" }: SecretObject): Kept => ({
  name: metadata.name,
  version: metadata.resourceVersion ?? "",
  colours: type === "" ? [] : type.split("+")
})

const object = (name: string, version: string, colour: string, uid = `uid-${name}`): SecretObject => ({
  metadata: { namespace: "team", name, uid, resourceVersion: version },
  type: colour
})

const textOf = ({ colours, name, version }: Kept): string => `${name}@${version} ${colours.join("+")}`.trim()

const NO_STREAMS = new KubeError({ operation: "test", code: 422, reason: "Invalid", detail: "scripted" })
const FORBIDDEN = new KubeError({ operation: "watch secrets", code: 403, reason: "Forbidden", detail: "no right" })
const EXPIRED = new KubeError({ operation: "test", code: 410, reason: "Expired", detail: "scripted" })

/** An API server whose lists and watches a test controls. */
const makeServer = () => {
  const lists = new Map<string, Deferred.Deferred<ReadonlyArray<SecretObject>>>()
  const watches = new Map<string, Queue.Queue<WatchEvent<SecretObject> | KubeError>>()
  const nameOf = ({ namespace = "*" }: ListScope) => namespace
  const listOf = (name: string) => {
    const list = lists.get(name) ?? Deferred.makeUnsafe<ReadonlyArray<SecretObject>>()
    lists.set(name, list)
    return list
  }
  const layer = ScriptedKube.layer<SecretObject>({
    list: (scope) =>
      Effect.map(Deferred.await(listOf(nameOf(scope))), (items) => {
        lists.delete(nameOf(scope))
        return { items, resourceVersion: "1" }
      }),
    watch: (scope) => {
      if (scope.resourceVersion === undefined) return Stream.fail(NO_STREAMS)
      return Stream.unwrap(
        Effect.map(Queue.unbounded<WatchEvent<SecretObject> | KubeError>(), (queue) => {
          watches.set(nameOf(scope), queue)
          return Stream.fromQueue(queue).pipe(
            Stream.mapEffect((event) => (event instanceof KubeError ? Effect.fail(event) : Effect.succeed(event)))
          )
        })
      )
    }
  })
  const offer = (event: WatchEvent<SecretObject> | KubeError, scope: string) =>
    Effect.suspend(() => {
      const queue = watches.get(scope)
      return queue === undefined ? Effect.die(`no watch of ${scope}`) : Queue.offer(queue, event)
    })
  return {
    layer,
    /** Answers the pending list. */
    list: (objects: ReadonlyArray<SecretObject>, scope = "*") =>
      Effect.andThen(Deferred.succeed(listOf(scope), objects), settle),
    /** Fails the watch with 410, and answers the list that follows. */
    relist: (objects: ReadonlyArray<SecretObject>, scope = "*") =>
      Effect.gen(function* () {
        yield* offer(EXPIRED, scope)
        yield* TestClock.adjust("1 minute")
        yield* Deferred.succeed(listOf(scope), objects)
        yield* settle
      }),
    /** Refuses the watch, and waits for the next watch. */
    refuse: (error: KubeError, scope = "*") => Effect.andThen(offer(error, scope), TestClock.adjust("1 minute")),
    report: (type: "ADDED" | "MODIFIED" | "DELETED", object: SecretObject, scope = "*") =>
      Effect.andThen(offer({ type, object, resourceVersion: object.metadata.resourceVersion ?? "" }, scope), settle)
  }
}

/** Runs everything that is due. */
const settle = TestClock.adjust("10 millis")

const makeStore = (scopes: ReadonlyArray<ListScope> = [{}], read: (object: SecretObject) => Kept = decode) =>
  Store.make(Secrets, { scopes, decode: read, indexes: { colour: ({ colours }) => colours } })

type TestStore = Effect.Success<ReturnType<typeof makeStore>>

const contentOf = (store: TestStore) => Effect.map(store.values, (values) => values.map(textOf).sort())

/** Collects the changes from now on, as text. */
const follow = Effect.fnUntraced(function* (store: TestStore) {
  const changes: Array<string> = []
  const text = (value: Kept | undefined) => (value === undefined ? "nothing" : textOf(value))
  yield* store.changes.pipe(
    Stream.runForEach(({ after, before, key }) =>
      Effect.sync(() => changes.push(`${key}: ${text(before)} -> ${text(after)}`))
    ),
    Effect.forkScoped({ startImmediately: true })
  )
  return changes
})

type Step =
  | readonly ["ADDED" | "MODIFIED" | "DELETED" | "written", SecretObject]
  | readonly ["relist", ReadonlyArray<SecretObject>]

interface Row {
  readonly title: string
  /** The objects of the first list. Default none. */
  readonly listed?: ReadonlyArray<SecretObject>
  readonly steps: ReadonlyArray<Step>
  readonly content: ReadonlyArray<string>
  /** The expected changes after those of the first list. */
  readonly changes: ReadonlyArray<string>
}

const rows: ReadonlyArray<Row> = [
  {
    title: "an object is created, changes and is deleted",
    steps: [
      ["ADDED", object("a", "2", "red")],
      ["ADDED", object("b", "3", "red")],
      ["MODIFIED", object("a", "4", "blue")],
      ["DELETED", object("b", "5", "red")]
    ],
    content: ["a@4 blue"],
    changes: [
      "team/a: nothing -> a@2 red",
      "team/b: nothing -> b@3 red",
      "team/a: a@2 red -> a@4 blue",
      "team/b: b@3 red -> nothing"
    ]
  },
  {
    title: "a value may have several texts of an index, or none",
    steps: [
      ["ADDED", object("a", "2", "red+blue")],
      ["ADDED", object("b", "3", "")],
      ["MODIFIED", object("a", "4", "blue+green")]
    ],
    content: ["a@4 blue+green", "b@3"],
    changes: ["team/a: nothing -> a@2 red+blue", "team/b: nothing -> b@3", "team/a: a@2 red+blue -> a@4 blue+green"]
  },
  {
    title: "a list removes the objects that it lacks, and does not report unchanged objects",
    listed: [object("a", "2", "red"), object("b", "3", "red"), object("c", "4", "red")],
    steps: [["relist", [object("b", "3", "red"), object("c", "9", "blue"), object("d", "8", "blue")]]],
    content: ["b@3 red", "c@9 blue", "d@8 blue"],
    changes: ["team/a: a@2 red -> nothing", "team/c: c@4 red -> c@9 blue", "team/d: nothing -> d@8 blue"]
  },
  {
    title: "a list from a server that was restored from a backup replaces newer versions, and so do later events",
    listed: [object("a", "900", "red")],
    steps: [
      ["relist", [object("a", "300", "blue")]],
      ["MODIFIED", object("a", "301", "green")]
    ],
    content: ["a@301 green"],
    changes: ["team/a: a@900 red -> a@300 blue", "team/a: a@300 blue -> a@301 green"]
  },
  {
    title:
      "the answer to a write is stored before the watch brings it, and earlier versions from the watch do not replace it",
    listed: [object("a", "8", "red")],
    steps: [
      ["written", object("a", "10", "green")],
      ["MODIFIED", object("a", "9", "blue")],
      ["MODIFIED", object("a", "10", "green")],
      ["MODIFIED", object("a", "11", "red")]
    ],
    content: ["a@11 red"],
    changes: ["team/a: a@8 red -> a@10 green", "team/a: a@10 green -> a@11 red"]
  },
  {
    title: "versions are compared as numbers of any length",
    listed: [object("a", "99999999999999999999", "red")],
    steps: [
      ["written", object("a", "100000000000000000000", "green")],
      ["written", object("a", "99999999999999999998", "blue")]
    ],
    content: ["a@100000000000000000000 green"],
    changes: ["team/a: a@99999999999999999999 red -> a@100000000000000000000 green"]
  },
  {
    title: "the answer to a write is ignored if the store has a newer version",
    listed: [object("a", "8", "red")],
    steps: [
      ["MODIFIED", object("a", "10", "blue")],
      ["written", object("a", "9", "green")]
    ],
    content: ["a@10 blue"],
    changes: ["team/a: a@8 red -> a@10 blue"]
  },
  {
    title: "the answer to a write does not restore an object that was deleted meanwhile",
    listed: [object("a", "8", "red")],
    steps: [
      ["DELETED", object("a", "10", "red")],
      ["written", object("a", "9", "green")]
    ],
    content: [],
    changes: ["team/a: a@8 red -> nothing"]
  },
  {
    title: "the answer to a write does not restore an object that a list no longer has",
    listed: [object("a", "8", "red")],
    steps: [
      ["relist", []],
      ["written", object("a", "9", "green")]
    ],
    content: [],
    changes: ["team/a: a@8 red -> nothing"]
  },
  {
    title: "the answer to a write does not replace another object with the same name",
    listed: [object("a", "8", "red", "first")],
    steps: [
      ["DELETED", object("a", "10", "red", "first")],
      ["ADDED", object("a", "11", "blue", "second")],
      ["written", object("a", "9", "green", "first")],
      ["written", object("a", "12", "green", "third")]
    ],
    content: ["a@11 blue"],
    changes: ["team/a: a@8 red -> nothing", "team/a: nothing -> a@11 blue"]
  },
  {
    title: "an object that loses its labels is removed, even if the operator's own write is newer",
    listed: [object("a", "8", "red")],
    steps: [
      ["written", object("a", "10", "green")],
      ["DELETED", object("a", "9", "red")],
      ["written", object("a", "10", "green")]
    ],
    content: [],
    changes: ["team/a: a@8 red -> a@10 green", "team/a: a@10 green -> nothing"]
  },
  {
    title: "the deletion of an object does not remove a newer object with the same name",
    listed: [object("a", "8", "red", "second")],
    steps: [["DELETED", object("a", "7", "red", "first")]],
    content: ["a@8 red"],
    changes: []
  },
  {
    title: "a new object replaces an earlier object with the same name",
    listed: [object("a", "8", "red", "first")],
    steps: [["ADDED", object("a", "9", "blue", "second")]],
    content: ["a@9 blue"],
    changes: ["team/a: a@8 red -> a@9 blue"]
  },
  {
    title: "if versions are not numbers, events apply in the watch's order, and answers to writes are ignored",
    listed: [object("a", "x9", "red")],
    steps: [
      ["written", object("a", "x8", "green")],
      ["MODIFIED", object("a", "x7", "blue")],
      ["written", object("a", "10", "green")]
    ],
    content: ["a@x7 blue"],
    changes: ["team/a: a@x9 red -> a@x7 blue"]
  }
]

const COLOURS = ["red", "green", "blue", "none"] as const

/** Asserts that each index matches its definition for all values. */
const assertIndexed = Effect.fnUntraced(function* (store: TestStore) {
  const values = yield* store.values
  for (const colour of COLOURS) {
    assert.sameMembers(
      (yield* store.by("colour", colour)).map(textOf),
      values.filter(({ colours }) => colours.includes(colour)).map(textOf)
    )
  }
})

describe("a Store", () => {
  for (const { changes, content, listed = [], steps, title } of rows) {
    it.effect(`a Store follows its objects: ${title}`, () => {
      const server = makeServer()
      return Effect.gen(function* () {
        const store = yield* makeStore()
        yield* server.list(listed)
        const seen = yield* follow(store)
        seen.length = 0
        for (const step of steps) {
          if (step[0] === "relist") yield* server.relist(step[1])
          else if (step[0] === "written") yield* store.written(step[1])
          else yield* server.report(step[0], step[1])
          yield* assertIndexed(store)
        }
        assert.deepStrictEqual(yield* contentOf(store), content)
        assert.deepStrictEqual(seen, changes)
        const gone = Option.map(yield* store.get("team/b"), textOf)
        assert.deepStrictEqual(
          Option.getOrUndefined(gone),
          content.find((text) => text.startsWith("b@"))
        )
      }).pipe(Effect.provide(server.layer))
    })
  }

  it.effect("a Store decodes each version of an object once", () => {
    const server = makeServer()
    const decoded: Array<string> = []
    return Effect.gen(function* () {
      const store = yield* makeStore([{}], (object) => {
        decoded.push(`${object.metadata.name}@${object.metadata.resourceVersion}`)
        return decode(object)
      })
      yield* server.list([object("a", "2", "red")])
      yield* store.written(object("a", "3", "blue"))
      yield* server.report("MODIFIED", object("a", "3", "blue"))
      yield* server.relist([object("a", "3", "blue")])
      assert.deepStrictEqual(decoded, ["a@2", "a@3"])
    }).pipe(Effect.provide(server.layer))
  })

  it.effect("a late subscriber of a Store first gets the current values", () => {
    const server = makeServer()
    return Effect.gen(function* () {
      const store = yield* makeStore()
      yield* server.list([object("a", "2", "red"), object("b", "3", "red")])
      const changes = yield* follow(store)
      yield* server.report("MODIFIED", object("a", "4", "blue"))
      assert.deepStrictEqual(changes, [
        "team/a: nothing -> a@2 red",
        "team/b: nothing -> b@3 red",
        "team/a: a@2 red -> a@4 blue"
      ])
    }).pipe(Effect.provide(server.layer))
  })

  it.effect(
    "a slow subscriber of a Store gets one change for several of a key, and none for an object that came and went",
    () => {
      const server = makeServer()
      return Effect.gen(function* () {
        const store = yield* makeStore()
        yield* server.list([object("a", "2", "red"), object("b", "3", "red")])
        const changes: Array<string> = []
        const goOn = yield* Queue.unbounded<void>()
        yield* store.changes.pipe(
          Stream.runForEach(({ after, before, key }) =>
            Effect.andThen(
              Effect.sync(() => changes.push(`${key} ${before?.version ?? "-"} ${after?.version ?? "-"}`)),
              Queue.take(goOn)
            )
          ),
          Effect.forkScoped({ startImmediately: true })
        )
        // While the first change is handled:
        yield* server.report("MODIFIED", object("a", "4", "blue"))
        yield* server.report("MODIFIED", object("a", "5", "green"))
        yield* server.report("ADDED", object("c", "6", "red"))
        yield* server.report("DELETED", object("c", "7", "red"))
        yield* server.report("DELETED", object("b", "8", "red"))
        yield* server.report("ADDED", object("b", "9", "red", "another"))
        yield* Queue.offerAll(goOn, [undefined, undefined, undefined, undefined])
        yield* settle
        assert.deepStrictEqual(changes, ["team/a - 2", "team/b - 3", "team/a 2 5", "team/b 3 9"])
      }).pipe(Effect.provide(server.layer))
    }
  )

  it.effect("a subscriber of a Store never sees a partial list", () => {
    const server = makeServer()
    return Effect.gen(function* () {
      const store = yield* makeStore()
      const sizes: Array<number> = []
      yield* store.changes.pipe(
        Stream.runForEach(() => Effect.map(store.values, (values) => sizes.push(values.length))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* server.list([object("a", "2", "red"), object("b", "3", "red"), object("c", "4", "red")])
      yield* server.relist([object("d", "5", "red")])
      assert.deepStrictEqual(sizes, [3, 3, 3, 1, 1, 1, 1])
    }).pipe(Effect.provide(server.layer))
  })

  it.effect("a Store is synced once each of its scopes has been listed, and not before", () => {
    const server = makeServer()
    return Effect.gen(function* () {
      const store = yield* makeStore([{ namespace: "one" }, { namespace: "two" }])
      let isSynced = false
      yield* Effect.forkScoped(
        Effect.map(store.synced, () => {
          isSynced = true
        })
      )
      yield* server.list([], "one")
      yield* server.relist([], "one")
      assert.isFalse(isSynced)
      yield* server.list([], "two")
      assert.isTrue(isSynced)
    }).pipe(Effect.provide(server.layer))
  })

  it.effect("a Store keeps the objects of a scope when another scope is listed", () => {
    const server = makeServer()
    const inNamespace = (namespace: string, name: string): SecretObject => ({
      metadata: { namespace, name, uid: name, resourceVersion: "2" }
    })
    return Effect.gen(function* () {
      const store = yield* makeStore([{ namespace: "one" }, { namespace: "two", labelSelector: "a=b" }])
      yield* server.list([inNamespace("one", "a"), inNamespace("one", "b")], "one")
      yield* server.list([inNamespace("two", "a")], "two")
      yield* server.relist([inNamespace("one", "b")], "one")
      yield* server.report("ADDED", inNamespace("two", "c"), "two")
      assert.deepStrictEqual(yield* contentOf(store), ["a@2", "b@2", "c@2"])
      assert.isTrue(Option.isNone(yield* store.get("one/a")))
      assert.isTrue(Option.isSome(yield* store.get("two/a")))
    }).pipe(Effect.provide(server.layer))
  })

  it.effect("a Store says that it is forbidden to follow its objects after two refusals, until an event comes", () => {
    const server = makeServer()
    const unreachable = new KubeError({ operation: "test", code: 0, reason: "Unreachable", detail: "no answer" })
    return Effect.gen(function* () {
      const store = yield* makeStore([{ namespace: "one" }, { namespace: "two" }])
      yield* server.list([], "one")
      yield* server.list([], "two")
      yield* server.refuse(unreachable, "one")
      yield* server.refuse(unreachable, "one")
      yield* server.refuse(FORBIDDEN, "one")
      assert.isTrue(Option.isNone(yield* store.forbidden))
      yield* server.refuse(FORBIDDEN, "one")
      yield* server.report("ADDED", object("a", "2", "red"), "two")
      assert.deepStrictEqual(yield* store.forbidden, Option.some("watch secrets: no right (Forbidden)"))
      yield* server.report("ADDED", object("b", "3", "red"), "one")
      assert.isTrue(Option.isNone(yield* store.forbidden))
    }).pipe(Effect.provide(server.layer))
  })

  it.effect("a Store without scopes is empty and synced", () =>
    Effect.gen(function* () {
      const store = yield* makeStore([])
      yield* store.synced
      assert.deepStrictEqual(yield* store.values, [])
    }).pipe(Effect.provide(makeServer().layer))
  )

  for (const { scopes, says } of [
    {
      scopes: [{ namespace: "one" }, { namespace: "one" }],
      says: "two scopes have the namespace one; remove one of them"
    },
    {
      scopes: [
        { namespace: "one", labelSelector: "a=b" },
        { namespace: "one", labelSelector: "a=c" }
      ],
      says: "two scopes have the namespace one; remove one of them"
    },
    {
      scopes: [{}, { namespace: "one" }],
      says: "one scope is all namespaces, which include the other scopes' namespaces; remove the other scopes"
    }
  ]) {
    it.effect(`a Store refuses overlapping scopes: ${JSON.stringify(scopes)}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(makeStore(scopes))
        assert.strictEqual(error.message, `secrets: ${says}`)
      }).pipe(Effect.provide(makeServer().layer))
    )
  }
})

/** The steps of an API server with three names, and the number of its events that the store gets after each step. */
const Command = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("put"),
    name: Schema.Literals(["a", "b", "c"]),
    colour: Schema.Literals(["red", "green", "blue", "red+blue", ""]),
    /** Whether the operator itself made the write. */
    own: Schema.Boolean
  }),
  Schema.Struct({ type: Schema.Literal("delete"), name: Schema.Literals(["a", "b", "c"]) }),
  Schema.Struct({ type: Schema.Literal("deliver"), events: Schema.Literals([1, 2, 5]) }),
  Schema.Struct({ type: Schema.Literal("answer"), which: Schema.Literals([0, 1, 2]) }),
  Schema.Struct({ type: Schema.Literal("relist") })
])

describe("a Store, after anything that an API server may do", () => {
  it.effect.prop(
    "a Store has the keys of its watches, never returns to an earlier version, and ends with the server's content",
    { commands: Schema.Array(Command).check(Schema.isMinLength(30), Schema.isMaxLength(60)) },
    ({ commands }) => {
      const server = makeServer()
      const stored = new Map<string, SecretObject>()
      /** The objects that the list and the watch have brought so far. */
      const delivered = new Map<string, SecretObject>()
      const events: Array<readonly ["ADDED" | "MODIFIED" | "DELETED", SecretObject]> = []
      const answers: Array<SecretObject> = []
      /** By uid, the newest version that the store has shown. */
      const shown = new Map<string, number>()
      let version = 7

      const deliver = Effect.suspend(() => {
        const [type, object] = events.shift() ?? []
        if (type === undefined || object === undefined) return Effect.void
        if (type === "DELETED") delivered.delete(object.metadata.name)
        else delivered.set(object.metadata.name, object)
        return server.report(type, object)
      })

      return Effect.gen(function* () {
        const store = yield* makeStore()
        yield* server.list([])
        const folded = new Map<string, Kept>()
        yield* store.changes.pipe(
          Stream.runForEach(({ after, before, key }) =>
            Effect.sync(() => {
              assert.strictEqual(folded.get(key), before)
              if (after === undefined) folded.delete(key)
              else folded.set(key, after)
            })
          ),
          Effect.forkScoped({ startImmediately: true })
        )

        for (const command of commands) {
          switch (command.type) {
            case "put": {
              version += 1
              const before = stored.get(command.name)
              const uid = before?.metadata.uid ?? `uid-${version}`
              const written = object(command.name, String(version), command.colour, uid)
              stored.set(command.name, written)
              events.push([before === undefined ? "ADDED" : "MODIFIED", written])
              if (command.own) answers.push(written)
              break
            }
            case "delete": {
              const before = stored.get(command.name)
              if (before === undefined) break
              version += 1
              stored.delete(command.name)
              events.push(["DELETED", { ...before, metadata: { ...before.metadata, resourceVersion: `${version}` } }])
              break
            }
            case "deliver":
              for (let count = 0; count < command.events; count++) yield* deliver
              break
            case "answer": {
              const [answer] = answers.splice(command.which, 1)
              if (answer !== undefined) yield* store.written(answer)
              break
            }
            case "relist":
              events.length = 0
              delivered.clear()
              for (const [name, object] of stored) delivered.set(name, object)
              yield* server.relist([...stored.values()])
          }
          const values = yield* store.values
          assert.sameMembers(
            values.map(({ name }) => name),
            [...delivered.keys()]
          )
          for (const { name, version } of values) {
            const { resourceVersion, uid = "" } = delivered.get(name)?.metadata ?? {}
            assert.isAtLeast(Number(version), Math.max(Number(resourceVersion), shown.get(uid) ?? 0))
            shown.set(uid, Number(version))
          }
          assert.sameMembers([...folded.values()], [...values])
          yield* assertIndexed(store)
        }

        while (events.length > 0) yield* deliver
        for (const answer of answers) yield* store.written(answer)
        assert.deepStrictEqual(
          yield* contentOf(store),
          [...stored.values()].map((object) => textOf(decode(object))).sort()
        )
        yield* assertIndexed(store)
      }).pipe(Effect.provide(server.layer))
    },
    { arbitrary: { runs: 150 }, timeout: 60_000 }
  )
})
