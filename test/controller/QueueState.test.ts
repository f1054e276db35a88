/** The order of keys, compared with a plain list over random sequences of actions. */
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { type Priority, QueueState } from "../../src/controller/QueueState.ts"
import { seededRandom } from "../support/seededRandom.ts"

const take = (state: QueueState<string>): string | undefined => Option.getOrUndefined(state.take())

describe("the state of the work queue", () => {
  it("the queue gives keys of the higher priority first, and keys of the same priority in their order", () => {
    const state = new QueueState<string>(10)
    state.add("resync-1", "Low")
    state.add("resync-2", "Low")
    state.add("change-1", "High")
    state.add("change-2", "High")
    assert.deepStrictEqual(
      [take(state), take(state), take(state), take(state), take(state)],
      ["change-1", "change-2", "resync-1", "resync-2", undefined]
    )
  })

  it("a key that is added twice keeps its highest priority, and its position among the keys of that priority", () => {
    const state = new QueueState<string>(10)
    state.add("a", "Low")
    state.add("b", "Low")
    state.add("b", "High")
    state.add("c", "High")
    state.add("b", "Low")
    state.add("a", "Low")
    assert.strictEqual(state.depth, 3)
    assert.deepStrictEqual([take(state), take(state), take(state), take(state)], ["b", "c", "a", undefined])
  })

  it("the queue gives no key that is worked on; a key that is added meanwhile waits again, with the highest new priority", () => {
    const state = new QueueState<string>(10)
    state.add("a", "High")
    take(state)
    state.add("a", "Low")
    state.add("a", "High")
    state.add("b", "Low")
    assert.strictEqual(state.depth, 2)
    assert.strictEqual(take(state), "b")
    assert.isUndefined(take(state))
    state.add("c", "Low")
    state.done("a")
    assert.deepStrictEqual([take(state), take(state), take(state)], ["a", "c", undefined])
  })

  it("the queue gives no more keys than may be worked on at once", () => {
    const state = new QueueState<string>(2)
    for (const key of ["a", "b", "c"]) state.add(key, "Low")
    assert.deepStrictEqual([take(state), take(state), take(state)], ["a", "b", undefined])
    state.done("b")
    assert.strictEqual(take(state), "c")
  })

  it("a key that is due is worked on in the end, however many changes users make", () => {
    const state = new QueueState<string>(1)
    state.add("due", "Low")
    const worked: Array<string> = []
    for (let i = 0; i < 10; i++) {
      for (const half of ["a", "b"]) state.add(`change-${i}-${half}`, "High")
      const key = take(state) ?? ""
      worked.push(key)
      state.done(key)
    }
    assert.strictEqual(worked.indexOf("due"), 3)
  })

  it("keys are taken from namespaces in rotation, and there from hosts in rotation", () => {
    const state = new QueueState<string>(20)
    for (const key of ["a1", "a2", "a3"]) state.add(key, "Low", { namespace: "a", host: "x.test" })
    state.add("a4", "Low", { namespace: "a", host: "y.test" })
    for (const key of ["b1", "b2"]) state.add(key, "Low", { namespace: "b", host: "x.test" })
    const taken = Array.from({ length: 7 }, () => take(state))
    assert.deepStrictEqual(taken, ["a1", "b1", "a4", "b2", "a2", "a3", undefined])
  })

  it("the keys of one host have at most half of the workers, whatever their priority", () => {
    const state = new QueueState<string>(4)
    const slow = { namespace: "a", host: "slow.test" }
    for (const key of ["s1", "s2", "s3"]) state.add(key, "High", slow)
    for (const key of ["o1", "o2", "o3"]) state.add(key, "Low")
    assert.deepStrictEqual([take(state), take(state), take(state), take(state)], ["s1", "s2", "o1", "o2"])
    state.done("o1")
    assert.strictEqual(take(state), "o3")
    state.done("o2")
    assert.isUndefined(take(state))
    state.done("s2")
    assert.strictEqual(take(state), "s3")
  })

  it("the keys of one namespace leave a tenth of the workers to other namespaces, however many hosts they have", () => {
    const state = new QueueState<string>(10)
    for (let index = 0; index < 12; index++) {
      state.add(`a${index}`, "High", { namespace: "a", host: `slow-${index}.test` })
    }
    const taken = Array.from({ length: 10 }, () => take(state))
    assert.deepStrictEqual(taken.slice(-2), ["a8", undefined])
    state.add("b", "Low", { namespace: "b", host: "fast.test" })
    assert.strictEqual(take(state), "b")
    state.done("b")
    assert.isUndefined(take(state))
    state.done("a0")
    assert.strictEqual(take(state), "a9")
  })

  it("one worker works on the keys of any host", () => {
    const state = new QueueState<string>(1)
    state.add("a", "Low", { namespace: "a", host: "x.test" })
    assert.strictEqual(take(state), "a")
  })

  it("the queue is idle while no key waits and no key is worked on", () => {
    const state = new QueueState<string>(2)
    assert.isTrue(state.isIdle)
    state.add("a", "Low")
    assert.isFalse(state.isIdle)
    take(state)
    assert.isFalse(state.isIdle)
    state.add("a", "Low")
    state.done("a")
    assert.isFalse(state.isIdle)
    take(state)
    state.done("a")
    assert.isTrue(state.isIdle)
  })

  it("the queue ignores the end of a key that is not worked on", () => {
    const state = new QueueState<string>(2)
    state.add("a", "Low")
    state.done("a")
    assert.strictEqual(take(state), "a")
  })

  for (let seed = 1; seed <= 200; seed++) {
    it(`the queue does the same as a plain list: seed ${seed}`, () => {
      const random = seededRandom(seed)
      const concurrency = 1 + random.below(4)
      const keys = Array.from({ length: 1 + random.below(12) }, (_, index) => `key-${index}`)
      const state = new QueueState<string>(concurrency)
      let waiting: ReadonlyArray<{ readonly key: string; readonly priority: Priority }> = []
      let working: ReadonlyArray<{ readonly key: string; readonly again?: Priority }> = []

      let highInARow = 0

      const add = (key: string, priority: Priority): void => {
        if (working.some((work) => work.key === key)) {
          working = working.map((work) =>
            work.key === key ? { key, again: work.again === "High" ? "High" : priority } : work
          )
          return
        }
        const known = waiting.find((entry) => entry.key === key)
        if (known !== undefined && (known.priority === priority || priority === "Low")) return
        waiting = [...waiting.filter((entry) => entry.key !== key), { key, priority }]
      }
      const expectedNext = (): string | undefined => {
        if (working.length >= concurrency) return undefined
        const [high, low] = (["High", "Low"] as const).map((one) => waiting.find(({ priority }) => priority === one))
        const next = highInARow < 3 ? (high ?? low) : (low ?? high)
        if (next === undefined) return undefined
        waiting = waiting.filter((entry) => entry !== next)
        highInARow = next === high && low !== undefined ? highInARow + 1 : 0
        working = [...working, { key: next.key }]
        return next.key
      }
      const done = (key: string): void => {
        const again = working.find((work) => work.key === key)?.again
        working = working.filter((work) => work.key !== key)
        if (again !== undefined) add(key, again)
      }

      for (let action = 0; action < 300; action++) {
        const choice = random.below(3)
        if (choice === 0) {
          const [key, priority] = [random.pick(keys) ?? "", random.chance(0.5) ? "High" : "Low"] as const
          state.add(key, priority)
          add(key, priority)
        } else if (choice === 1) {
          assert.strictEqual(take(state), expectedNext())
        } else {
          const key = random.pick(working)?.key
          if (key !== undefined) {
            state.done(key)
            done(key)
          }
        }
        const again = working.filter((work) => work.again !== undefined).length
        assert.strictEqual(state.depth, waiting.length + again)
        assert.strictEqual(state.isIdle, waiting.length + working.length === 0)
        assert.sameMembers(
          [...state.working.keys()],
          working.map(({ key }) => key)
        )
      }
    })
  }
})
