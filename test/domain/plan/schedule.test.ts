import { assert, describe, it } from "@effect/vitest"
import type { ImageStatus } from "../../../src/domain/Image.ts"
import { isCheckDue, nextCheck, SCHEDULE_RULES, type ScheduleFacts } from "../../../src/domain/plan/schedule.ts"
import {
  at,
  condition,
  COPYING,
  EXACT,
  failureOf,
  HOUR,
  imageOf,
  MINUTE,
  mirrorOf,
  nextIn,
  NOW,
  PATTERN,
  PINNED,
  RANGE,
  READY,
  RECURRENT,
  RECURRENT_PATTERN,
  SECOND,
  type Written
} from "./fixtures.ts"

const OLD: ImageStatus = { ...READY, lastCheckedAt: at(-48 * HOUR) }
const RETRIED: ImageStatus = {
  ...OLD,
  conditions: [condition("Ready", "False"), condition("Reconciling", "True")],
  checkFailure: { attempts: 3, nextAttemptAt: at(40 * SECOND), reason: "Unreachable", message: "no answer" }
}
const RESUMED: ImageStatus = {
  ...COPYING,
  conditions: [condition("Ready", "Unknown"), condition("Reconciling", "True", { reason: "Copying" })],
  failures: [failureOf("1.27", { nextAttemptAt: at(HOUR) })]
}

describe("the schedule of checks", () => {
  const NONE = new Set<string>()
  const next = (written: Written, options: Partial<ScheduleFacts> = {}) => {
    const image = imageOf(written)
    const { remembered = false, now = NOW, underWay = NONE, startedAt } = options
    return nextCheck({ now, image, mirror: mirrorOf(image), remembered, underWay, startedAt })
  }
  const withReady = (status: "True" | "False" | "Unknown", more: ImageStatus = {}): ImageStatus => ({
    ...READY,
    conditions: [condition("Ready", status)],
    ...more
  })
  const failing = (nextAttemptAt: string): ImageStatus => ({
    ...COPYING,
    failures: [failureOf("1.27", { nextAttemptAt })]
  })

  const retrying = [condition("Ready", "False"), condition("Reconciling", "True", { reason: "ProgressingWithRetry" })]

  const blocked = (nextAttemptAt: string): ImageStatus => ({
    ...READY,
    conditions: [condition("Ready", "False"), condition("Reconciling", "True")],
    checkFailure: { attempts: 3, nextAttemptAt, reason: "Unreachable", message: "no answer" }
  })
  const { lastCheckedAt: _, ...firstFailed } = blocked(at(40 * SECOND))
  const stalledByCheck: ImageStatus = {
    ...blocked(at(40 * SECOND)),
    conditions: [condition("Ready", "False"), condition("Stalled", "True")]
  }

  it.each<readonly [what: string, written: Written, remembered: boolean, expected: string]>([
    ["suspended, even if never checked", { ...EXACT, suspend: true }, false, "Never Suspended"],
    [
      "suspended, even if changed",
      { ...RECURRENT, suspend: true, generation: 2, status: READY },
      false,
      "Never Suspended"
    ],

    ["never checked", EXACT, false, "Changed +0s"],
    ["fresh from the API server", { ...EXACT, status: { observedGeneration: -1 } }, false, "Changed +0s"],
    [
      "with a status of the earlier operator",
      { ...EXACT, status: { history: [{ performedAt: at(-HOUR) }] } },
      false,
      "Changed +0s"
    ],
    ["changed since", { ...EXACT, generation: 2, status: READY }, false, "Changed +0s"],
    ["changed while it copies", { ...RECURRENT, generation: 2, status: COPYING }, true, "Changed +0s"],
    [
      "stalled before it was ever checked",
      { ...EXACT, status: { conditions: [condition("Ready", "False"), condition("Stalled", "True")] } },
      false,
      "Changed +0s"
    ],
    [
      "stalled before, and accepted now",
      { ...EXACT, status: { ...READY, conditions: [condition("Ready", "False"), condition("Stalled", "True")] } },
      false,
      "Changed +0s"
    ],

    ["OneShot tag, done", { ...EXACT, status: READY }, false, "Never Done"],
    ["OneShot digest, done", { ...PINNED, status: READY }, false, "Never Done"],
    [
      "OneShot tag, done, with old failures",
      { ...EXACT, status: { ...READY, failures: [failureOf("1.27")] } },
      false,
      "Never Done"
    ],

    ["copying, by a process that is gone", { ...EXACT, status: COPYING }, false, "Resumed +0s"],
    ["copying a pattern, by a process that is gone", { ...PATTERN, status: COPYING }, false, "Resumed +0s"],
    [
      "blocked, by a process of release 0.1.0 that is gone",
      {
        ...RECURRENT,
        status: { ...READY, conditions: [condition("Ready", "False"), condition("Reconciling", "True")] }
      },
      false,
      "Resumed +0s"
    ],

    ["a failed check before its time", { ...RECURRENT, status: blocked(at(40 * SECOND)) }, false, "Retry +40s"],
    ["a failed check after its time", { ...RECURRENT, status: blocked(at(-SECOND)) }, false, "Retry -1s"],
    ["a failed check of one that was never checked", { ...EXACT, status: firstFailed }, false, "Retry +40s"],
    ["a failed check of one that is Stalled by it", { ...EXACT, status: stalledByCheck }, false, "Retry +40s"],
    ["a failed check while copies go on", { ...PATTERN, status: blocked(at(40 * SECOND)) }, true, "Retry +40s"],
    [
      "a failed check of an earlier spec",
      { ...RECURRENT, generation: 2, status: blocked(at(40 * SECOND)) },
      false,
      "Changed +0s"
    ],
    [
      "a clock that was set back before the retry of a check",
      { ...EXACT, status: blocked(at(24 * HOUR)) },
      false,
      "Retry +0s"
    ],

    [
      "with copies that wait for a retry, by a process that is gone",
      { ...PATTERN, status: { ...failing(at(10 * SECOND)), conditions: retrying } },
      false,
      "Retry +10s"
    ],
    ["a OneShot tag that failed", { ...EXACT, status: failing(at(10 * SECOND)) }, true, "Retry +10s"],
    ["a OneShot tag that failed long ago", { ...EXACT, status: failing(at(-10 * SECOND)) }, true, "Retry -10s"],
    ["a pattern with a failure before its time", { ...PATTERN, status: failing(at(10 * SECOND)) }, true, "Retry +10s"],
    ["a clock that was set back before a retry", { ...EXACT, status: failing(at(24 * HOUR)) }, true, "Retry +0s"]
  ])("the first rule with an answer decides when an Image is checked: %s", (_, written, remembered, expected) => {
    assert.strictEqual(nextIn(next(written, { remembered })), expected)
  })

  it("a OneShot tag waits for its copy only while the copy is under way", () => {
    const copying = { ...EXACT, status: COPYING }
    const underWay = new Set(["1.27"])
    assert.strictEqual(nextIn(next(copying, { remembered: true, underWay })), "Never AwaitingCopies")
    assert.match(nextIn(next(copying, { remembered: true })), /^Interval /u)
  })

  it("a failed copy causes no check while its tag is copied again", () => {
    const underWay = new Set(["1.27"])
    assert.strictEqual(
      nextIn(next({ ...EXACT, status: failing(at(0)) }, { remembered: true, underWay })),
      "Never AwaitingCopies"
    )
    assert.strictEqual(next({ ...PATTERN, status: failing(at(0)) }, { remembered: true, underWay })._tag, "At")
  })

  it.each<readonly [what: string, written: Written]>([
    ["a Recurrent tag", RECURRENT],
    ["a OneShot pattern", PATTERN],
    ["a OneShot range", RANGE],
    ["a Recurrent pattern", RECURRENT_PATTERN]
  ])(
    "%s is checked at the same phase of its frequency each time, and no interval is longer than 105 %%",
    (_, written) => {
      for (let i = 0; i < 200; i++) {
        const dueAfter = (lastCheckedAt: string): number => {
          const status = { ...READY, lastCheckedAt }
          const due = next({ ...written, uid: `uid-${i}`, status }, { now: Date.parse(lastCheckedAt) })
          if (due._tag !== "At" || due.why !== "Interval") return assert.fail(nextIn(due))
          return due.millis
        }
        const first = dueAfter(at(-MINUTE))
        const settling = first - (NOW - MINUTE)
        assert.isTrue(settling >= 0.05 * HOUR && settling <= 1.05 * HOUR, `${settling}`)
        // A check is made up to 95 % of the frequency late, and its time is stored in whole seconds.
        for (const late of [0, SECOND, 10 * MINUTE, 56 * MINUTE]) {
          assert.strictEqual(dueAfter(at(first + late - NOW)), first + HOUR)
        }
      }
    }
  )

  it.each(["10s", "11s", "5m", "1w"])("an Image of %s is not due again in the second of its check", (frequency) => {
    for (let i = 0; i < 200; i++) {
      const dueAfter = (lastCheckedAt: string): number => {
        const status = { ...READY, lastCheckedAt }
        const due = next({ ...RECURRENT, frequency, uid: `uid-${i}`, status }, { now: Date.parse(lastCheckedAt) })
        return due._tag === "At" ? due.millis : assert.fail(nextIn(due))
      }
      const first = dueAfter(at(-SECOND))
      assert.isAbove(dueAfter(at(first - NOW)), first)
    }
  })

  it("a regular check comes before the retry of a copy if it is due earlier", () => {
    const status = { ...failing(at(15 * MINUTE)), lastCheckedAt: at(-59 * MINUTE) }
    const due = next({ ...PATTERN, status }, { remembered: true })
    assert.isTrue(due._tag === "At" && due.why === "Interval" && due.millis < NOW + 15 * MINUTE)
  })

  it("an Image without a matching tag is checked again, because a tag may be pushed", () => {
    const due = next({ ...PATTERN, status: withReady("False") })
    assert.isTrue(due._tag === "At" && due.why === "Interval")
  })

  it("a clock that was set back does not delay the next check for long", () => {
    const status = { ...READY, lastCheckedAt: at(24 * HOUR) }
    for (const now of [NOW, NOW + HOUR, NOW + 2 * HOUR]) {
      assert.deepStrictEqual(next({ ...RECURRENT, status }, { now }), { _tag: "At", millis: now, why: "Interval" })
    }
  })

  it("a broken time of the last check counts as long ago", () => {
    const due = next({ ...RECURRENT, status: { ...READY, lastCheckedAt: "yesterday" } })
    assert.isTrue(due._tag === "At" && due.millis < NOW)
  })
})

describe("the spread of checks", () => {
  const MINUTES_5 = 5 * MINUTE
  const IMAGES = Array.from({ length: 10_000 }, (_, i) =>
    imageOf({ ...RECURRENT, frequency: "5m", uid: `0b5f1f0e-77a4-4c1e-9d3b-${String(i).padStart(12, "0")}` })
  )
  const dueAt = (index: number, status: ImageStatus, now: number, startedAt?: number): number => {
    const image = IMAGES[index] ?? assert.fail("no such Image")
    const facts = { now, image: { ...image, status }, mirror: MIRROR, remembered: false, underWay: new Set<string>() }
    const due = nextCheck({ ...facts, startedAt })
    return due._tag === "At" ? due.millis : assert.fail(nextIn(due))
  }
  const MIRROR = mirrorOf(imageOf({ ...RECURRENT, frequency: "5m" }))

  /** The number of times in the second with the most times. */
  const mostInASecond = (times: ReadonlyArray<number>): number => {
    const seconds = new Map<number, number>()
    for (const time of times) {
      const second = Math.floor(time / SECOND)
      seconds.set(second, (seconds.get(second) ?? 0) + 1)
    }
    return Math.max(...seconds.values())
  }

  it("10,000 Images that were applied together are spread from their second check on", () => {
    const mean = IMAGES.length / (MINUTES_5 / SECOND)
    let times = IMAGES.map(() => NOW)
    for (let round = 2; round < 6; round += 1) {
      times = times.map((checked, index) => dueAt(index, { ...READY, lastCheckedAt: at(checked - NOW) }, checked))
      assert.isAtMost(mostInASecond(times), 3 * mean, `round ${round}`)
    }
    assert.isAtMost(Math.max(...times) - Math.min(...times), MINUTES_5)
  })

  const overdue = { ...READY, lastCheckedAt: at(-HOUR) }
  const retry = { attempts: 3, nextAttemptAt: at(-MINUTE), reason: "Unreachable", message: "no answer" } as const
  it.each<readonly [what: string, status: ImageStatus]>([
    ["regular checks", overdue],
    ["retries of checks", { ...overdue, conditions: [condition("Ready", "False")], checkFailure: retry }],
    [
      "retries of copies",
      {
        ...overdue,
        conditions: [condition("Ready", "False"), condition("Reconciling", "True", { reason: "ProgressingWithRetry" })],
        failures: [failureOf("1.27", { nextAttemptAt: at(-MINUTE) })]
      }
    ]
  ])("%s of 10,000 Images that were due before the operator began are spread over the frequency", (_, status) => {
    const times = IMAGES.map((_, index) => dueAt(index, status, NOW + SECOND, NOW))
    assert.isAtLeast(Math.min(...times), NOW)
    assert.isBelow(Math.max(...times), NOW + MINUTES_5)
    assert.isAtMost(mostInASecond(times), (3 * IMAGES.length) / (MINUTES_5 / SECOND))
  })

  it.each<readonly [what: string, written: Written, expected: RegExp]>([
    ["an overdue check of a long frequency comes within ten minutes", { ...RECURRENT, status: OLD }, /^Interval \+/u],
    ["a retry after the start of the operator keeps its time", { ...RECURRENT, status: RETRIED }, /^Retry \+40s$/u],
    ["an Image that a user has changed is checked at once", { ...RECURRENT, generation: 2 }, /^Changed \+0s$/u],
    ["copies that an earlier process began go on at once", { ...PATTERN, status: RESUMED }, /^Resumed \+0s$/u]
  ])("after a start of the operator %s", (_, written, expected) => {
    const image = imageOf(written)
    const facts = { image, mirror: mirrorOf(image), remembered: false, underWay: new Set<string>() }
    const due = nextCheck({ ...facts, now: NOW, startedAt: NOW })
    assert.match(nextIn(due), expected)
    assert.isTrue(due._tag === "At" && due.millis >= NOW && due.millis < NOW + 10 * MINUTE)
  })
})

describe("the table of the schedule", () => {
  const failure = { attempts: 1, nextAttemptAt: at(HOUR), reason: "RateLimited", message: "wait" } as const
  const reconciling = [condition("Ready", "False"), condition("Reconciling", "True")]
  const copying = [condition("Ready", "Unknown"), condition("Reconciling", "True", { reason: "Copying" })]
  const status: ImageStatus = {
    ...READY,
    conditions: reconciling,
    checkFailure: failure,
    failures: [failureOf("1.27", { nextAttemptAt: at(10 * SECOND) })]
  }
  const { checkFailure: _, ...checked } = status
  const { failures: __, ...copied } = checked

  it.each<readonly [rule: string, written: Written, more: Partial<ScheduleFacts>]>([
    ["suspended", { ...EXACT, suspend: true, generation: 2, status }, {}],
    ["requested", { ...EXACT, generation: 2, requestedAt: "now", status }, {}],
    [
      "changed",
      { ...EXACT, generation: 2, requestedAt: "now", status: { ...status, lastHandledReconcileAt: "now" } },
      {}
    ],
    ["checkRetry", { ...EXACT, status }, {}],
    ["done", { ...EXACT, status: { ...checked, conditions: [condition("Ready", "True")] } }, {}],
    ["resumed", { ...EXACT, status: { ...copied, conditions: copying } }, {}],
    ["copyRetry", { ...EXACT, status: checked }, { remembered: true }],
    ["awaitingCopies", { ...EXACT, status: checked }, { remembered: true, underWay: new Set(["1.27"]) }],
    ["undefined", { ...EXACT, status: copied }, { remembered: true }]
  ])("the first rule with an answer is %s", (rule, written, more) => {
    const image = imageOf(written)
    const facts = { now: NOW, image, mirror: mirrorOf(image), remembered: false, underWay: new Set<string>(), ...more }
    assert.strictEqual(String(SCHEDULE_RULES.find((rule) => rule(facts) !== undefined)?.name), rule)
    if (rule === "undefined") assert.match(nextIn(nextCheck(facts)), /^Interval /u)
  })

  it("a check is due at its time, and a deferred copy causes no check", () => {
    assert.isTrue(isCheckDue({ _tag: "At", millis: NOW, why: "Retry" }, NOW))
    assert.isFalse(isCheckDue({ _tag: "At", millis: NOW + 1, why: "Retry" }, NOW))
    assert.isFalse(isCheckDue({ _tag: "At", millis: NOW, why: "Deferred" }, NOW))
    assert.isFalse(isCheckDue({ _tag: "Never", why: "Done" }, NOW))
  })
})
