/** The Events of a change of an Image's status. */
import { assert, describe, it } from "@effect/vitest"
import type { Copy } from "../../../src/domain/Copy.ts"
import type { FailedCheck, ImageStatus } from "../../../src/domain/Image.ts"
import { eventsOf, suspensionOf } from "../../../src/domain/plan/events.ts"
import { A, at, condition, copyOf, failed, failureOf, READY, SECOND, SUCCEEDED } from "./fixtures.ts"

/** `Normal Copied: the note` for each Event. */
const said = (before: ImageStatus, after: ImageStatus, ended: ReadonlyArray<Copy> = []): ReadonlyArray<string> =>
  eventsOf(before, after, ended).map(({ note, reason, type }) => `${type} ${reason}: ${note}`)

const statusOf = (reason: string, ready: "True" | "False" | "Unknown", more: ImageStatus = {}): ImageStatus => ({
  ...more,
  conditions: [condition("Ready", ready, { reason, message: `says ${reason}` }), ...(more.conditions ?? [])]
})
const stalledBy = (reason: string): ImageStatus =>
  statusOf(reason, "False", { conditions: [condition("Stalled", "True", { reason, message: `says ${reason}` })] })
const checkFailure = (reason: FailedCheck["reason"], attempts = 1): FailedCheck => ({
  attempts,
  nextAttemptAt: at(0),
  reason,
  message: "no answer"
})
const COPYING = statusOf("Copying", "Unknown")
const copiesOf = (count: number) => Array.from({ length: count }, (_, index) => copyOf(`1.${index}`, A, SUCCEEDED))

describe("the Events of a status", () => {
  const rows: ReadonlyArray<
    readonly [
      what: string,
      before: ImageStatus,
      after: ImageStatus,
      expected: ReadonlyArray<string>,
      ended?: ReadonlyArray<Copy>
    ]
  > = [
    ["the first status of an Image whose copies are under way", {}, COPYING, []],
    ["a copy that has ended", COPYING, READY, ["Normal Copied: copied 1 tag to registry.corp/app: 1.0"], copiesOf(1)],
    [
      "seven copies that have ended",
      COPYING,
      READY,
      ["Normal Copied: copied 7 tags to registry.corp/app: 1.0, 1.1, 1.2, 1.3, 1.4 and 2 more"],
      copiesOf(7)
    ],
    [
      "a copy that has ended, beside a copy that a killed process has recorded",
      { ...COPYING, history: [{ performedAt: at(-5 * SECOND), tag: "1.0", digest: A }] },
      READY,
      ["Normal Copied: copied 1 tag to registry.corp/app: 1.1"],
      copiesOf(2)
    ],
    [
      "a copy that a killed process has recorded, and whose end its Job says three seconds later",
      { ...COPYING, history: [{ performedAt: at(-8 * SECOND), tag: "1.0", digest: A }] },
      READY,
      [],
      copiesOf(1)
    ],
    ["a copy of a tag that was present", COPYING, READY, [], [copyOf("1.0", A, { _tag: "Present", at: 0, digest: A })]],
    [
      "failed copies, by reason",
      COPYING,
      statusOf("Unreachable", "False", {
        failures: [failureOf("1.0"), failureOf("1.1"), failureOf("1.2", { reason: "OOMKilled", message: "killed" })]
      }),
      ["Warning CopyFailed: 1.0, 1.1: Unreachable: no answer", "Warning CopyFailed: 1.2: OOMKilled: killed"],
      [copyOf("1.0", A, failed())]
    ],
    [
      "a copy that fails again",
      statusOf("Unreachable", "False", { failures: [failureOf("1.0")] }),
      statusOf("Unreachable", "False", { failures: [failureOf("1.0", { attempts: 2 })] }),
      []
    ],
    [
      "a copy that fails again for another reason",
      statusOf("Unreachable", "False", { failures: [failureOf("1.0")] }),
      statusOf("OOMKilled", "False", { failures: [failureOf("1.0", { reason: "OOMKilled" })] }),
      ["Warning CopyFailed: 1.0: OOMKilled: no answer"]
    ],
    [
      "a tag that another Image's copy writes",
      COPYING,
      statusOf("DestinationBusy", "Unknown", { failures: [failureOf("1.0", { reason: "DestinationBusy" })] }),
      []
    ],
    [
      "a failed check",
      READY,
      statusOf("Unreachable", "False", { checkFailure: checkFailure("Unreachable") }),
      ["Warning CheckFailed: Unreachable: no answer"]
    ],
    [
      "a check that fails again",
      statusOf("Unreachable", "False", { checkFailure: checkFailure("Unreachable") }),
      statusOf("Unreachable", "False", { checkFailure: checkFailure("Unreachable", 2) }),
      []
    ],
    [
      "a check that fails again for another reason",
      statusOf("Unreachable", "False", { checkFailure: checkFailure("Unreachable") }),
      statusOf("RateLimited", "False", { checkFailure: checkFailure("RateLimited") }),
      ["Warning CheckFailed: RateLimited: no answer"]
    ],
    ["an invalid spec", READY, stalledBy("InvalidPattern"), ["Warning Stalled: InvalidPattern: says InvalidPattern"]],
    [
      "a credential that a person has to correct",
      READY,
      { ...stalledBy("SecretNotFound"), checkFailure: checkFailure("SecretNotFound") },
      ["Warning Stalled: SecretNotFound: says SecretNotFound"]
    ],
    ["a spec that stays invalid", stalledBy("InvalidPattern"), stalledBy("InvalidPattern"), []],
    [
      "a claimed tag",
      READY,
      statusOf("DestinationClaimed", "False"),
      ["Warning DestinationClaimed: says DestinationClaimed"]
    ],
    [
      "a claimed exact tag, which is not reported twice",
      READY,
      stalledBy("DestinationClaimed"),
      ["Warning DestinationClaimed: says DestinationClaimed"]
    ],
    [
      "another claimed tag",
      statusOf("DestinationClaimed", "False"),
      { conditions: [condition("Ready", "False", { reason: "DestinationClaimed", message: "two tags" })] },
      []
    ],
    [
      "a pattern that no tag matches",
      COPYING,
      statusOf("NoTagMatches", "False"),
      ["Warning NotReady: NoTagMatches: says NoTagMatches"]
    ],
    ["a pattern that still matches no tag", statusOf("NoTagMatches", "False"), statusOf("NoTagMatches", "False"), []],
    [
      "an Image whose first check finds too many tags",
      {},
      statusOf("TooManyTags", "False"),
      ["Warning NotReady: TooManyTags: says TooManyTags"]
    ],
    [
      "a failed check that is followed by a tag without a platform",
      statusOf("Unreachable", "False", { checkFailure: checkFailure("Unreachable") }),
      statusOf("PlatformMissing", "False"),
      ["Warning NotReady: PlatformMissing: says PlatformMissing"]
    ],
    [
      "a copy that fails because of a platform, which is not reported twice",
      COPYING,
      statusOf("PlatformMissing", "False", { failures: [failureOf("1.0", { reason: "PlatformMissing" })] }),
      ["Warning CopyFailed: 1.0: PlatformMissing: no answer"]
    ],
    ["an Image that recovers", statusOf("Unreachable", "False"), READY, ["Normal Recovered: as before"]],
    [
      "an Image that recovers and has copies to make",
      stalledBy("InvalidPattern"),
      COPYING,
      ["Normal Recovered: says Copying"]
    ],
    [
      "a check that succeeds after a failed one, of an Image that stayed Ready",
      { ...READY, checkFailure: checkFailure("Unreachable") },
      READY,
      ["Normal Recovered: as before"]
    ],
    ["a status that does not change", READY, READY, []]
  ]
  for (const [what, before, after, expected, ended] of rows) {
    it(`the Events of ${what}`, () => {
      assert.deepStrictEqual(said(before, after, ended), expected)
    })
  }

  it("a note has at most 1,024 bytes", () => {
    const long = { failures: [failureOf("1.0", { message: "é".repeat(4_000) })] }
    const [event] = eventsOf(COPYING, statusOf("Unreachable", "False", long), [])
    const { length } = new TextEncoder().encode(event?.note)
    assert.isAtMost(length, 1_024)
    assert.isAbove(length, 1_020)
  })

  it("a change of suspend is an Event, and no change is none", () => {
    const reasons = (before: boolean, after: boolean) => suspensionOf(before, after).map(({ reason }) => reason)
    assert.deepStrictEqual(reasons(false, true), ["Suspended"])
    assert.deepStrictEqual(reasons(true, false), ["Resumed"])
    assert.deepStrictEqual([...reasons(true, true), ...reasons(false, false)], [])
  })
})
