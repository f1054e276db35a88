/** Decisions about tags that an older Image claims. */
import { assert, describe, it } from "@effect/vitest"
import { decide } from "../../../src/domain/plan/decide.ts"
import type { Claims } from "../../../src/domain/plan/facts.ts"
import { isCheckDue, nextCheck } from "../../../src/domain/plan/schedule.ts"
import {
  A,
  B,
  blockedOf,
  conditionsIn,
  copyOf,
  decisionOf,
  EXACT,
  existing,
  failed,
  failureOf,
  HOUR,
  imageOf,
  mirrorOf,
  nextIn,
  NOW,
  observedOf,
  observedTag,
  PATTERN,
  READY,
  RECURRENT_PATTERN,
  RUNNING,
  situationOf,
  startedIn,
  SUCCEEDED
} from "./fixtures.ts"

const claimsOn = (...tags: ReadonlyArray<string>): Claims =>
  new Map(tags.map((tag) => [tag, { namespace: "team-b", name: "other" }]))

describe("an Image whose only tag is claimed", () => {
  const claimedOf = (image = imageOf(EXACT), copies = [copyOf("1.27", A, RUNNING)]) =>
    decide(image, { _tag: "Claimed", mirror: mirrorOf(image), copies, claims: claimsOn("1.27") }, NOW)

  it("its copy is cancelled, the Image is Stalled, and no time causes the next decision", () => {
    const { cancel, next, observed, start, status } = claimedOf()
    assert.deepStrictEqual(conditionsIn(status), ["Ready=False DestinationClaimed", "Stalled=True DestinationClaimed"])
    assert.deepStrictEqual([cancel.length, start.length, nextIn(next)], [1, 0, "Never Stalled"])
    assert.strictEqual(status.observedGeneration, 1)
    assert.strictEqual(status.tags, "0/1")
    assert.isUndefined(observed)
  })

  it("a copy that has ended is recorded and released, and earlier failures are dropped", () => {
    const status = { ...READY, failures: [failureOf("1.27")] }
    const copies = [copyOf("1.27", A, SUCCEEDED)]
    const decision = claimedOf(imageOf({ ...EXACT, status }), copies)
    assert.deepStrictEqual(decision.release, copies)
    assert.strictEqual(decision.status.history?.[0]?.tag, "1.27")
    assert.isUndefined(decision.status.failures)
  })

  it("the same facts give the same status", () => {
    const { status } = claimedOf(imageOf(EXACT), [])
    assert.deepStrictEqual(claimedOf(imageOf({ ...EXACT, status }), []).status, status)
  })

  it("a check is due as soon as the tag is not claimed", () => {
    const { status } = claimedOf(imageOf({ ...EXACT, status: READY }), [])
    const image = imageOf({ ...EXACT, status })
    const due = nextCheck({ now: NOW, image, mirror: mirrorOf(image), remembered: false, underWay: new Set() })
    assert.isTrue(isCheckDue(due, NOW))
  })
})

describe("a pattern with claimed tags", () => {
  const tags = [observedTag("1.1", A), observedTag("1.2", A, B), existing("1.3")]

  it("no claimed tag is copied, whatever the destination has", () => {
    const image = imageOf(RECURRENT_PATTERN)
    const decision = decisionOf(situationOf(image, tags, [], { claims: claimsOn("1.2", "1.3") }))
    assert.deepStrictEqual(startedIn(decision), ["1.1@a"])
    assert.strictEqual(decision.status.tags, "0/3")
    assert.deepStrictEqual(conditionsIn(decision.status), [
      "Ready=False DestinationClaimed",
      "Reconciling=True Copying"
    ])
  })

  it("a running copy of a claimed tag is cancelled, and the other copies go on", () => {
    const image = imageOf(RECURRENT_PATTERN)
    const copies = [copyOf("1.1", A, RUNNING, { onlyIfMissing: false }), copyOf("1.2", A, RUNNING)]
    const { cancel } = decisionOf(situationOf(image, tags, copies, { claims: claimsOn("1.2") }))
    assert.deepStrictEqual(
      cancel.map(({ tag }) => tag),
      ["1.2"]
    )
  })

  it("a running copy of a claimed tag is cancelled while a check fails", () => {
    const image = imageOf(RECURRENT_PATTERN)
    const copies = [copyOf("1.1", A, RUNNING), copyOf("1.2", A, RUNNING)]
    const { cancel } = blockedOf(image, {}, { copies, claims: claimsOn("1.2") })
    assert.deepStrictEqual(
      cancel.map(({ tag }) => tag),
      ["1.2"]
    )
  })

  it("a copy that ends while a check fails leaves the claimed tags out of the plan and of the copied tags", () => {
    const observed = observedOf([...tags, observedTag("1.4", A)])
    const copies = [copyOf("1.1", A, SUCCEEDED)]
    const image = imageOf({ ...PATTERN, status: READY })
    const decision = blockedOf(image, {}, { copies, observed, claims: claimsOn("1.2", "1.3") })
    assert.strictEqual(decision.status.tags, "1/4")
    assert.deepStrictEqual(
      decision.status.plan?.tags.map(({ tag }) => tag),
      ["1.4"]
    )
    assert.isTrue(
      decision.observed?.tags.every(({ problem }) => problem === undefined),
      "claims are not remembered"
    )
  })

  it("a failed copy of a claimed tag is not retried by time", () => {
    const image = imageOf(PATTERN)
    const copies = [copyOf("1.1", A, failed())]
    const decision = decisionOf(situationOf(image, [observedTag("1.1", A)], copies, { claims: claimsOn("1.1") }))
    assert.isUndefined(decision.status.failures)
    assert.deepStrictEqual(decision.start, [])
    assert.strictEqual(decision.next._tag === "At" && decision.next.millis >= NOW + HOUR, true, nextIn(decision.next))
  })

  it("the result of the check is remembered without the claims, and a freed tag is copied without a check", () => {
    const image = imageOf(RECURRENT_PATTERN)
    const { observed, status } = decisionOf(situationOf(image, tags, [], { claims: claimsOn("1.2", "1.3") }))
    assert.deepStrictEqual(observed?.tags, tags)
    const freed = situationOf(imageOf({ ...RECURRENT_PATTERN, status }), tags, [], { fresh: false })
    assert.deepStrictEqual(startedIn(decisionOf(freed)), ["1.1@a", "1.2@a"])
  })

  it("a signature that only claimed tags depend on is not copied", () => {
    const signature = "sha256-a.sig"
    const signed = { ...observedTag("1.1", A), dependsOn: [signature] }
    const observed = observedOf([signed], { companions: [observedTag(signature, B)] })
    const image = imageOf(RECURRENT_PATTERN)
    const of = (claims: Claims) => startedIn(decisionOf(situationOf(image, [], [], { observed, claims })))
    assert.deepStrictEqual(of(claimsOn()), [`${signature}@b`])
    assert.deepStrictEqual(of(claimsOn("1.1")), [])
  })

  it("the message groups tags by owner, and names at most five owners", () => {
    const claims: Claims = new Map(
      tags.map(({ tag }, index) => [tag, { namespace: "b", name: index === 1 ? "y" : "x" }])
    )
    const image = imageOf(RECURRENT_PATTERN)
    const said = (all: typeof tags, owners: Claims) =>
      decisionOf(situationOf(image, all, [], { claims: owners })).status.conditions?.[0]?.message
    assert.strictEqual(
      said(tags, claims),
      "0 of 3 tags are copied; 1.1, 1.3 are claimed by the older Image b/x; 1.2 is claimed by the older Image b/y in registry.corp/app"
    )
    const many = Array.from({ length: 9 }, (_, index) => observedTag(`1.${index}`, A))
    const each: Claims = new Map(many.map(({ tag }) => [tag, { namespace: "b", name: tag }]))
    assert.match(
      said(many, each) ?? "",
      /1\.4 is claimed by the older Image b\/1\.4; 4 more tags are claimed by other Images/u
    )
  })
})
