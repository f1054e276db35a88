/** Tags for which a registry answered with an error: each is a failure of its own, and holds up no other. */
import { assert, describe, it } from "@effect/vitest"
import type { ImageStatus } from "../../../src/domain/Image.ts"
import type { Reason } from "../../../src/domain/Reason.ts"
import {
  A,
  at,
  conditionsIn,
  COPYING,
  copyOf,
  decisionOf,
  EXACT,
  existing,
  failed,
  failureOf,
  imageOf,
  MINUTE,
  nextIn,
  NOW,
  observedTag,
  PATTERN,
  RECURRENT_PATTERN,
  RUNNING,
  SECOND,
  situationOf,
  startedIn,
  unread,
  type Written
} from "./fixtures.ts"

const image = (status: ImageStatus = COPYING, written = PATTERN) => imageOf({ ...written, frequency: "1d", status })

/** A failure that an earlier check counted. */
const counted = (tag: string, attempts: number, nextAttemptAt = at(0)) =>
  failureOf(tag, { digest: "", copy: "check-0", attempts, nextAttemptAt, reason: "InvalidAnswer" })

describe("tags that could not be checked", () => {
  it("a tag that could not be checked is a failure in the status, and the other tags are copied in the same round", () => {
    const tags = [observedTag("1.0", A), unread("1.1"), observedTag("1.2", A)]
    const decision = decisionOf(situationOf(image(), tags))
    assert.deepStrictEqual(startedIn(decision), ["1.0@a", "1.2@a"])
    assert.isUndefined(decision.status.checkFailure)
    assert.deepStrictEqual(decision.status.failures, [
      {
        tag: "1.1",
        digest: "",
        copy: `check-${NOW}`,
        attempts: 1,
        nextAttemptAt: at(10 * SECOND),
        reason: "InvalidAnswer",
        message: "GET answered 412 for 1.1"
      }
    ])
    assert.deepStrictEqual(conditionsIn(decision.status), ["Ready=False InvalidAnswer", "Reconciling=True Copying"])
    assert.strictEqual(
      decision.status.conditions?.[0]?.message,
      "0 of 3 tags are copied; 1.1 failed: GET answered 412 for 1.1"
    )
    assert.strictEqual(nextIn(decision.next), "Retry +10s")
  })

  it.each<readonly [before: number, after: number, seconds: number]>([
    [0, 1, 10],
    [1, 2, 20],
    [6, 7, 640],
    [7, 8, 900],
    [1_000, 1_001, 900]
  ])("a tag that could not be checked %i times before waits longer each time", (before, attempts, seconds) => {
    const failures = before === 0 ? [] : [counted("1.1", before)]
    const { next, status } = decisionOf(situationOf(image({ ...COPYING, failures }), [unread("1.1")]))
    assert.deepStrictEqual(
      status.failures?.map((failure) => [failure.attempts, failure.nextAttemptAt]),
      [[attempts, at(seconds * SECOND)]]
    )
    assert.strictEqual(nextIn(next), `Retry +${seconds}s`)
  })

  it("a tag that could not be checked is counted by new checks only", () => {
    const failures = [counted("1.1", 3, at(MINUTE))]
    const situation = situationOf(image({ ...COPYING, failures }), [unread("1.1"), observedTag("1.2", A)])
    assert.deepStrictEqual(decisionOf({ ...situation, fresh: false }).status.failures, failures)
    const first = decisionOf(situation)
    const again = decisionOf({ ...situation, image: { ...situation.image, status: first.status } })
    assert.deepStrictEqual(again.status.failures, first.status.failures, "a check is counted once")
  })

  it.each<readonly [what: string, tag: ReturnType<typeof observedTag>, started: string]>([
    ["is missing", observedTag("1.1", A), "1.1@a"],
    ["is there", existing("1.1"), ""],
    ["lacks a platform", unread("1.1", "PlatformMissing"), ""]
  ])("a tag that can be checked again has not failed: it %s", (_, tag, started) => {
    const failures = [counted("1.1", 3)]
    const decision = decisionOf(situationOf(image({ ...COPYING, failures }), [tag]))
    assert.isUndefined(decision.status.failures)
    assert.strictEqual(startedIn(decision).join(), started)
  })

  it.each<readonly [reason: Reason, next: string]>([
    ["SourceNotFound", "Retry +1s"],
    ["InvalidAnswer", "Retry +10s"],
    ["ServerError", "Retry +10s"],
    ["AuthenticationFailed", "Retry +10s"],
    // Only another image under the tag mends these.
    ["PlatformMissing", "Interval"],
    ["UnsupportedManifest", "Interval"]
  ])("a tag whose problem is %s is checked again: %s", (reason, next) => {
    const decision = decisionOf(situationOf(image(), [unread("1.1", reason)]))
    assert.include(nextIn(decision.next), next)
    assert.deepStrictEqual(conditionsIn(decision.status)[0], `Ready=False ${reason}`)
    assert.strictEqual(decision.status.failures !== undefined, next.startsWith("Retry"))
  })

  it.each<readonly [what: string, written: Written, next: string]>([
    ["Recurrent", RECURRENT_PATTERN, "Interval"],
    ["OneShot", PATTERN, "Interval"],
    ["a OneShot version", { ...EXACT, version: "1.1" }, "Never AwaitingCopies"]
  ])("a copy goes on while its tag cannot be checked, and the next check waits for its end: %s", (_, written, next) => {
    const running = copyOf("1.1", A, RUNNING)
    const situation = situationOf(image(COPYING, written), [unread("1.1", "SourceNotFound")], [running])
    const decision = decisionOf(situation)
    assert.deepStrictEqual([decision.cancel, startedIn(decision)], [[], []])
    assert.include(nextIn(decision.next), next)
    const ended = decisionOf({
      ...situation,
      image: { ...situation.image, status: decision.status },
      copies: [copyOf("1.1", A, failed("RateLimited"))],
      fresh: false
    })
    assert.deepStrictEqual(ended.status.failures, decision.status.failures, "its copy is no reason to copy it again")
    assert.strictEqual(nextIn(ended.next), "Retry +1s")
  })

  it("a copy for an earlier spec does not go on while its tag cannot be checked", () => {
    const running = copyOf("1.1", A, RUNNING)
    const situation = situationOf(
      imageOf({ ...PATTERN, generation: 2, status: COPYING }),
      [unread("1.1", "SourceNotFound")],
      [running]
    )
    assert.deepStrictEqual(decisionOf(situation).cancel, [running])
  })

  it("a tag that is there, and whose referrers could not be listed, is not in sync", () => {
    const tags = [{ ...unread("1.0", "ServerError"), exists: true }]
    for (const written of [PATTERN, RECURRENT_PATTERN]) {
      const decision = decisionOf(situationOf(image(COPYING, written), tags))
      assert.deepStrictEqual(startedIn(decision), [])
      assert.strictEqual(decision.status.tags, "0/1")
      assert.strictEqual(decision.status.failures?.[0]?.reason, "ServerError")
    }
  })

  it("thirty tags that cannot be checked keep no other from being copied, and no failed copy from waiting for its time", () => {
    const broken = Array.from({ length: 30 }, (_, i) => `1.${100 + i}`)
    const failures = broken.slice(0, 20).map((tag) => counted(tag, 9))
    const tags = [observedTag("1.0", A), observedTag("1.1", A), ...broken.map((tag) => unread(tag))]
    const situation = situationOf(image({ ...COPYING, failures }), tags, [copyOf("1.1", A, failed())])
    const first = decisionOf(situation)
    assert.deepStrictEqual(startedIn(first), ["1.0@a"])
    assert.lengthOf(first.status.failures ?? [], 20)
    assert.include(first.status.failures?.map(({ tag }) => tag) ?? [], "1.1", "the failed copy is kept")
    const second = decisionOf({
      ...situation,
      image: { ...situation.image, status: first.status },
      copies: [copyOf("1.0", A, RUNNING)],
      fresh: false
    })
    assert.deepStrictEqual(startedIn(second), ["1.0@a"])
  })
})
