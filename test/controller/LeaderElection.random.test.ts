/** Leader election with random faults: networks fail, clocks differ, and processes end. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { type Candidate, makeElectionWorld, type Passage } from "../support/electionWorld.ts"
import { seededRandom } from "../support/seededRandom.ts"

const SEEDS = Array.from({ length: 15 }, (_, n) => n + 1)
const TROUBLE_SECONDS = 180

/** The longest delay of a request on its way, and of an answer, in milliseconds. */
const SLOWEST = 8_000

/**
 * The longest time without a leader after the last fault: a late write of the Lease, its lease of 15 s, a pause, a request that
 * times out, and the time to stop the work.
 */
const ONE_LEADS_AFTER = SLOWEST + 15_000 + 2_400 + 5_000 + 5_000

const HOUR = 3_600_000

const run = (seed: number) =>
  Effect.gen(function* () {
    const random = seededRandom(seed)
    const world = makeElectionWorld()
    let isCalm = false
    /** By candidate: the second until which its requests are lost. */
    const cutOff = new Map<number, number>()
    /** The second until which the API server answers no candidate. */
    let away = 0
    let second = 0

    const passage = (slot: number) => (): Passage => {
      if (isCalm) return { there: random.below(50), back: random.below(50) }
      if (second < Math.max(away, cutOff.get(slot) ?? 0)) {
        return random.chance(0.5) ? { there: 0, back: 0, fails: true } : { there: 0, back: 0, lost: "request" }
      }
      const delay = (chance: number) => (random.chance(chance) ? random.below(SLOWEST) : random.below(100))
      const lost = random.chance(0.1) ? { lost: random.chance(0.5) ? ("answer" as const) : ("request" as const) } : {}
      return { there: delay(0.15), back: delay(0.4), fails: random.chance(0.1), ...lost }
    }
    let started = 0
    const start = (slot: number) =>
      Effect.gen(function* () {
        started += 1
        const candidate = yield* world.start(`pod-${slot}_${started}`, {
          skew: random.below(2 * HOUR) - HOUR,
          passage: passage(slot),
          seed
        })
        // The work stops at once, just within its time limit, or never.
        candidate.stopTakes = () =>
          random.chance(0.4) ? 0 : random.chance(0.95) ? 4_900 - random.below(500) : Infinity
        return candidate
      })
    const candidates: Array<Candidate> = []
    for (let slot = 0; slot < 2 + random.below(2); slot++) candidates.push(yield* start(slot))

    const say = (message: string) => `${message} (seed ${seed}, second ${second}, ${JSON.stringify(world.reigns)})`
    /** Moves time by a second, and checks every 100 ms that at most one candidate leads. */
    const passSecond = Effect.gen(function* () {
      for (let part = 0; part < 10; part++) {
        yield* TestClock.adjust("100 millis")
        assert.isAtMost(world.acting().length, 1, say("two act as the leader"))
      }
      second += 1
      for (const [slot, candidate] of candidates.entries()) {
        if (candidate.hasExited()) candidates[slot] = yield* start(slot)
      }
    })

    for (let passed = 0; passed < TROUBLE_SECONDS; passed++) {
      if (random.chance(0.03)) away = second + random.below(40)
      for (const [slot, candidate] of candidates.entries()) {
        if (random.chance(0.03)) cutOff.set(slot, second + random.below(40))
        if (random.chance(0.02)) {
          yield* random.chance(0.5) ? candidate.kill : Effect.forkChild(candidate.stop)
          candidates[slot] = yield* start(slot)
        }
      }
      yield* passSecond
    }

    isCalm = true
    for (let passed = 0; passed < ONE_LEADS_AFTER; passed += 1_000) yield* passSecond
    assert.lengthOf(world.acting(), 1, say("no candidate leads"))
    const reigns = world.reigns.length
    for (let passed = 0; passed < 60; passed++) yield* passSecond
    assert.lengthOf(world.reigns, reigns, say("the lead changes without a cause"))

    // No two reigns overlap, not even for a millisecond.
    const inOrder = world.reigns.toSorted((a, b) => a.from - b.from)
    for (const [index, { from }] of inOrder.entries()) {
      if (index > 0) assert.isAtLeast(from, inOrder[index - 1]?.to ?? Infinity, say("two reigns overlap"))
    }
    for (const candidate of candidates) yield* candidate.kill
    yield* TestClock.adjust("1 minute")
    return world.reigns.length
  })

describe("candidates with random faults", () => {
  it.effect(
    "at most one candidate leads at any time, and one leads once the API server answers",
    () =>
      Effect.gen(function* () {
        let reigns = 0
        for (const seed of SEEDS) reigns += yield* Effect.scoped(run(seed))
        // The faults must have changed the leader often, or the test shows nothing.
        assert.isAtLeast(reigns, SEEDS.length * 3)
      }),
    120_000
  )
})
