import { assert, describe, it } from "@effect/vitest"
import type { Copy } from "../../../src/domain/Copy.ts"
import { plannedCopies } from "../../../src/domain/plan/copies.ts"
import type { ObservedTag } from "../../../src/domain/plan/facts.ts"
import type { Reason } from "../../../src/domain/Reason.ts"
import {
  A,
  at,
  B,
  C,
  conditionsIn,
  COPIED,
  COPYING,
  COPYING_CONDITIONS,
  copyOf,
  decisionOf,
  EXACT,
  existing,
  failed,
  failureOf,
  imageOf,
  MINUTE,
  mirrorOf,
  nextIn,
  observedOf,
  observedTag,
  PATTERN,
  RECURRENT,
  RUNNING,
  situationOf,
  startedIn,
  SUCCEEDED,
  type Written
} from "./fixtures.ts"
import { platforms } from "../../support/endpoints.ts"

describe("companion tags", () => {
  const SIG = "sha256-a.sig"
  const missing = observedTag("1.27", A)
  const same = observedTag("1.27", A, A)
  const situation = (
    tag: ObservedTag,
    companion: ObservedTag,
    written: Written = EXACT,
    copies: ReadonlyArray<Copy> = []
  ) =>
    situationOf(imageOf(written), [], copies, {
      observed: observedOf([{ ...tag, dependsOn: [SIG] }], { companions: [companion] })
    })

  it.each<readonly [what: string, tag: ObservedTag, companion: ObservedTag, started: string, tags: string]>([
    ["both are missing", missing, observedTag(SIG, B), `${SIG}@b`, "0/1"],
    ["the companion is there", missing, observedTag(SIG, B, B), "1.27@a", "0/1"],
    ["the tag is there", same, observedTag(SIG, B), `${SIG}@b`, "0/1"],
    ["the tag is there, and the companion has moved", same, observedTag(SIG, B, C), `${SIG}@b`, "0/1"],
    ["both are there, and the companion is not counted", same, observedTag(SIG, B, B), "", "1/1"]
  ])("a companion tag is copied before the tag that depends on it: %s", (_, tag, companion, started, tags) => {
    const decision = decisionOf(situation(tag, companion))
    assert.strictEqual(startedIn(decision).join(), started)
    assert.strictEqual(decision.status.tags, tags)
    assert.deepStrictEqual(conditionsIn(decision.status), started === "" ? COPIED : COPYING_CONDITIONS)
  })

  it("a companion tag is copied with all its platforms and without its own referrers", () => {
    const image = imageOf(EXACT)
    const mirror = { ...mirrorOf(image), referrers: true, platforms: platforms("linux/arm64") }
    const tasks = (companion: ObservedTag) =>
      decisionOf({ ...situation(missing, companion), mirror }).start.map((task) => [task.platforms, task.referrers])
    assert.deepStrictEqual(tasks(observedTag(SIG, B)), [[[], false]])
    assert.deepStrictEqual(tasks(observedTag(SIG, B, B)), [[platforms("linux/arm64"), true]])
  })

  it("a companion tag is overwritten in every mode, because an added signature changes its manifest", () => {
    assert.deepStrictEqual(startedIn(decisionOf(situation(existing("1.27"), observedTag(SIG, B, C), PATTERN))), [
      `${SIG}@b`
    ])
  })

  it("a tag is copied after its companion tag without another check", () => {
    const brought = copyOf(SIG, B, SUCCEEDED)
    const decision = decisionOf({ ...situation(missing, observedTag(SIG, B), EXACT, [brought]), fresh: false })
    assert.deepStrictEqual(startedIn(decision), ["1.27@a"])
    assert.deepStrictEqual(decision.release, [brought])
    assert.isTrue(decision.observed?.companions?.every(({ actual }) => actual === B))
  })

  it("a companion tag that fails holds back its tag, and the Image says why", () => {
    const decision = decisionOf(
      situation(missing, observedTag(SIG, B), EXACT, [copyOf(SIG, B, failed("Unreachable", "no route"))])
    )
    assert.deepStrictEqual(startedIn(decision), [])
    assert.include(decision.status.conditions?.[0]?.message ?? "", `0 of 1 tag is copied; ${SIG} failed: no route`)
    assert.strictEqual(nextIn(decision.next), "Retry +10s")
  })

  it("a running copy is not cancelled for a companion tag that is found later", () => {
    const runs = copyOf("1.27", A, RUNNING)
    const decision = decisionOf(situation(missing, observedTag(SIG, B), EXACT, [runs]))
    assert.deepStrictEqual(startedIn(decision), [`${SIG}@b`, "1.27@a"])
    assert.deepStrictEqual(decision.cancel, [])
  })

  it.each<readonly [what: string, written: Written, reason: Reason, next: string]>([
    ["a OneShot tag", EXACT, "Unreachable", "Never AwaitingCopies"],
    ["a Recurrent tag", RECURRENT, "Unreachable", "Interval"],
    ["a Recurrent tag that was rate limited", RECURRENT, "RateLimited", "Interval"],
    ["a pattern", PATTERN, "Unreachable", "Interval"]
  ])(
    "an earlier failure of a tag causes no check while its companion tag is copied: %s",
    (_, written, reason, next) => {
      const failures = [failureOf("1.27", { reason, nextAttemptAt: at(-MINUTE) })]
      const image = imageOf({ ...written, status: { ...COPYING, failures } })
      const observed = observedOf([{ ...missing, dependsOn: [SIG] }], { companions: [observedTag(SIG, B)] })
      for (const copies of [[], [copyOf(SIG, B, RUNNING)]]) {
        const decision = decisionOf(situationOf(image, [], copies, { observed, fresh: false }))
        assert.deepStrictEqual(startedIn(decision), [`${SIG}@b`])
        assert.match(nextIn(decision.next), new RegExp(`^${next}`, "u"))
      }
    }
  )

  it("an earlier failure of a tag causes no check while its companion tag waits for its next attempt", () => {
    const failures = [failureOf("1.27", { nextAttemptAt: at(-MINUTE) }), failureOf(SIG, { digest: B })]
    const image = imageOf({ ...EXACT, status: { ...COPYING, failures } })
    const observed = observedOf([{ ...missing, dependsOn: [SIG] }], { companions: [observedTag(SIG, B)] })
    const decision = decisionOf(situationOf(image, [], [], { observed, fresh: false }))
    assert.deepStrictEqual([startedIn(decision), nextIn(decision.next)], [[], "Retry +10s"])
  })

  it("a copy of a companion tag overwrites the destination's tag in every mode", () => {
    assert.deepStrictEqual(
      decisionOf(situation(missing, observedTag(SIG, B, C), PATTERN)).start.map(({ onlyIfMissing, tag }) => [
        tag,
        onlyIfMissing
      ]),
      [[SIG, false]]
    )
  })

  it("a waiting copy of a companion tag is cancelled when another writer has written the tag", () => {
    const waits = copyOf(SIG, B, { _tag: "Waiting", reason: "room" })
    assert.deepStrictEqual(decisionOf(situation(missing, observedTag(SIG, B, B), EXACT, [waits])).cancel, [waits])
    assert.deepStrictEqual(decisionOf(situation(missing, observedTag(SIG, B, C), EXACT, [waits])).cancel, [])
  })

  it("a missing companion tag holds back only the tag that depends on it", () => {
    const observed = observedOf([{ ...observedTag("1.1", A), dependsOn: [SIG] }, observedTag("1.2", C)], {
      companions: [observedTag(SIG, B)]
    })
    const decision = decisionOf(situationOf(imageOf(PATTERN), [], [], { observed }))
    assert.deepStrictEqual(startedIn(decision), [`${SIG}@b`, "1.2@c"])
    assert.strictEqual(decision.status.tags, "0/2")
  })
})

describe("companion tags that another Image owns", () => {
  const SIG = "sha256-a.sig"
  const claim = { companionOwner: { namespace: "team-b", name: "older" } }
  const situation = (companion: ObservedTag, copies: ReadonlyArray<Copy> = []) =>
    situationOf(imageOf(EXACT), [], copies, {
      ...claim,
      observed: observedOf([{ ...observedTag("1.27", A), dependsOn: [SIG] }], { companions: [companion] })
    })

  it("a companion tag that is missing is copied, and is not overwritten if the tag appears meanwhile", () => {
    const { start } = decisionOf(situation(observedTag(SIG, B)))
    assert.deepStrictEqual(
      start.map(({ onlyIfMissing, tag }) => [tag, onlyIfMissing]),
      [[SIG, true]]
    )
  })

  it("a tag whose companion exists with other content is claimed", () => {
    const decision = decisionOf(situation(observedTag(SIG, B, C)))
    assert.deepStrictEqual(startedIn(decision), [])
    assert.strictEqual(
      decision.status.conditions?.[0]?.message,
      `0 of 1 tag is copied; 1.27 is without its companion tag ${SIG}, which is claimed by the older Image team-b/older in registry.corp/app`
    )
    assert.deepStrictEqual(
      decision.status.conditions?.map(({ reason, type }) => [type, reason]),
      [
        ["Ready", "DestinationClaimed"],
        ["Stalled", "DestinationClaimed"]
      ]
    )
  })

  it("a tag whose companion exists with the same content is copied", () => {
    assert.deepStrictEqual(startedIn(decisionOf(situation(observedTag(SIG, B, B)))), ["1.27@a"])
  })

  it.each<readonly [what: string, copy: Copy, cancelled: number]>([
    ["of a companion tag, which it would overwrite", copyOf(SIG, B, RUNNING, { onlyIfMissing: false }), 1],
    ["of a companion tag, which it would not overwrite", copyOf(SIG, B, RUNNING), 0]
  ])("a running copy is cancelled if it began before the claim: %s", (_, copy, cancelled) => {
    assert.lengthOf(decisionOf(situation(observedTag(SIG, B), [copy])).cancel, cancelled)
  })

  it.each<readonly [what: string, more: Partial<Copy>, cancelled: number]>([
    ["with the power to overwrite companion tags", { referrers: true }, 1],
    ["that knows the claim", { referrers: true, ...claim }, 0],
    ["without referrers, as those of a Job", {}, 0]
  ])("a running copy of an image is cancelled if it began before the claim: %s", (_, more, cancelled) => {
    const copy = copyOf("1.27", A, RUNNING, more)
    const { cancel } = decisionOf(situationOf(imageOf(EXACT), [observedTag("1.27", A)], [copy], claim))
    assert.lengthOf(cancel, cancelled)
  })
})

it("a planned copy names the destination tags on which it depends", () => {
  const tags = [{ ...observedTag("1.1", A), dependsOn: ["1.1.sig", "1.1.att"] }, observedTag("1.2", B)]
  const companions = [observedTag("1.1.sig", B), observedTag("1.1.att", C, C)]
  const {
    image,
    now: _,
    ...checked
  } = situationOf(imageOf(PATTERN), [], [], { observed: observedOf(tags, { companions }) })
  assert.deepStrictEqual(
    plannedCopies(image, { _tag: "Observed", ...checked }).map(({ dependsOn, task }) => [task.tag, dependsOn]),
    [
      ["1.1.sig", []],
      ["1.1", ["1.1.sig", "1.1.att"]],
      ["1.2", []]
    ]
  )
})
