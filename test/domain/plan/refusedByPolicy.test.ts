/** Decisions about Images that the policy does not accept. */
import { assert, describe, it } from "@effect/vitest"
import { decide } from "../../../src/domain/plan/decide.ts"
import { nextCheck } from "../../../src/domain/plan/schedule.ts"
import {
  A,
  B,
  conditionsIn,
  copyOf,
  EXACT,
  failureOf,
  imageOf,
  mirrorOf,
  nextIn,
  NOW,
  PATTERN,
  READY,
  RECURRENT,
  RUNNING,
  SUCCEEDED
} from "./fixtures.ts"

const REFUSED = ["Ready=False PolicyRefused", "Stalled=True PolicyRefused"]

const refusedOf = (image = imageOf(EXACT), copies = [copyOf("1.27", A, RUNNING)]) =>
  decide(image, { _tag: "Refused", mirror: mirrorOf(image), copies, message: "no rule accepts this" }, NOW)

describe("an Image that the policy does not accept", () => {
  it("a refused Image is Stalled with the message, its copies are cancelled, and no time causes the next decision", () => {
    const { cancel, next, observed, start, status } = refusedOf()
    assert.deepStrictEqual(conditionsIn(status), REFUSED)
    assert.deepStrictEqual(
      status.conditions?.map(({ message }) => message),
      ["no rule accepts this", "no rule accepts this"]
    )
    assert.deepStrictEqual([cancel.length, start.length, nextIn(next)], [1, 0, "Never Stalled"])
    assert.strictEqual(status.observedGeneration, 1)
    assert.isUndefined(observed)
  })

  it("an ended copy of a refused Image is recorded and released, and earlier failures are dropped", () => {
    const status = { ...READY, failures: [failureOf("1.27")] }
    const copies = [copyOf("1.27", A, SUCCEEDED)]
    const decision = refusedOf(imageOf({ ...EXACT, status }), copies)
    assert.deepStrictEqual(decision.release, copies)
    assert.strictEqual(decision.status.history?.[0]?.tag, "1.27")
    assert.isUndefined(decision.status.failures)
  })

  it("the same refusal gives the same status", () => {
    const { status } = refusedOf(imageOf(EXACT), [])
    assert.deepStrictEqual(refusedOf(imageOf({ ...EXACT, status }), []).status, status)
  })

  for (const spec of [EXACT, RECURRENT, PATTERN]) {
    it(`an Image that was refused is checked at once when it is accepted, also if it was copied before: ${spec.mode} ${spec.version}`, () => {
      const { status } = refusedOf(imageOf({ ...spec, status: READY }), [])
      const image = imageOf({ ...spec, status })
      const facts = { now: NOW, image, mirror: mirrorOf(image), remembered: false, underWay: new Set<string>() }
      assert.deepStrictEqual(nextCheck(facts), { _tag: "At", millis: NOW, why: "Changed" })
    })
  }

  it("a refused Image that is suspended keeps its status, and its copies are cancelled", () => {
    const image = imageOf({ ...EXACT, suspend: true, status: READY })
    const { cancel, next, status } = refusedOf(image, [copyOf("1.27", A, RUNNING), copyOf("1.28", B, RUNNING)])
    assert.deepStrictEqual(status, READY)
    assert.deepStrictEqual([cancel.length, nextIn(next)], [2, "Never Suspended"])
  })
})
