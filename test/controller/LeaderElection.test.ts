/** Leader election: which candidate leads, and from when. All candidates use one API server. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Context, Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { ControllerStopped } from "../../src/controller/Controller.ts"
import { LeaderElection } from "../../src/controller/LeaderElection.ts"
import { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Leases } from "../../src/kube/Resources.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { idleWork, LEASE, leaseText, makeElectionWorld, type Passage, type Reign } from "../support/electionWorld.ts"

/** Moves time in steps that are shorter than every tolerance of a test. */
const pass = (seconds: number) => Effect.repeat(TestClock.adjust("50 millis"), { times: seconds * 20 - 1 })

const silence = (): Passage => ({ there: 0, back: 0, lost: "request" })
const refusal = (): Passage => ({ there: 0, back: 0, fails: true })
const atOnce = (): Passage => ({ there: 0, back: 0 })

const lastOf = (reigns: ReadonlyArray<Reign>): Reign => {
  const last = reigns.at(-1)
  assert(last !== undefined)
  return last
}

describe("a candidate", () => {
  it.effect("a candidate leads at once if no process has led before, and the Lease and the metrics show it", () =>
    Effect.gen(function* () {
      const world = makeElectionWorld()
      const one = yield* world.start("one")
      yield* pass(1)
      assert.deepStrictEqual(world.acting(), ["one"])
      assert.strictEqual(leaseText(world.store), "one 0")
      assert.include(yield* one.exposition, 'leader_election_master_status{name="release.skopeo.io"} 1')
      const two = yield* world.start("two")
      yield* pass(120)
      assert.deepStrictEqual(world.acting(), ["one"])
      assert.include(yield* two.exposition, 'leader_election_master_status{name="release.skopeo.io"} 0')
      assert.deepStrictEqual(world.logs, ["one: this process leads", "two: another process leads"])
      yield* one.stop
      yield* two.stop
    })
  )

  it.effect("another candidate leads within 4.4 seconds after a leader is stopped", () =>
    Effect.gen(function* () {
      const world = makeElectionWorld()
      const one = yield* world.start("one")
      yield* world.start("two", { skew: 3_600_000 })
      yield* world.start("three", { skew: -3_600_000 })
      yield* pass(61)
      one.stopTakes = () => 300
      const stopped = yield* Clock.currentTimeMillis
      const stopping = yield* Effect.forkChild(one.stop)
      yield* pass(5)
      yield* Fiber.join(stopping)
      const { from, identity } = lastOf(world.reigns)
      assert.include(["two", "three"], identity)
      assert.isAtMost(from - stopped, 4_400)
      assert.isAtLeast(
        from,
        world.reigns[0]?.to ?? Infinity,
        "a candidate leads only after the work of the previous leader has stopped"
      )
      assert.strictEqual(leaseText(world.store), `${identity} 1`)
    })
  )

  it.effect(
    "another candidate leads within 19.4 seconds after a leader is killed, and not before the lease expires",
    () =>
      Effect.gen(function* () {
        const world = makeElectionWorld()
        const one = yield* world.start("one")
        yield* world.start("two", { skew: 3_600_000 })
        yield* world.start("three", { skew: -3_600_000 })
        yield* pass(61)
        const killed = yield* Clock.currentTimeMillis
        yield* one.kill
        yield* pass(20)
        const { from, identity } = lastOf(world.reigns)
        assert.include(["two", "three"], identity)
        assert.isAtMost(from - killed, 19_400)
        assert.isAtLeast(from - killed, 12_600)
      })
  )

  it.effect("a restarted process of the killed leader's pod waits until the lease expires", () =>
    Effect.gen(function* () {
      const world = makeElectionWorld()
      const one = yield* world.start("pod_first")
      yield* pass(10)
      yield* one.kill
      yield* world.start("pod_second")
      yield* pass(10)
      assert.deepStrictEqual(world.acting(), [])
      yield* pass(10)
      assert.deepStrictEqual(world.acting(), ["pod_second"])
    })
  )

  it.effect("a candidate that stops and does not lead keeps the holder in the Lease", () =>
    Effect.gen(function* () {
      const world = makeElectionWorld()
      yield* world.start("one")
      const two = yield* world.start("two")
      yield* pass(10)
      yield* two.stop
      assert.strictEqual(leaseText(world.store), "one 0")
      assert.deepStrictEqual(world.acting(), ["one"])
    })
  )
})

describe("a leader", () => {
  for (const [how, passage] of [
    ["is silent", silence],
    ["refuses connections", refusal]
  ] as const) {
    it.effect(
      `a leader stops leading within 10 seconds while the API server ${how}, and the process does not exit`,
      () =>
        Effect.gen(function* () {
          const world = makeElectionWorld()
          const candidates = [yield* world.start("one"), yield* world.start("two")]
          yield* pass(30)
          const away = yield* Clock.currentTimeMillis
          for (const candidate of candidates) candidate.passage = passage
          yield* pass(600)
          assert.deepStrictEqual(world.acting(), [])
          assert.isAtMost((world.reigns[0]?.to ?? Infinity) - away, 10_000)
          assert.lengthOf(world.reigns, 1)
          const back = yield* Clock.currentTimeMillis
          for (const candidate of candidates) candidate.passage = atOnce
          yield* pass(25)
          assert.lengthOf(world.acting(), 1)
          // The time limit of a request is 5 seconds.
          assert.isAtMost(lastOf(world.reigns).from - back, 5_000 + 2_400)
          assert.isFalse(candidates.some(({ hasExited }) => hasExited()))
          // A repeated error is logged once a minute.
          assert.isAtMost(world.logs.filter((line) => line === "two: lease not read or written").length, 11)
        })
    )
  }

  it.effect(
    "a leader whose last answer comes late and whose work stops late has stopped before another candidate leads",
    () =>
      Effect.gen(function* () {
        const world = makeElectionWorld()
        const one = yield* world.start("one")
        yield* world.start("two")
        yield* pass(30)
        one.stopTakes = () => 4_900
        let requests = 0
        // One more renewal arrives at once, and its answer comes just within the time limit.
        one.passage = () => (requests++ === 0 ? { there: 0, back: 4_900 } : silence())
        yield* pass(30)
        assert.deepStrictEqual(world.acting(), ["two"])
        assert.isAtLeast(lastOf(world.reigns).from, world.reigns[0]?.to ?? Infinity)
      })
  )

  it.effect(
    "a leader continues to lead if it reads its own name in the Lease after the answer to a renewal is lost",
    () =>
      Effect.gen(function* () {
        const world = makeElectionWorld()
        const one = yield* world.start("one")
        yield* pass(10)
        let requests = 0
        one.passage = () => ({ there: 0, back: 0, ...(requests++ % 4 === 0 ? { lost: "answer" as const } : {}) })
        yield* pass(300)
        assert.lengthOf(world.reigns, 1)
        assert.deepStrictEqual(world.acting(), ["one"])
      })
  )

  it.effect("a leader continues to lead after another client annotates the Lease, and keeps the annotations", () =>
    Effect.gen(function* () {
      const world = makeElectionWorld()
      yield* world.start("one")
      yield* pass(10)
      world.store.apply(Leases, { metadata: { ...LEASE, annotations: { by: "another" } } }, 0)
      yield* pass(30)
      assert.lengthOf(world.reigns, 1)
      assert.deepStrictEqual(world.store.get(Leases, LEASE)?.metadata["annotations"], { by: "another" })
    })
  )

  it.effect("a leader whose Lease is deleted continues to lead, and no other candidate leads", () =>
    Effect.gen(function* () {
      const world = makeElectionWorld()
      yield* world.start("one")
      yield* world.start("two")
      yield* pass(10)
      for (let times = 0; times < 20; times++) {
        world.store.delete(Leases, LEASE, 0)
        yield* pass(5.35)
      }
      yield* pass(5)
      assert.deepStrictEqual(world.acting(), ["one"])
      assert.lengthOf(world.reigns, 1)
      assert.strictEqual(leaseText(world.store), "one 0")
    })
  )

  it.effect("a leader stops its work at the next renewal if the Lease has another holder", () =>
    Effect.gen(function* () {
      const world = makeElectionWorld()
      yield* world.start("one")
      yield* pass(10)
      const taken = yield* Clock.currentTimeMillis
      world.store.apply(Leases, { metadata: LEASE, spec: { holderIdentity: "stranger" } }, 0)
      yield* pass(10)
      assert.deepStrictEqual(world.acting(), [])
      assert.isAtMost((world.reigns[0]?.to ?? Infinity) - taken, 2_400)
      assert.deepStrictEqual(world.logs.slice(1), ["one: this process no longer leads", "one: another process leads"])
      // The other holder never renews the Lease.
      yield* pass(10)
      assert.deepStrictEqual(world.acting(), ["one"])
    })
  )

  it.effect("a leader whose work does not stop within 5 seconds exits before another candidate leads", () =>
    Effect.gen(function* () {
      const world = makeElectionWorld()
      const one = yield* world.start("one")
      yield* world.start("two")
      yield* pass(30)
      one.stopTakes = () => Infinity
      one.passage = silence
      yield* pass(25)
      assert.isTrue(one.hasExited())
      assert.deepStrictEqual(world.acting(), ["two"])
      assert.isAtLeast(lastOf(world.reigns).from, world.reigns[0]?.to ?? Infinity)
      assert.include(world.logs, "one: the leader's work has not stopped in time; the process exits")
    })
  )

  it.effect("a stopped leader whose work does not stop exits and does not release the Lease", () =>
    Effect.gen(function* () {
      const world = makeElectionWorld()
      const one = yield* world.start("one")
      yield* pass(30)
      one.stopTakes = () => Infinity
      yield* Effect.forkChild(one.stop)
      yield* pass(5.1)
      assert.isTrue(one.hasExited())
      assert.strictEqual(world.holder(), "one")
    })
  )

  it.effect("a leader that is stopped while the API server is silent ends within 5 seconds", () =>
    Effect.gen(function* () {
      const world = makeElectionWorld()
      const one = yield* world.start("one")
      yield* pass(30)
      one.passage = silence
      const stopping = yield* Effect.forkChild(one.stop)
      yield* pass(5.1)
      assert.isTrue(Option.isSome(Option.fromUndefinedOr(stopping.pollUnsafe())))
      assert.deepStrictEqual(world.acting(), [])
    })
  )
})

describe("the leader's work", () => {
  it.effect("a leader reports why no copy can be started, and a candidate reports nothing", () =>
    Effect.gen(function* () {
      const world = makeElectionWorld()
      const one = yield* world.start("one")
      yield* pass(1)
      const two = yield* world.start("two")
      assert.deepStrictEqual(yield* one.unavailable, Option.some("this engine is idle"))
      assert.deepStrictEqual(yield* two.unavailable, Option.none())
      one.passage = silence
      yield* pass(15)
      assert.deepStrictEqual(yield* one.unavailable, Option.none())
      yield* pass(5)
      assert.deepStrictEqual(yield* two.unavailable, Option.some("this engine is idle"))
      yield* one.kill
    })
  )

  for (const [what, work, message] of [
    [
      "cannot be built",
      Layer.provideMerge(idleWork(Effect.never), Layer.effectDiscard(Effect.die(new Error("not built")))),
      "not built"
    ],
    ["has a controller that stops", idleWork(Effect.fail(new ControllerStopped({ detail: "no watch" }))), "no watch"]
  ] as const) {
    it.effect(`the election fails and releases the Lease if the leader's work ${what}`, () =>
      Effect.gen(function* () {
        const store = new ApiServerStore()
        const options = { lease: LEASE, identity: "one", exit: Effect.never }
        const { lead, running } = Context.get(
          yield* Layer.build(
            LeaderElection.layer(work, options).pipe(
              Layer.provide(Layer.merge(KubeClientMemory.layer({ store }), Metrics.layerNoop))
            )
          ),
          LeaderElection
        )
        const fiber = yield* Effect.forkChild(Effect.all([Effect.exit(lead), Effect.exit(running)]))
        yield* pass(1)
        for (const exit of yield* Fiber.join(fiber)) {
          assert(exit._tag === "Failure")
          assert.include(Cause.pretty(exit.cause), message)
        }
        assert.strictEqual(leaseText(store), " 0")
      })
    )
  }

  it.effect("the work runs without a Lease if there is no election", () =>
    Effect.gen(function* () {
      const done: Array<string> = []
      const work = Layer.provideMerge(
        idleWork(Effect.never),
        Layer.effectDiscard(
          Effect.acquireRelease(
            Effect.sync(() => void done.push("begun")),
            () => Effect.sync(() => void done.push("ended"))
          )
        )
      )
      const fiber = yield* Effect.flatMap(LeaderElection, ({ lead }) => lead).pipe(
        Effect.provide(LeaderElection.layerAlone(work)),
        Effect.forkChild({ startImmediately: true })
      )
      yield* pass(60)
      assert.deepStrictEqual(done, ["begun"])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(done, ["begun", "ended"])
    })
  )
})
