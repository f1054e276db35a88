import { assert, describe, it } from "@effect/vitest"
import type { Copy } from "../../../src/domain/Copy.ts"
import type { ObservedTag } from "../../../src/domain/plan/facts.ts"
import type { ImageStatus } from "../../../src/domain/Image.ts"
import { sameStatus } from "../../../src/domain/plan/status.ts"
import {
  A,
  at,
  B,
  blockedOf,
  C,
  COPYING,
  copyOf,
  digest,
  decisionOf,
  existing,
  failureOf,
  HOUR,
  imageOf,
  MINUTE,
  NOW,
  observedOf,
  observedTag,
  PATTERN,
  READY,
  RECURRENT_PATTERN,
  SECOND,
  situationOf,
  SUCCEEDED
} from "./fixtures.ts"

describe("the history", () => {
  const entries = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ performedAt: at(-HOUR - i * MINUTE), tag: `0.${i}`, digest: B }))
  const historyOf = (history: ImageStatus["history"], copies: ReadonlyArray<Copy>) =>
    decisionOf(
      situationOf(
        imageOf({ ...PATTERN, status: { ...READY, ...(history === undefined ? {} : { history }) } }),
        [existing("1.1")],
        copies
      )
    ).status.history

  it("the history has the newest copies first, at most 20", () => {
    const history = historyOf(entries(20), [copyOf("1.1", A, SUCCEEDED)])
    assert.deepStrictEqual(history, [{ performedAt: at(-5 * SECOND), tag: "1.1", digest: A }, ...entries(19)])
  })

  it("the history has a copy once, however often it is reported", () => {
    const copies = [copyOf("1.1", A, SUCCEEDED)]
    const once = historyOf([], copies)
    assert.strictEqual(once?.length, 1)
    assert.deepStrictEqual(historyOf(once, copies), once)
  })

  it("the history of an earlier release, which is unbounded with the oldest first, is cut to the newest", () => {
    assert.deepStrictEqual(historyOf(entries(300).toReversed(), []), entries(20))
  })
})

describe("the plan", () => {
  const planOf = (situation: Parameters<typeof decisionOf>[0]) => decisionOf(situation).status.plan
  const subset = { source: A, platforms: "linux/amd64", digest: B }
  const some: ObservedTag = { tag: "1.1", exists: true, desired: C, sourceDigest: A }

  it.each<readonly [what: string, tag: ObservedTag, status: ImageStatus, reason: string | undefined]>([
    ["is missing", observedTag("1.1", A), {}, "Missing"],
    ["has moved", observedTag("1.1", A, B), READY, "Moved"],
    ["has all platforms, and is to have some", { ...some, actual: A }, READY, "PlatformsChanged"],
    ["has other platforms", { ...some, actual: B }, { ...READY, subsets: [subset] }, "PlatformsChanged"],
    [
      "has some platforms, and is to have all",
      observedTag("1.1", A, B),
      { ...READY, subsets: [subset] },
      "PlatformsChanged"
    ],
    ["lacks a referrer", { ...observedTag("1.1", A, A), referrersMissing: true }, READY, "ReferrersMissing"],
    ["has failed", observedTag("1.1", A), { ...COPYING, failures: [failureOf("1.1")] }, "Retry"],
    ["is in sync", observedTag("1.1", A, A), READY, undefined],
    [
      "cannot be copied",
      { tag: "1.1", exists: false, problem: { reason: "PlatformMissing", message: "" } },
      READY,
      undefined
    ]
  ])("a tag that %s is planned with its reason and the source's digest", (_, tag, status, reason) => {
    const plan = planOf(situationOf(imageOf({ ...RECURRENT_PATTERN, status }), [tag]))
    const expected = reason === undefined ? undefined : { copies: 1, tags: [{ tag: "1.1", reason, digest: A }] }
    assert.deepStrictEqual(plan, expected)
  })

  it("the plan counts all copies and names the first 20, and a copy that has arrived is not planned", () => {
    const image = imageOf({ ...PATTERN, status: COPYING })
    const tags = Array.from({ length: 1_000 }, (_, index) => observedTag(`1.${index}`, A))
    const plan = planOf(situationOf(image, tags, [copyOf("1.0", A, SUCCEEDED)], { fresh: false }))
    assert.strictEqual(plan?.copies, 999)
    assert.deepStrictEqual(
      plan?.tags.map(({ tag }) => tag),
      Array.from({ length: 20 }, (_, index) => `1.${index + 1}`)
    )
  })

  it("tags on which others depend are planned too", () => {
    const observed = { companions: [observedTag("sha256-a.sig", B)] }
    const plan = planOf(
      situationOf(imageOf(PATTERN), [], [], {
        observed: observedOf([{ ...observedTag("1.1", A), dependsOn: ["sha256-a.sig"] }], observed)
      })
    )
    assert.deepStrictEqual(
      plan?.tags.map(({ tag }) => tag),
      ["sha256-a.sig", "1.1"]
    )
  })

  const planned = { copies: 3, tags: [{ tag: "1.1", reason: "Missing", digest: A }] }
  it.each<readonly [what: string, generation: number, expected: ImageStatus["plan"]]>([
    ["stays while a check fails", 1, planned],
    ["of an earlier spec does not", 2, undefined]
  ])("a plan %s", (_, generation, expected) => {
    const image = imageOf({ ...PATTERN, generation, status: { ...COPYING, plan: planned } })
    assert.deepStrictEqual(blockedOf(image).status.plan, expected)
  })
})

describe("statuses", () => {
  const { conditions = [], ...rest } = COPYING
  it.each<readonly [what: string, other: ImageStatus, same: boolean]>([
    ["if they are equal", structuredClone(COPYING), true],
    [
      "whatever the order of their fields",
      { ...Object.fromEntries(Object.entries(rest).toReversed()), conditions },
      true
    ],
    ["whatever the order of their conditions", { ...rest, conditions: conditions.toReversed() }, true],
    ["not if a time moved", { ...COPYING, lastCheckedAt: at(0) }, false],
    ["not if a condition went", { ...rest, conditions: conditions.slice(1) }, false],
    ["not if a message changed", { ...rest, conditions: conditions.map((one) => ({ ...one, message: "new" })) }, false],
    ["not if a field went", { conditions }, false]
  ])("two statuses are equal: %s", (_, other, same) => {
    assert.strictEqual(sameStatus(COPYING, other), same)
    assert.strictEqual(sameStatus(other, COPYING), same)
  })

  it("two statuses differ if the order of the history changed", () => {
    const history = [{ performedAt: at(0) }, { performedAt: at(-1) }, { performedAt: at(-MINUTE) }]
    assert.isFalse(sameStatus({ history }, { history: history.toReversed() }))
    assert.isTrue(sameStatus({}, {}))
  })
})

describe("the size of a status", () => {
  it("the largest status has less than a third of the 1.5 MB that etcd takes of an object", () => {
    const euros = "€".repeat(10_000)
    const name = (index: number) => `${index}-`.padEnd(128, "x")
    const platforms = Array.from({ length: 32 }, (_, index) => `linux/${String(index).padEnd(58, "p")}`).join(",")
    const before: ImageStatus = {
      ...READY,
      history: Array.from({ length: 300 }, (_, index) => ({ performedAt: at(0), tag: name(index), digest: A })),
      subsets: Array.from({ length: 300 }, (_, index) => ({ source: digest(`${index % 10}`), platforms, digest: B }))
    }
    const image = imageOf({ ...PATTERN, status: before, requestedAt: "r".repeat(10_000) })
    const tags = Array.from({ length: 10_000 }, (_, index) => ({ ...observedTag(name(index), A), sourceDigest: A }))
    const failed = tags
      .slice(0, 300)
      .map(({ tag }) => copyOf(tag, A, { _tag: "Failed", at: NOW, reason: "Unreachable", message: euros }))
    const warnings = (["CredentialsUnbound", "CredentialsWithheld", "RegistryWarning"] as const).map((type) => ({
      type,
      reason: "RegistryNotice" as const,
      message: euros
    }))
    const subsets = tags.map(({ tag }) => ({ source: tag.slice(0, 71), platforms, digest: B }))
    const observed = observedOf(tags, { subsets, listed: 10_000 })
    const { status } = decisionOf(situationOf(image, tags, failed, { observed, warnings }))
    assert.lengthOf(status.failures ?? [], 20)
    assert.lengthOf(status.plan?.tags ?? [], 20)
    const bytes = Buffer.byteLength(JSON.stringify(status))
    assert.isAbove(bytes, 150_000)
    assert.isBelow(bytes, 500_000)
    assert.isBelow(JSON.stringify(status.subsets).length, 120_000)
  })
})
