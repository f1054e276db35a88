import { assert, describe, it } from "@effect/vitest"
import type { Copy, CopyState } from "../../../src/domain/Copy.ts"
import type { FailedCopy, ImageStatus } from "../../../src/domain/Image.ts"
import type { Checked, ObservedTag } from "../../../src/domain/plan/facts.ts"
import { nextCheck } from "../../../src/domain/plan/schedule.ts"
import type { Reason } from "../../../src/domain/Reason.ts"
import {
  A,
  at,
  B,
  conditionsIn,
  COPYING,
  COPYING_CONDITIONS,
  copyOf,
  decisionOf,
  EXACT,
  existing,
  failed,
  failureOf,
  HOUR,
  imageOf,
  MINUTE,
  nextIn,
  NOW,
  observedOf,
  observedTag,
  PATTERN,
  READY,
  RECURRENT,
  RECURRENT_PATTERN,
  RUNNING,
  SECOND,
  type Situation,
  situationOf,
  startedIn,
  type Written
} from "./fixtures.ts"

describe("failed copies", () => {
  const failuresIn = (situation: Situation): ReadonlyArray<FailedCopy> => decisionOf(situation).status.failures ?? []
  const failing = (failures: ReadonlyArray<FailedCopy>, written: Written = EXACT) =>
    imageOf({ ...written, status: { ...COPYING, failures } })
  const open = [observedTag("1.27", A)]

  it("a failed copy is recorded by tag and digest, with the attempt, the cause and the next time", () => {
    assert.deepStrictEqual(
      failuresIn(situationOf(imageOf(EXACT), open, [copyOf("1.27", A, failed("RateLimited", "wait"))])),
      [
        {
          tag: "1.27",
          digest: A,
          copy: "1.27-1",
          attempts: 1,
          nextAttemptAt: at(10 * SECOND),
          reason: "RateLimited",
          message: "wait"
        }
      ]
    )
  })

  it.each<readonly [attempts: number, seconds: number]>([
    [1, 10],
    [2, 20],
    [3, 40],
    [4, 80],
    [5, 160],
    [6, 320],
    [7, 640],
    [8, 900],
    [9, 900],
    [1_000, 900],
    [2_000_000_000, 900]
  ])("a copy that failed for the %ith time waits %i s", (attempts, seconds) => {
    const before = attempts === 1 ? [] : [failureOf("1.27", { attempts: attempts - 1, copy: "1.27-0" })]
    const [failure] = failuresIn(situationOf(failing(before), open, [copyOf("1.27", A, failed())]))
    assert.deepStrictEqual([failure?.attempts, failure?.nextAttemptAt], [attempts, at(seconds * SECOND)])
  })

  it.each<readonly [what: string, attempts: number, nextAttemptAt: string, next: string]>([
    ["the first time is checked after the shortest pause: the tag may have moved", 0, at(0), "Retry +1s"],
    ["again waits as any other", 1, at(20 * SECOND), "Retry +20s"]
  ])("a copy whose source is missing %s", (_, attempts, nextAttemptAt, next) => {
    const before = attempts === 0 ? [] : [failureOf("1.27", { attempts })]
    const situation = situationOf(failing(before), open, [copyOf("1.27", A, failed("SourceNotFound"))], {
      fresh: false
    })
    const decision = decisionOf(situation)
    assert.strictEqual(decision.status.failures?.[0]?.nextAttemptAt, nextAttemptAt)
    assert.deepStrictEqual(decision.start, [], "the digest that is gone is not tried again without a check")
    assert.strictEqual(nextIn(decision.next), next)
  })

  it.each<readonly [named: number, position: number, waits: number]>([
    [90 * SECOND, 0, 90],
    [1_500, 0, 2],
    [0, 0, 1],
    [365 * 24 * HOUR, 0, 6 * 3_600],
    [15 * MINUTE, 3, 15 * 60 + 3],
    [MINUTE, 100, 63]
  ])(
    "a copy that a registry deferred by %i ms, after %i others of its namespace, waits %i s",
    (named, position, waits) => {
      const state: CopyState = {
        _tag: "Failed",
        at: NOW,
        reason: "RateLimited",
        message: "too many",
        until: NOW + named
      }
      const situation = situationOf(imageOf(EXACT), open, [copyOf("1.27", A, state)], { position })
      const decision = decisionOf(situation)
      assert.strictEqual(decision.status.failures?.[0]?.nextAttemptAt, at(waits * SECOND))
      assert.strictEqual(nextIn(decision.next), `Retry +${waits}s`)
      assert.deepStrictEqual(conditionsIn(decision.status), [
        "Ready=False RateLimited",
        "Reconciling=True ProgressingWithRetry"
      ])
      // A time some hours ahead may be the registry's, so the clock need not have been set back.
      const later = situationOf({ ...situation.image, status: decision.status }, open)
      assert.deepStrictEqual(decisionOf(later).start, [])
    }
  )

  it("a failed copy is not counted twice", () => {
    const before = [failureOf("1.27", { copy: "1.27-1", attempts: 3, nextAttemptAt: at(7 * SECOND) })]
    assert.deepStrictEqual(failuresIn(situationOf(failing(before), open, [copyOf("1.27", A, failed())])), before)
  })

  it.each<readonly [what: string, tags: ReadonlyArray<ObservedTag>, written: Written]>([
    ["its tag is gone", [observedTag("1.26", A)], PATTERN],
    ["its tag is in sync", [observedTag("1.27", A, A)], RECURRENT],
    ["its tag is there, whatever its digest", [existing("1.27")], PATTERN],
    ["its tag moved", [observedTag("1.27", B)], RECURRENT],
    ["nothing matches any more", [], PATTERN]
  ])("a failed copy is dropped when %s", (_, tags, written) => {
    assert.deepStrictEqual(failuresIn(situationOf(failing([failureOf("1.27")], written), tags)), [])
    assert.deepStrictEqual(failuresIn(situationOf(imageOf(written), tags, [copyOf("1.27", A, failed())])), [])
  })

  it("the attempts of a failed copy start over for another digest", () => {
    const image = failing([failureOf("1.27", { attempts: 5 })], RECURRENT)
    const [failure] = failuresIn(situationOf(image, [observedTag("1.27", B)], [copyOf("1.27", B, failed())]))
    assert.deepStrictEqual([failure?.digest, failure?.attempts], [B, 1])
  })

  it.each<readonly [what: string, nextAttemptAt: string, fresh: boolean, started: string]>([
    ["before its time", at(SECOND), true, ""],
    ["at its time, after a check", at(0), true, "1.27@a"],
    ["after its time, after a check", at(-HOUR), true, "1.27@a"],
    ["after its time, without a check", at(-HOUR), false, ""],
    ["past any backoff, for the clock was set back", at(24 * HOUR), true, "1.27@a"]
  ])("a failed copy is retried at its time: %s", (_, nextAttemptAt, fresh, started) => {
    const image = failing([failureOf("1.27", { nextAttemptAt })])
    assert.strictEqual(startedIn(decisionOf(situationOf(image, open, [], { fresh }))).join(), started)
  })

  it.each<readonly [mode: string, written: Written, reason: Reason, started: string, next: string]>([
    ["on what the last check found, where tags are overwritten", RECURRENT, "RateLimited", "1.27@a", ""],
    [
      "on what the last check found, for a OneShot listing, which overwrites nothing",
      PATTERN,
      "RateLimited",
      "1.27@a",
      ""
    ],
    ["after a check, for a OneShot version, which is never checked again", EXACT, "RateLimited", "", "Retry"],
    ["after a check, for any other failure", RECURRENT, "SourceNotFound", "", "Retry"]
  ])("a deferred copy is retried %s", (_, written, reason, started, next) => {
    const image = failing([failureOf("1.27", { reason, nextAttemptAt: at(0) })], written)
    const situation = situationOf(image, open, [], { fresh: false })
    const waiting = nextCheck({ now: NOW, image, mirror: situation.mirror, remembered: true, underWay: new Set() })
    assert.strictEqual(waiting.why, next === "" ? "Deferred" : next)
    assert.strictEqual(startedIn(decisionOf(situation)).join(), started)
  })

  it("a failed copy delays no other tag", () => {
    const image = failing([failureOf("1.1")], PATTERN)
    const decision = decisionOf(
      situationOf(image, [observedTag("1.1", A), observedTag("1.2", A)], [], { fresh: false })
    )
    assert.deepStrictEqual(startedIn(decision), ["1.2@a"])
  })

  const many = Array.from({ length: 30 }, (_, i) => `1.${i}`)

  it("a status keeps 20 failed copies, those with the most attempts", () => {
    const image = failing([failureOf("1.29", { attempts: 4 })], PATTERN)
    const tags = many.map((tag) => observedTag(tag, A))
    const kept = failuresIn(
      situationOf(
        image,
        tags,
        many.map((tag) => copyOf(tag, A, failed()))
      )
    )
    assert.strictEqual(kept.length, 20)
    assert.deepStrictEqual([kept[0]?.tag, kept[0]?.attempts], ["1.29", 5])
  })

  it.each<readonly [what: string, nextAttemptAt: string, fresh: boolean, started: number]>([
    ["wait with those", at(SECOND), true, 0],
    ["wait for a check", at(-SECOND), false, 0],
    ["are tried with the first of those", at(-SECOND), true, 11]
  ])("tags beyond the 20 failed copies that a status keeps %s", (_, nextAttemptAt, fresh, started) => {
    const failures = many
      .slice(0, 20)
      .map((tag, i) => failureOf(tag, i === 7 ? { nextAttemptAt } : { nextAttemptAt: at(MINUTE) }))
    const decision = decisionOf(
      situationOf(
        failing(failures, PATTERN),
        many.map((tag) => observedTag(tag, A)),
        [],
        { fresh }
      )
    )
    assert.strictEqual(decision.start.length, started)
  })
})

describe("refused copies", () => {
  const BUSY = "registry.corp/app:1.2 is being written for Image team-a/other"
  const refusal = (tag: string, reason: Reason, message = BUSY): Copy =>
    copyOf(tag, A, failed(reason, message), { id: "refused-1" })
  const tags = ["1.1", "1.2", "1.3"].map((tag) => observedTag(tag, A))
  const messagesIn = ({ conditions = [] }: ImageStatus) => conditions.map(({ message }) => message)

  it("a copy that is refused because another Image writes its tag waits, names that Image, and delays no other tag", () => {
    const decision = decisionOf(situationOf(imageOf(PATTERN), tags, [refusal("1.2", "DestinationBusy")]))
    assert.deepStrictEqual(startedIn(decision), ["1.1@a", "1.3@a"])
    assert.deepStrictEqual(conditionsIn(decision.status), COPYING_CONDITIONS)
    assert.deepStrictEqual(messagesIn(decision.status), [
      `0 of 3 tags are copied; 1.2 waits: ${BUSY}`,
      `0 of 3 tags are copied; remaining: 1.1, 1.2, 1.3; 1.2 waits: ${BUSY}`
    ])
    assert.deepStrictEqual(
      decision.status.failures?.map(({ nextAttemptAt, reason, tag }) => [tag, reason, nextAttemptAt]),
      [["1.2", "DestinationBusy", at(2 * SECOND)]]
    )
    assert.strictEqual(nextIn(decision.next), "Retry +2s")
  })

  it.each<readonly [what: string, status: ImageStatus, ready: string]>([
    ["that is new", {}, "Ready=Unknown DestinationBusy"],
    ["that was Ready", READY, "Ready=True DestinationBusy"]
  ])("a tag that another Image writes is all that an Image waits for %s", (_, status, ready) => {
    const image = imageOf({ ...PATTERN, status })
    const decision = decisionOf(
      situationOf(
        image,
        tags,
        tags.map(({ tag }) => refusal(tag, "DestinationBusy"))
      )
    )
    assert.deepStrictEqual(startedIn(decision), [])
    assert.deepStrictEqual(conditionsIn(decision.status), [ready, "Reconciling=True DestinationBusy"])
    assert.include(messagesIn(decision.status)[0], `and 2 more wait: ${BUSY}`)
  })

  it("a failed copy decides why the Image is not Ready, even if another copy waits for another Image", () => {
    const copies = [refusal("1.2", "DestinationBusy"), copyOf("1.1", A, failed("Unreachable", "no route"))]
    const { status } = decisionOf(situationOf(imageOf(PATTERN), tags.slice(0, 2), copies))
    assert.deepStrictEqual(conditionsIn(status), ["Ready=False Unreachable", "Reconciling=True DestinationBusy"])
    assert.include(messagesIn(status)[1], BUSY)
  })

  it("a copy whose Job waits for a Secret is a failure of its tag, and is retried soon", () => {
    const runs = copyOf("1.27", A, RUNNING)
    const situation = situationOf(
      imageOf({ ...EXACT, status: COPYING }),
      [observedTag("1.27", A)],
      [runs, refusal("1.27", "SecretNotCreated", "quota")]
    )
    const decision = decisionOf(situation)
    assert.deepStrictEqual([startedIn(decision), decision.cancel], [["1.27@a"], []])
    assert.deepStrictEqual(conditionsIn(decision.status), ["Ready=False SecretNotCreated", "Reconciling=True Copying"])
    assert.strictEqual(nextIn(decision.next), "Retry +2s")
    // Once the copy is no longer refused, the failure is dropped.
    const later = {
      ...situation,
      now: NOW + 2 * SECOND,
      image: { ...situation.image, status: decision.status },
      copies: [runs]
    }
    const mended = decisionOf({ ...later, fresh: false })
    assert.deepStrictEqual(startedIn(mended), ["1.27@a"])
    assert.isUndefined(mended.status.failures)
    assert.strictEqual(nextIn(mended.next), "Never AwaitingCopies")
  })

  it.each<readonly [attempts: number, seconds: number]>([
    [1, 2],
    [2, 4],
    [3, 8],
    [4, 16],
    [5, 32],
    [6, 60],
    [1_000, 60]
  ])("a copy that was refused for the %ith time waits %i s", (attempts, seconds) => {
    const failures =
      attempts === 1 ? [] : [failureOf("1.2", { reason: "DestinationBusy", attempts: attempts - 1, copy: "refused-0" })]
    const image = imageOf({ ...PATTERN, status: { ...COPYING, failures } })
    const { status } = decisionOf(situationOf(image, tags, [refusal("1.2", "DestinationBusy")]))
    assert.deepStrictEqual(
      status.failures?.map((failure) => [failure.attempts, failure.nextAttemptAt]),
      [[attempts, at(seconds * SECOND)]]
    )
  })

  it.each<readonly [what: string, written: Written, fresh: boolean, started: string]>([
    ["on what the last check found, where the tag is overwritten anyway", RECURRENT_PATTERN, false, "1.2@a"],
    ["after a check only, where the other Image's copy may do", PATTERN, false, ""],
    ["after a check, where the other Image's copy may do", PATTERN, true, "1.2@a"]
  ])("a refused copy is retried at its time: %s", (_, written, fresh, started) => {
    const failures = [failureOf("1.2", { reason: "DestinationBusy", nextAttemptAt: at(0) })]
    const image = imageOf({ ...written, status: { ...COPYING, failures } })
    const decision = decisionOf(situationOf(image, [observedTag("1.2", A)], [], { fresh }))
    assert.strictEqual(startedIn(decision).join(), started)
    assert.strictEqual(
      decision.status.failures === undefined,
      started !== "",
      "what is tried again is refused no longer"
    )
  })

  it("a new tag does not wait for the next attempt of the 20 failed tags that a status keeps, and no other tag overtakes them", () => {
    const many = Array.from({ length: 30 }, (_, i) => `1.${i}`)
    const failures = many.slice(0, 20).map((tag) => failureOf(tag, { nextAttemptAt: at(MINUTE) }))
    const image = imageOf({ ...PATTERN, status: { ...COPYING, failures } })
    const known = many.map((tag) => observedTag(tag, A))
    const tags = [...known, observedTag("1.30", B)]
    const startedAfter = (before: Partial<Checked>) => startedIn(decisionOf(situationOf(image, tags, [], before)))
    assert.deepStrictEqual(startedAfter({ before: observedOf(known) }), ["1.30@b"])
    assert.deepStrictEqual(startedAfter({ before: observedOf(tags) }), [])
    assert.deepStrictEqual(startedAfter({}), [])
    const moved = [...known, observedTag("1.30", A)]
    assert.deepStrictEqual(startedAfter({ before: observedOf(moved) }), ["1.30@b"])
  })

  it("a refused copy that is started again leaves room for one of the tags beyond the 20 that a status keeps", () => {
    const many = Array.from({ length: 30 }, (_, i) => `1.${i}`)
    const failures = many
      .slice(0, 20)
      .map((tag, i) =>
        failureOf(tag, i === 7 ? { reason: "DestinationBusy", nextAttemptAt: at(0) } : { nextAttemptAt: at(MINUTE) })
      )
    const observed = many.map((tag) => observedTag(tag, A))
    const decide = (status: ImageStatus) =>
      decisionOf(situationOf(imageOf({ ...RECURRENT_PATTERN, status }), observed, [], { fresh: false }))
    const first = decide({ ...COPYING, failures })
    assert.lengthOf(first.status.failures ?? [], 19)
    assert.deepStrictEqual(startedIn(first), ["1.7@a", ...many.slice(20).map((tag) => `${tag}@a`)])
    assert.deepStrictEqual(startedIn(decide(first.status)), startedIn(first))
  })
})
