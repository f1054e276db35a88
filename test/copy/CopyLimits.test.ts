import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { CopyLimits, type CopyLimitsOptions } from "../../src/copy/CopyLimits.ts"
import type { CopyTask } from "../../src/domain/Copy.ts"
import { endpoint } from "../support/endpoints.ts"

const taskOf = (source: string, destination: string, namespace = "team"): CopyTask => ({
  image: { namespace, name: "app", uid: `${namespace}-uid` },
  generation: 1,
  source: endpoint(source, "app"),
  platforms: [],
  destinationDigest: `sha256:${"a".repeat(64)}`,
  referrers: false,
  digest: `sha256:${"0".repeat(64)}`,
  destination: endpoint(destination, "app"),
  tag: "v1",
  onlyIfMissing: false
})

/** Starts copies that last until they are told to end, and shows which run. */
const world = Effect.gen(function* () {
  const limits = yield* CopyLimits
  const running: Array<string> = []
  const start = Effect.fnUntraced(function* (name: string, task: CopyTask) {
    const end = yield* Deferred.make<void>()
    const copy = Effect.ensuring(
      Effect.andThen(
        Effect.sync(() => void running.push(name)),
        Deferred.await(end)
      ),
      Effect.sync(() => void running.splice(running.indexOf(name), 1))
    )
    const fiber = yield* Effect.forkChild(limits.withRoom(task)(copy), { startImmediately: true })
    return {
      end: Effect.andThen(Deferred.succeed(end, undefined), Fiber.await(fiber)),
      interrupt: Fiber.interrupt(fiber)
    }
  })
  /** After everything that can go on has gone on. */
  const settled = Effect.as(
    Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true }),
    running
  )
  return { limits, settled, start }
})

const withLimits = (options: CopyLimitsOptions) => Effect.provide(CopyLimits.layer(options))

describe("CopyLimits", () => {
  it.effect("lets ten copies run at once by default, four to a registry", () =>
    Effect.gen(function* () {
      const { limits, settled, start } = yield* world
      for (let n = 0; n < 6; n++) yield* start(`same ${n}`, taskOf(`source${n}.test`, "dest.test"))
      assert.lengthOf(yield* settled, 4)
      for (let n = 0; n < 20; n++) yield* start(`other ${n}`, taskOf(`s${n}.test`, `d${n}.test`))
      assert.lengthOf(yield* settled, 10)
      assert.lengthOf(
        (yield* settled).filter((name) => name.startsWith("same")),
        4
      )
      assert.include(limits.reason, "10")
      assert.include(limits.reason, "4 per registry")
    }).pipe(withLimits({}))
  )

  it.effect("counts a registry as source and as destination alike", () =>
    Effect.gen(function* () {
      const { settled, start } = yield* world
      yield* start("reads", taskOf("hub.test", "a.test"))
      yield* start("writes", taskOf("b.test", "hub.test"))
      yield* start("waits", taskOf("hub.test", "c.test"))
      assert.deepStrictEqual(yield* settled, ["reads", "writes"])
    }).pipe(withLimits({ perRegistry: 2 }))
  )

  it.effect("needs one place for a copy within a registry", () =>
    Effect.gen(function* () {
      const { settled, start } = yield* world
      yield* start("within", taskOf("hub.test", "hub.test"))
      assert.deepStrictEqual(yield* settled, ["within"])
    }).pipe(withLimits({ perRegistry: 1 }))
  )

  it.effect("lets the next copy run when one ends or is interrupted", () =>
    Effect.gen(function* () {
      const { settled, start } = yield* world
      const one = yield* start("one", taskOf("s.test", "d.test"))
      const two = yield* start("two", taskOf("s.test", "d.test"))
      const three = yield* start("three", taskOf("s.test", "d.test"))
      yield* start("four", taskOf("s.test", "d.test"))
      assert.deepStrictEqual(yield* settled, ["one"])
      yield* one.end
      assert.deepStrictEqual(yield* settled, ["two"])
      // One that waits takes no place when it goes; one that runs gives its own back.
      yield* three.interrupt
      yield* two.interrupt
      assert.deepStrictEqual(yield* settled, ["four"])
    }).pipe(withLimits({ perRegistry: 1 }))
  )

  it.effect("does not let copies in opposite directions wait for each other", () =>
    Effect.gen(function* () {
      const { settled, start } = yield* world
      const a = yield* start("holds a", taskOf("a.test", "x.test"))
      const b = yield* start("holds b", taskOf("b.test", "y.test"))
      const there = yield* start("there", taskOf("a.test", "b.test"))
      yield* start("back", taskOf("b.test", "a.test"))
      yield* a.end
      yield* b.end
      assert.deepStrictEqual(yield* settled, ["there"])
      yield* there.end
      assert.deepStrictEqual(yield* settled, ["back"])
    }).pipe(withLimits({ perRegistry: 1 }))
  )

  it.effect("keeps no place of all for a copy that waits for its registry", () =>
    Effect.gen(function* () {
      const { settled, start } = yield* world
      for (const name of ["busy", "waits", "waits too"]) yield* start(name, taskOf("slow.test", "d.test"))
      yield* start("free", taskOf("fast.test", "e.test"))
      assert.deepStrictEqual(yield* settled, ["busy", "free"])
    }).pipe(withLimits({ total: 2, perRegistry: 1 }))
  )

  it.effect("takes namespaces in turn: a long queue of one does not hold up another", () =>
    Effect.gen(function* () {
      const { settled, start } = yield* world
      const first = yield* start("greedy 0", taskOf("s0.test", "d0.test", "greedy"))
      const second = yield* start("greedy 1", taskOf("s1.test", "d1.test", "greedy"))
      for (let n = 2; n < 6; n++) yield* start(`greedy ${n}`, taskOf(`s${n}.test`, `d${n}.test`, "greedy"))
      yield* start("modest", taskOf("s9.test", "d9.test", "modest"))
      yield* first.end
      assert.deepStrictEqual(yield* settled, ["greedy 1"])
      yield* second.end
      assert.deepStrictEqual(yield* settled, ["modest"])
    }).pipe(withLimits({ total: 1 }))
  )
})
