import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { conditionOf } from "../../src/domain/Conditions.ts"
import type { Copy, CopyState } from "../../src/domain/Copy.ts"
import type { FailedCopy, ImageStatus } from "../../src/domain/Image.ts"
import type { Mirror } from "../../src/domain/Mirror.ts"
import type { Reason } from "../../src/domain/Reason.ts"
import {
  decide,
  type Facts,
  awaitingIn,
  type Decision,
  type Look,
  nextLook,
  sameStatus,
  setBack,
  stall,
  type TagLook,
  type Warning,
  suspend
} from "../../src/domain/Plan.ts"
import {
  A,
  at,
  B,
  C,
  condition,
  conditionsIn,
  copyOf,
  COPYING,
  digest,
  factsOf,
  failed,
  failureOf,
  HOUR,
  imageOf,
  lookOf,
  MINUTE,
  nextIn,
  NOW,
  present,
  READY,
  RUNNING,
  SECOND,
  mirrorOf,
  startedIn,
  SUCCEEDED,
  tagLook,
  type Written
} from "./Plan.fixtures.ts"
import { endpoint, platforms } from "../support/endpoints.ts"

const EXACT: Written = { mode: "OneShot", version: "1.27" }
const PINNED: Written = { mode: "OneShot", version: `1.27@${A}` }
const PATTERN: Written = { mode: "OneShot", version: "1.x" }
const RANGE: Written = { mode: "OneShot", version: "^1.0.0" }
const RECURRENT: Written = { mode: "Recurrent", version: "1.27" }
const RECURRENT_PATTERN: Written = { mode: "Recurrent", version: "1.x" }

const COPYING_CONDITIONS = ["Ready=Unknown Copying", "Reconciling=True Copying"]
const COPIED = ["Ready=True Copied"]
const UNBOUND: Warning = { type: "CredentialsUnbound", reason: "CredentialsNotBound", message: "bind them" }

describe("what is done with a tag", () => {
  const missing = tagLook("1.27", A)
  const same = tagLook("1.27", A, A)
  const other = tagLook("1.27", A, B)
  it.each<readonly [mode: string, written: Written, there: string, tag: TagLook, started: string, tags: string]>([
    ["OneShot tag", EXACT, "missing", missing, "1.27@a", "0/1"],
    ["OneShot tag", EXACT, "the same", same, "", "1/1"],
    ["OneShot tag", EXACT, "another digest", other, "1.27@a", "0/1"],
    ["OnceByTag tag", { ...EXACT, mode: "OnceByTag" }, "another digest", other, "1.27@a", "0/1"],
    ["OneShot tag@digest", PINNED, "missing", missing, "1.27@a", "0/1"],
    ["OneShot tag@digest", PINNED, "another digest", other, "1.27@a", "0/1"],
    ["OneShot pattern", PATTERN, "missing", missing, "1.27@a", "0/1"],
    ["OneShot pattern", PATTERN, "there", present("1.27"), "", "1/1"],
    ["OneShot pattern", PATTERN, "another digest: never overwritten", other, "", "1/1"],
    ["OneShot range", RANGE, "missing", missing, "1.27@a", "0/1"],
    ["OneShot range", RANGE, "another digest: never overwritten", other, "", "1/1"],
    ["Recurrent tag", RECURRENT, "missing", missing, "1.27@a", "0/1"],
    ["Recurrent tag", RECURRENT, "the same", same, "", "1/1"],
    ["Recurrent tag", RECURRENT, "another digest", other, "1.27@a", "0/1"],
    ["Recurrent pattern", RECURRENT_PATTERN, "missing", missing, "1.27@a", "0/1"],
    ["Recurrent pattern", RECURRENT_PATTERN, "the same", same, "", "1/1"],
    ["Recurrent pattern", RECURRENT_PATTERN, "another digest", other, "1.27@a", "0/1"]
  ])("%s (%j), at the destination %s", (_, written, __, tag, started, tags) => {
    const decision = decide(factsOf(imageOf(written), [tag]))
    assert.strictEqual(startedIn(decision).join(), started)
    assert.strictEqual(decision.status.tags, tags)
    assert.deepStrictEqual(conditionsIn(decision.status), started === "" ? COPIED : COPYING_CONDITIONS)
    assert.deepStrictEqual(decision.look === undefined, started === "", "a look is kept while copies are to be made")
    assert.strictEqual(decision.status.lastCheckedAt, at(0))
  })

  it("asks of the engine exactly what was decided on", () => {
    const image = imageOf(EXACT)
    const tlsVerify = { source: false, destination: true }
    const selected = mirrorOf(image)
    const mirror: Mirror = {
      ...selected,
      destination: { ...selected.destination, credentials: { _tag: "Secret", name: "push" } }
    }
    assert.deepStrictEqual(decide(factsOf(image, [missing], [], { tlsVerify, mirror })).start, [
      {
        image: { namespace: "team-a", name: "app", uid: "uid-1" },
        generation: 1,
        source: endpoint("quay.io", "team/app", { tlsVerify: false }),
        digest: A,
        platforms: [],
        destinationDigest: A,
        referrers: false,
        destination: endpoint("registry.corp", "app", { credentials: { _tag: "Secret", name: "push" } }),
        tag: "1.27",
        onlyIfMissing: false
      }
    ])
  })

  it.each<readonly [mode: string, written: Written, onlyIfMissing: boolean]>([
    ["OneShot tag", EXACT, false],
    ["OneShot tag@digest", PINNED, false],
    ["OneShot pattern", PATTERN, true],
    ["OneShot range", RANGE, true],
    ["Recurrent tag", RECURRENT, false],
    ["Recurrent pattern", RECURRENT_PATTERN, false]
  ])(
    "%s: whether the copy leaves a tag as it is that has come to the destination meanwhile",
    (_, written, expected) => {
      const [task] = decide(factsOf(imageOf(written), [missing])).start
      assert.strictEqual(task?.onlyIfMissing, expected)
    }
  )
})

describe("a suspended Image", () => {
  const limited: CopyState = { _tag: "Waiting", reason: "docker.io: 0 of 100 pulls are left", limited: true }
  const tags = [tagLook("1.1", A), tagLook("1.2", A), tagLook("1.3", A), tagLook("1.4", A)]
  const before: ImageStatus = {
    ...COPYING,
    tags: "0/4",
    failures: [failureOf("1.1", { attempts: 2 }), failureOf("1.3")],
    history: [{ performedAt: at(-HOUR), tag: "1.0", digest: B }]
  }
  const image = imageOf({ ...PATTERN, suspend: true, generation: 2, status: before })

  it("starts nothing, stops what waits, and lets end what runs; nothing is written", () => {
    const [runs, waits, waitsForRegistry] = [
      copyOf("1.2", A, RUNNING),
      copyOf("1.3", A, { _tag: "Waiting", reason: "room" }),
      copyOf("1.4", A, limited)
    ]
    const decision = decide(factsOf(image, tags, [runs, waits, waitsForRegistry]))
    assert.deepStrictEqual([decision.start, decision.cancel], [[], [waits, waitsForRegistry]])
    assert.strictEqual(decision.status, image.status)
    assert.strictEqual(nextIn(decision.next), "Never Suspended")
    assert.deepStrictEqual(decision.look?.tags, tags, "by which tags are counted when the copy ends")
  })

  it("stops what runs for an earlier Image of its name", () => {
    const other = copyOf("1.2", A, RUNNING, { image: { namespace: "team-a", name: "app", uid: "uid-0" } })
    assert.deepStrictEqual(decide(factsOf(image, tags, [other])).cancel, [other])
  })

  it("lets end what runs to where it copied before", () => {
    const other = copyOf("1.2", A, RUNNING, { destination: endpoint("registry.corp", "old") })
    assert.deepStrictEqual(decide(factsOf(image, tags, [other])).cancel, [])
  })

  it("has recorded how copies ended, and nothing else written", () => {
    const copies = [
      copyOf("1.1", A, SUCCEEDED),
      copyOf("1.2", A, failed("Unreachable", "no route")),
      copyOf("1.3", A, { _tag: "Present", at: NOW, digest: B }),
      copyOf("1.4", A, RUNNING)
    ]
    const decision = decide(factsOf(image, tags, copies, { looked: false }))
    assert.deepStrictEqual(decision.release, copies.slice(0, 3))
    assert.deepStrictEqual(decision.status, {
      ...before,
      tags: "2/4",
      failures: [
        failureOf("1.2", { copy: "1.2-1", reason: "Unreachable", message: "no route", nextAttemptAt: at(10 * SECOND) })
      ],
      history: [
        { performedAt: at(-5 * SECOND), tag: "1.1", digest: A },
        { performedAt: at(-HOUR), tag: "1.0", digest: B }
      ]
    })
    // The next copy that ends is counted on top.
    const later = { ...image, status: decision.status }
    const last = factsOf(later, decision.look?.tags ?? [], [copyOf("1.4", A, SUCCEEDED)], { looked: false })
    assert.strictEqual(decide(last).status.tags, "3/4")
    assert.isUndefined(decide(last).look)
  })

  it("has recorded how copies ended without a word on its tags, when no check is remembered", () => {
    const copies = [copyOf("1.1", A, SUCCEEDED), copyOf("1.2", A, failed())]
    const decision = suspend({ now: NOW, image, mirror: mirrorOf(image), copies })
    assert.deepStrictEqual(decision.release, copies)
    assert.strictEqual(decision.status.tags, "0/4")
    assert.deepStrictEqual(
      decision.status.failures?.map(({ attempts, tag }) => [tag, attempts]),
      [
        ["1.3", 1],
        ["1.2", 1]
      ]
    )
    assert.strictEqual(decision.status.history?.[0]?.tag, "1.1")
    // A crash before the release has the same copies come again.
    const again = suspend({
      now: NOW,
      image: { ...image, status: decision.status },
      mirror: mirrorOf(image),
      copies
    })
    assert.deepStrictEqual(again.status, decision.status)
  })
})

describe("signatures that are tags of their own", () => {
  const SIG = "sha256-a.sig"
  const missing = tagLook("1.27", A)
  const same = tagLook("1.27", A, A)
  const facts = (tag: TagLook, beside: TagLook, written: Written = EXACT, copies: ReadonlyArray<Copy> = []) =>
    factsOf(imageOf(written), [], copies, { look: lookOf([{ ...tag, after: [SIG] }], { beside: [beside] }) })

  it.each<readonly [what: string, tag: TagLook, beside: TagLook, started: string, tags: string]>([
    ["both are missing: the signature first", missing, tagLook(SIG, B), `${SIG}@b`, "0/1"],
    ["the signature is there: the tag follows", missing, tagLook(SIG, B, B), "1.27@a", "0/1"],
    ["a signature that came later", same, tagLook(SIG, B), `${SIG}@b`, "0/1"],
    ["signed again", same, tagLook(SIG, B, C), `${SIG}@b`, "0/1"],
    ["all is there: signatures are no tags that anybody selected", same, tagLook(SIG, B, B), "", "1/1"]
  ])("%s", (_, tag, beside, started, tags) => {
    const decision = decide(facts(tag, beside))
    assert.strictEqual(startedIn(decision).join(), started)
    assert.strictEqual(decision.status.tags, tags)
    assert.deepStrictEqual(conditionsIn(decision.status), started === "" ? COPIED : COPYING_CONDITIONS)
  })

  it("are copied whole, and nothing beside them", () => {
    const image = imageOf(EXACT)
    const mirror = { ...mirrorOf(image), referrers: true, platforms: platforms("linux/arm64") }
    const tasks = (beside: TagLook) =>
      decide({ ...facts(missing, beside), mirror }).start.map((task) => [task.platforms, task.referrers])
    assert.deepStrictEqual(tasks(tagLook(SIG, B)), [[[], false]])
    assert.deepStrictEqual(tasks(tagLook(SIG, B, B)), [[platforms("linux/arm64"), true]])
  })

  it("move in every mode: a signature that is added makes another manifest of them", () => {
    assert.deepStrictEqual(startedIn(decide(facts(present("1.27"), tagLook(SIG, B, C), PATTERN))), [`${SIG}@b`])
  })

  it("once brought, let the tag follow without another look", () => {
    const brought = copyOf(SIG, B, SUCCEEDED)
    const decision = decide({ ...facts(missing, tagLook(SIG, B), EXACT, [brought]), looked: false })
    assert.deepStrictEqual(startedIn(decision), ["1.27@a"])
    assert.deepStrictEqual(decision.release, [brought])
    assert.isTrue(decision.look?.beside?.every(({ found }) => found === B))
  })

  it("that fail hold their tag back, and say why", () => {
    const decision = decide(facts(missing, tagLook(SIG, B), EXACT, [copyOf(SIG, B, failed("Unreachable", "no route"))]))
    assert.deepStrictEqual(startedIn(decision), [])
    assert.include(decision.status.conditions?.[0]?.message ?? "", `0 of 1 tag is copied; ${SIG} failed: no route`)
    assert.strictEqual(nextIn(decision.next), "Retry +10s")
  })

  it("do not stop a copy that runs already", () => {
    const runs = copyOf("1.27", A, RUNNING)
    const decision = decide(facts(missing, tagLook(SIG, B), EXACT, [runs]))
    assert.deepStrictEqual(startedIn(decision), [`${SIG}@b`, "1.27@a"])
    assert.deepStrictEqual(decision.cancel, [])
  })

  it.each<readonly [what: string, written: Written, reason: Reason, next: string]>([
    ["a OneShot tag", EXACT, "Unreachable", "Never AwaitingCopies"],
    ["a Recurrent tag", RECURRENT, "Unreachable", "Frequency"],
    ["a Recurrent tag that a registry put off", RECURRENT, "RateLimited", "Frequency"],
    ["a pattern", PATTERN, "Unreachable", "Frequency"]
  ])("while they are copied, let no earlier failure of their tag ask for a check: %s", (_, written, reason, next) => {
    const failures = [failureOf("1.27", { reason, nextAttemptAt: at(-MINUTE) })]
    const image = imageOf({ ...written, status: { ...COPYING, failures } })
    const look = lookOf([{ ...missing, after: [SIG] }], { beside: [tagLook(SIG, B)] })
    for (const copies of [[], [copyOf(SIG, B, RUNNING)]]) {
      const decision = decide(factsOf(image, [], copies, { look, looked: false }))
      assert.deepStrictEqual(startedIn(decision), [`${SIG}@b`])
      assert.match(nextIn(decision.next), new RegExp(`^${next}`, "u"))
    }
  })

  it("that failed, and whose time has not come, let no earlier failure of their tag ask for a check", () => {
    const failures = [failureOf("1.27", { nextAttemptAt: at(-MINUTE) }), failureOf(SIG, { digest: B })]
    const image = imageOf({ ...EXACT, status: { ...COPYING, failures } })
    const look = lookOf([{ ...missing, after: [SIG] }], { beside: [tagLook(SIG, B)] })
    const decision = decide(factsOf(image, [], [], { look, looked: false }))
    assert.deepStrictEqual([startedIn(decision), nextIn(decision.next)], [[], "Retry +10s"])
  })

  it("are written over what the destination has, whatever the mode", () => {
    assert.deepStrictEqual(
      decide(facts(missing, tagLook(SIG, B, C), PATTERN)).start.map(({ onlyIfMissing, tag }) => [tag, onlyIfMissing]),
      [[SIG, false]]
    )
  })

  it("that wait to be copied when they have come by another way are not copied", () => {
    const waits = copyOf(SIG, B, { _tag: "Waiting", reason: "room" })
    assert.deepStrictEqual(decide(facts(missing, tagLook(SIG, B, B), EXACT, [waits])).cancel, [waits])
    assert.deepStrictEqual(decide(facts(missing, tagLook(SIG, B, C), EXACT, [waits])).cancel, [])
  })

  it("hold back their own tag only", () => {
    const look = lookOf([{ ...tagLook("1.1", A), after: [SIG] }, tagLook("1.2", C)], { beside: [tagLook(SIG, B)] })
    const decision = decide(factsOf(imageOf(PATTERN), [], [], { look }))
    assert.deepStrictEqual(startedIn(decision), [`${SIG}@b`, "1.2@c"])
    assert.strictEqual(decision.status.tags, "0/2")
  })
})

describe("when an Image is looked at: the first rule that speaks", () => {
  const NONE = new Set<string>()
  const next = (
    written: Written,
    options: { now?: number; hasLook?: boolean; underWay?: ReadonlySet<string> } = {}
  ) => {
    const image = imageOf(written)
    const { hasLook = false, now = NOW, underWay = NONE } = options
    return nextLook({ now, image, mirror: mirrorOf(image), hasLook, underWay })
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

  it.each<readonly [what: string, written: Written, hasLook: boolean, expected: string]>([
    ["suspended, even if never looked at", { ...EXACT, suspend: true }, false, "Never Suspended"],
    [
      "suspended, even if changed",
      { ...RECURRENT, suspend: true, generation: 2, status: READY },
      false,
      "Never Suspended"
    ],

    ["never looked at", EXACT, false, "Changed +0s"],
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
      "stalled before it was ever looked at",
      { ...EXACT, status: { conditions: [condition("Ready", "False"), condition("Stalled", "True")] } },
      false,
      "Changed +0s"
    ],
    [
      "stalled once, and no longer a mistake",
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
      "set back, by a process that is gone",
      { ...RECURRENT, status: setBack(imageOf({ status: READY }), { reason: "Unreachable", message: "" }, NOW) },
      false,
      "Resumed +0s"
    ],

    ["a OneShot tag that failed", { ...EXACT, status: failing(at(10 * SECOND)) }, true, "Retry +10s"],
    ["a OneShot tag that failed long ago", { ...EXACT, status: failing(at(-10 * SECOND)) }, true, "Retry -10s"],
    ["a pattern with a failure before its time", { ...PATTERN, status: failing(at(10 * SECOND)) }, true, "Retry +10s"],
    ["a clock that was set back before a retry", { ...EXACT, status: failing(at(24 * HOUR)) }, true, "Retry +0s"]
  ])("%s", (_, written, hasLook, expected) => {
    assert.strictEqual(nextIn(next(written, { hasLook })), expected)
  })

  it("waits for the copy of a OneShot tag, and for nothing that is not under way", () => {
    const copying = { ...EXACT, status: COPYING }
    const underWay = new Set(["1.27"])
    assert.strictEqual(nextIn(next(copying, { hasLook: true, underWay })), "Never AwaitingCopies")
    assert.match(nextIn(next(copying, { hasLook: true })), /^Frequency /u)
  })

  it("leaves a failure alone while its tag is copied again", () => {
    const underWay = new Set(["1.27"])
    assert.strictEqual(
      nextIn(next({ ...EXACT, status: failing(at(0)) }, { hasLook: true, underWay })),
      "Never AwaitingCopies"
    )
    assert.strictEqual(next({ ...PATTERN, status: failing(at(0)) }, { hasLook: true, underWay })._tag, "At")
  })

  it.each<readonly [what: string, written: Written]>([
    ["a Recurrent tag", RECURRENT],
    ["a OneShot pattern", PATTERN],
    ["a OneShot range", RANGE],
    ["a Recurrent pattern", RECURRENT_PATTERN]
  ])("every frequency: %s, spread over at most 5 %%, always the same", (_, written) => {
    const delays = new Set<number>()
    for (let i = 0; i < 200; i++) {
      const look = next({ ...written, uid: `uid-${i}`, status: READY })
      assert.deepStrictEqual(look, next({ ...written, uid: `uid-${i}`, status: READY }))
      if (look._tag !== "At") return assert.fail(nextIn(look))
      assert.strictEqual(look.why, "Frequency")
      const delay = look.millis - Date.parse(READY.lastCheckedAt ?? "")
      assert.isTrue(delay >= HOUR && delay <= 1.05 * HOUR, `${delay}`)
      delays.add(delay)
    }
    assert.isAbove(delays.size, 50)
  })

  it("at the frequency if that is before the retry", () => {
    const status = { ...failing(at(15 * MINUTE)), lastCheckedAt: at(-59 * MINUTE) }
    const look = next({ ...PATTERN, status }, { hasLook: true })
    assert.isTrue(look._tag === "At" && look.why === "Frequency" && look.millis < NOW + 15 * MINUTE)
  })

  it("again when nothing matched, for a tag may come", () => {
    const look = next({ ...PATTERN, status: withReady("False") })
    assert.isTrue(look._tag === "At" && look.why === "Frequency")
  })

  it("a clock that was set back does not put the next look out of reach", () => {
    const status = { ...READY, lastCheckedAt: at(24 * HOUR) }
    for (const now of [NOW, NOW + HOUR, NOW + 2 * HOUR]) {
      assert.deepStrictEqual(next({ ...RECURRENT, status }, { now }), { _tag: "At", millis: now, why: "Frequency" })
    }
  })

  it("a time that cannot be read is long ago", () => {
    const look = next({ ...RECURRENT, status: { ...READY, lastCheckedAt: "yesterday" } })
    assert.isTrue(look._tag === "At" && look.millis < NOW)
  })
})

describe("the conditions", () => {
  it.each<
    readonly [
      what: string,
      facts: Facts,
      conditions: ReadonlyArray<string>,
      observedGeneration: number | undefined,
      next: string
    ]
  >([
    ["in sync", factsOf(imageOf(EXACT), [tagLook("1.27", A, A)]), COPIED, 1, "Never Done"],
    [
      "new, and copying",
      factsOf(imageOf(EXACT), [tagLook("1.27", A)]),
      COPYING_CONDITIONS,
      undefined,
      "Never AwaitingCopies"
    ],
    [
      "a new generation, and copying",
      factsOf(imageOf({ ...EXACT, generation: 2, status: READY }), [tagLook("1.27", A)]),
      COPYING_CONDITIONS,
      1,
      "Never AwaitingCopies"
    ],
    [
      "once Ready, with a tag more",
      factsOf(imageOf({ ...RECURRENT_PATTERN, status: READY }), [tagLook("1.1", A, A), tagLook("1.2", A)]),
      ["Ready=True Copying", "Reconciling=True Copying"],
      1,
      "Frequency"
    ],
    [
      "failed, and waiting for the next attempt",
      factsOf(
        imageOf({ ...EXACT, status: COPYING }),
        [tagLook("1.27", A)],
        [copyOf("1.27", A, failed("AuthenticationFailed"))]
      ),
      ["Ready=False AuthenticationFailed", "Reconciling=True ProgressingWithRetry"],
      undefined,
      "Retry +10s"
    ],
    [
      "once Ready, and failed",
      factsOf(imageOf({ ...EXACT, status: READY }), [tagLook("1.27", A)], [copyOf("1.27", A, failed())]),
      ["Ready=False Unreachable", "Reconciling=True ProgressingWithRetry"],
      1,
      "Retry +10s"
    ],
    [
      "one failed, with others under way",
      factsOf(
        imageOf({ ...PATTERN, status: COPYING }),
        [tagLook("1.1", A), tagLook("1.2", A)],
        [copyOf("1.1", A, failed()), copyOf("1.2", A, RUNNING)]
      ),
      ["Ready=False Unreachable", "Reconciling=True Copying"],
      undefined,
      "Retry +10s"
    ],
    [
      "failed, and tried again",
      factsOf(
        imageOf({ ...EXACT, status: { ...COPYING, failures: [failureOf("1.27", { nextAttemptAt: at(-SECOND) })] } }),
        [tagLook("1.27", A)]
      ),
      ["Ready=False Unreachable", "Reconciling=True Copying"],
      undefined,
      "Never AwaitingCopies"
    ],
    ["nothing matches", factsOf(imageOf(PATTERN), []), ["Ready=False NoTagMatches"], 1, "Frequency"],
    [
      "credentials for anyone",
      factsOf(imageOf(EXACT), [tagLook("1.27", A, A)], [], { warnings: [UNBOUND] }),
      [...COPIED, "CredentialsUnbound=True CredentialsNotBound"],
      1,
      "Never Done"
    ],
    [
      "credentials for anyone, and nothing matches",
      factsOf(imageOf(PATTERN), [], [], { warnings: [UNBOUND] }),
      ["Ready=False NoTagMatches", "CredentialsUnbound=True CredentialsNotBound"],
      1,
      "Frequency"
    ],
    [
      "credentials that went elsewhere, and two words of registries",
      factsOf(imageOf(EXACT), [tagLook("1.27", A, A)], [], {
        warnings: [
          UNBOUND,
          { type: "RegistryWarning", reason: "RegistryNotice", message: "one" },
          { type: "CredentialsForwarded", reason: "CredentialsForwardedToThirdParty", message: "two" },
          { type: "RegistryWarning", reason: "RegistryNotice", message: "three" }
        ]
      }),
      [
        ...COPIED,
        "CredentialsUnbound=True CredentialsNotBound",
        "RegistryWarning=True RegistryNotice",
        "CredentialsForwarded=True CredentialsForwardedToThirdParty"
      ],
      1,
      "Never Done"
    ],
    [
      "credentials for anyone, and copying",
      factsOf(imageOf(EXACT), [tagLook("1.27", A)], [], { warnings: [UNBOUND] }),
      [...COPYING_CONDITIONS, "CredentialsUnbound=True CredentialsNotBound"],
      undefined,
      "Never AwaitingCopies"
    ]
  ])("%s", (_, facts, conditions, observedGeneration, next) => {
    const decision = decide(facts)
    assert.deepStrictEqual(conditionsIn(decision.status), conditions)
    assert.strictEqual(decision.status.observedGeneration, observedGeneration)
    assert.isTrue(nextIn(decision.next).startsWith(next), nextIn(decision.next))
    for (const { lastTransitionTime, observedGeneration: speaksOf } of decision.status.conditions ?? []) {
      assert.strictEqual(speaksOf, facts.image.generation)
      assert.isTrue(lastTransitionTime === at(0) || lastTransitionTime === at(-HOUR))
    }
  })

  it("move their time with the status alone", () => {
    const ready = (facts: Facts) => conditionOf(decide(facts).status, "Ready")
    const tags = [tagLook("1.27", A, A)]
    const stays = ready(factsOf(imageOf({ ...EXACT, generation: 2, status: READY }), tags))
    assert.deepStrictEqual([stays?.observedGeneration, stays?.lastTransitionTime], [2, at(-HOUR)])
    const moves = ready(factsOf(imageOf({ ...EXACT, status: COPYING }), tags))
    assert.strictEqual(moves?.lastTransitionTime, at(0))
    const otherReason = decide(factsOf(imageOf({ ...EXACT, status: COPYING }), [tagLook("1.27", A)])).status
    assert.strictEqual(conditionOf(otherReason, "Reconciling")?.lastTransitionTime, at(-HOUR))
  })

  it.each<readonly [what: string, facts: Facts, type: "Ready" | "Reconciling", message: string]>([
    ["one", factsOf(imageOf(EXACT), [tagLook("1.27", A, A)]), "Ready", "1 of 1 tag is copied"],
    ["many", factsOf(imageOf(PATTERN), [present("1.1"), present("1.2")]), "Ready", "2 of 2 tags are copied"],
    [
      "to come",
      factsOf(imageOf(PATTERN), [present("1.1"), tagLook("1.2", A)]),
      "Reconciling",
      "1 of 2 tags are copied; to come: 1.2"
    ],
    [
      "many to come",
      factsOf(
        imageOf(PATTERN),
        Array.from({ length: 8 }, (_, i) => tagLook(`1.${i}`, A))
      ),
      "Reconciling",
      "0 of 8 tags are copied; to come: 1.0, 1.1, 1.2, 1.3, 1.4 and 3 more"
    ],
    [
      "a failure",
      factsOf(
        imageOf(PATTERN),
        [present("1.1"), tagLook("1.2", A)],
        [copyOf("1.2", A, failed("Unreachable", "dial\ntcp"))]
      ),
      "Ready",
      "1 of 2 tags are copied; 1.2 failed: dial tcp"
    ],
    [
      "no match",
      factsOf(imageOf(PATTERN), [], [], { look: lookOf([], { listed: 7 }) }),
      "Ready",
      "no tag matches 1.x among the 7 of quay.io/team/app"
    ],
    [
      "no match, with the nearest",
      factsOf(imageOf(PATTERN), [], [], {
        look: lookOf([], {
          listed: 7,
          nearest: ["1.2.1", "1.2.2"].map((tag) => ({ tag, verdict: { selected: false, reason: "NotMatching" } }))
        })
      }),
      "Ready",
      "no tag matches 1.x among the 7 of quay.io/team/app; the nearest are 1.2.1, 1.2.2"
    ],
    [
      "a misspelt mode, in sync",
      factsOf(imageOf({ mode: "Reccurrent" }), [tagLook("1.27", A, A)]),
      "Ready",
      '1 of 1 tag is copied; spec.mode: "Reccurrent" runs as Recurrent; write Recurrent'
    ],
    [
      "a misspelt mode, copying",
      factsOf(imageOf({ mode: "Reccurrent" }), [tagLook("1.27", A)]),
      "Ready",
      '0 of 1 tag is copied; spec.mode: "Reccurrent" runs as Recurrent; write Recurrent'
    ],
    [
      "a misspelt mode, no match",
      factsOf(imageOf({ mode: "Reccurrent", version: "1.x" }), []),
      "Ready",
      'no tag matches 1.x among the 0 of quay.io/team/app; spec.mode: "Reccurrent" runs as Recurrent; write Recurrent'
    ],
    [
      "a range with a line break",
      factsOf(imageOf({ version: "^1.0.0\n" }), []),
      "Ready",
      "no tag matches ^1.0.0  among the 0 of quay.io/team/app"
    ]
  ])("say %s in one line", (_, facts, type, message) => {
    assert.strictEqual(conditionOf(decide(facts).status, type)?.message, message)
  })

  it("have messages that end", () => {
    const message = `${"x".repeat(3_998)}\u{1F419}\u{1F419}`
    const { status } = decide(
      factsOf(imageOf(EXACT), [tagLook("1.27", A)], [copyOf("1.27", A, failed("Unreachable", message))])
    )
    const text = conditionOf(status, "Ready")?.message ?? ""
    assert.isAtMost(text.length, 4_000)
    assert.isTrue(text.isWellFormed())
  })
})

describe("copies that ended", () => {
  it("well, bring the tag in sync without another look", () => {
    const image = imageOf({ ...RECURRENT, status: COPYING })
    const done = copyOf("1.27", A, SUCCEEDED)
    const decision = decide(factsOf(image, [tagLook("1.27", A, B)], [done], { looked: false }))
    assert.deepStrictEqual([decision.start, decision.cancel, decision.release], [[], [], [done]])
    assert.deepStrictEqual(conditionsIn(decision.status), COPIED)
    assert.strictEqual(decision.look, undefined)
    assert.strictEqual(decision.status.lastCheckedAt, COPYING.lastCheckedAt)
    assert.deepStrictEqual(decision.status.history, [{ performedAt: at(-5 * SECOND), tag: "1.27", digest: A }])
  })

  it("are kept in the look while others are to come", () => {
    const image = imageOf({ ...PATTERN, status: COPYING })
    const copies = [copyOf("1.1", A, SUCCEEDED), copyOf("1.2", A, RUNNING)]
    const decision = decide(factsOf(image, [tagLook("1.1", A), tagLook("1.2", A)], copies, { looked: false }))
    assert.deepStrictEqual(decision.look?.tags, [tagLook("1.1", A, A), tagLook("1.2", A)])
    assert.strictEqual(decision.status.tags, "1/2")
  })

  it("because the destination had the tag by then, make it one that is there, and no copy that was made", () => {
    const before = [failureOf("1.1")]
    const image = imageOf({ ...PATTERN, status: { ...COPYING, failures: before } })
    const kept = copyOf("1.1", A, { _tag: "Present", at: NOW - 5 * SECOND, digest: B })
    const decision = decide(factsOf(image, [tagLook("1.1", A)], [kept], { looked: false }))
    assert.deepStrictEqual([decision.start, decision.cancel, decision.release], [[], [], [kept]])
    assert.strictEqual(decision.status.tags, "1/1")
    assert.deepStrictEqual(conditionsIn(decision.status), COPIED)
    assert.deepStrictEqual([decision.status.history, decision.status.failures], [undefined, undefined])
  })

  it("because the destination had the tag by then, are made where the Image follows the tag by now", () => {
    const image = imageOf({ ...RECURRENT_PATTERN, status: COPYING })
    const kept = copyOf("1.1", A, { _tag: "Present", at: NOW - 5 * SECOND, digest: B })
    assert.deepStrictEqual(startedIn(decide(factsOf(image, [tagLook("1.1", A)], [kept], { looked: false }))), ["1.1@a"])
  })

  it("while the tag moved, are followed by another", () => {
    const image = imageOf({ ...RECURRENT, status: COPYING })
    const decision = decide(factsOf(image, [tagLook("1.27", B)], [copyOf("1.27", A, SUCCEEDED)], { looked: false }))
    assert.deepStrictEqual(startedIn(decision), ["1.27@b"])
    assert.deepStrictEqual(
      decision.status.history?.map((entry) => entry.digest),
      [A]
    )
  })

  it("before a fresh look, do not outweigh the digest that it found", () => {
    const image = imageOf({ ...RECURRENT, status: COPYING })
    const decision = decide(factsOf(image, [tagLook("1.27", A, B)], [copyOf("1.27", A, SUCCEEDED)]))
    assert.deepStrictEqual(startedIn(decision), ["1.27@a"])
  })

  it("before a fresh look, stand if that has not seen the tag yet: a listing may lag", () => {
    const image = imageOf({ ...PATTERN, status: COPYING })
    assert.deepStrictEqual(startedIn(decide(factsOf(image, [tagLook("1.1", A)], [copyOf("1.1", A, SUCCEEDED)]))), [])
  })

  it("for another Image of the same name, or to another destination, are let go and say nothing", () => {
    const copies = [
      copyOf("1.27", A, SUCCEEDED, { image: { namespace: "team-a", name: "app", uid: "uid-0" } }),
      copyOf("1.27", A, SUCCEEDED, { destination: endpoint("registry.corp", "old") }),
      copyOf("1.27", A, failed(), { destination: endpoint("old.corp", "app") })
    ]
    const decision = decide(factsOf(imageOf(EXACT), [tagLook("1.27", A)], copies))
    assert.deepStrictEqual(decision.release, copies)
    assert.deepStrictEqual(startedIn(decision), ["1.27@a"])
    assert.deepStrictEqual([decision.status.history, decision.status.failures], [undefined, undefined])
  })
})

describe("the history", () => {
  const entries = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ performedAt: at(-HOUR - i * MINUTE), tag: `0.${i}`, digest: B }))
  const historyOf = (history: ImageStatus["history"], copies: ReadonlyArray<Copy>) =>
    decide(
      factsOf(
        imageOf({ ...PATTERN, status: { ...READY, ...(history === undefined ? {} : { history }) } }),
        [present("1.1")],
        copies
      )
    ).status.history

  it("has the newest first, 20 at most", () => {
    const history = historyOf(entries(20), [copyOf("1.1", A, SUCCEEDED)])
    assert.deepStrictEqual(history, [{ performedAt: at(-5 * SECOND), tag: "1.1", digest: A }, ...entries(19)])
  })

  it("has a copy once, however often it is seen", () => {
    const copies = [copyOf("1.1", A, SUCCEEDED)]
    const once = historyOf([], copies)
    assert.strictEqual(once?.length, 1)
    assert.deepStrictEqual(historyOf(once, copies), once)
  })

  it("of an earlier operator, without bound and the oldest first, is cut to the newest", () => {
    assert.deepStrictEqual(historyOf(entries(300).toReversed(), []), entries(20))
  })
})

describe("copies that wait", () => {
  const limited: CopyState = { _tag: "Waiting", reason: "docker.io: 0 of 100 pulls are left", limited: true }
  const open = [tagLook("1.1", A), tagLook("1.2", A)]
  const saidOf = (states: ReadonlyArray<CopyState>, status: ImageStatus = {}) => {
    const image = imageOf({ ...PATTERN, status })
    const decision = decide(
      factsOf(
        image,
        open,
        states.map((state, index) => copyOf(`1.${index + 1}`, A, state))
      )
    )
    return {
      conditions: conditionsIn(decision.status),
      messages: (decision.status.conditions ?? []).map(({ message }) => message)
    }
  }

  it("for a registry that limits how often it is asked say so, and until when", () => {
    assert.deepStrictEqual(saidOf([limited, limited]), {
      conditions: ["Ready=Unknown RateLimited", "Reconciling=True ProgressingWithRetry"],
      messages: [
        "0 of 2 tags are copied; docker.io: 0 of 100 pulls are left",
        "0 of 2 tags are copied; to come: 1.1, 1.2; docker.io: 0 of 100 pulls are left"
      ]
    })
  })

  it("leave an Image Ready that was", () => {
    assert.deepStrictEqual(saidOf([limited, limited], READY).conditions, [
      "Ready=True RateLimited",
      "Reconciling=True ProgressingWithRetry"
    ])
  })

  it("while others go on are told of beside those", () => {
    assert.deepStrictEqual(saidOf([RUNNING, limited]), {
      conditions: COPYING_CONDITIONS,
      messages: [
        "0 of 2 tags are copied",
        "0 of 2 tags are copied; to come: 1.1, 1.2; docker.io: 0 of 100 pulls are left"
      ]
    })
  })

  it("for room say so", () => {
    const { conditions, messages } = saidOf([RUNNING, { _tag: "Waiting", reason: "waits for one of 10 copies" }])
    assert.deepStrictEqual(conditions, COPYING_CONDITIONS)
    assert.include(messages[1], "; waits for one of 10 copies")
  })
})

describe("a copy that failed", () => {
  const failuresIn = (facts: Facts): ReadonlyArray<FailedCopy> => decide(facts).status.failures ?? []
  const failing = (failures: ReadonlyArray<FailedCopy>, written: Written = EXACT) =>
    imageOf({ ...written, status: { ...COPYING, failures } })
  const open = [tagLook("1.27", A)]

  it("is written down by tag and digest, with the attempt, the cause and the next time", () => {
    assert.deepStrictEqual(
      failuresIn(factsOf(imageOf(EXACT), open, [copyOf("1.27", A, failed("RateLimited", "wait"))])),
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
  ])("for the %ith time waits %i s", (attempts, seconds) => {
    const before = attempts === 1 ? [] : [failureOf("1.27", { attempts: attempts - 1, copy: "1.27-0" })]
    const [failure] = failuresIn(factsOf(failing(before), open, [copyOf("1.27", A, failed())]))
    assert.deepStrictEqual([failure?.attempts, failure?.nextAttemptAt], [attempts, at(seconds * SECOND)])
  })

  it.each<readonly [what: string, attempts: number, nextAttemptAt: string, next: string]>([
    ["first looks again after the shortest pause: the tag may have moved", 0, at(0), "Retry +1s"],
    ["again waits as any other", 1, at(20 * SECOND), "Retry +20s"]
  ])("for its source is not there %s", (_, attempts, nextAttemptAt, next) => {
    const before = attempts === 0 ? [] : [failureOf("1.27", { attempts })]
    const facts = factsOf(failing(before), open, [copyOf("1.27", A, failed("SourceNotFound"))], { looked: false })
    const decision = decide(facts)
    assert.strictEqual(decision.status.failures?.[0]?.nextAttemptAt, nextAttemptAt)
    assert.deepStrictEqual(decision.start, [], "the digest that is gone is not tried again without a look")
    assert.strictEqual(nextIn(decision.next), next)
  })

  it.each<readonly [named: number, turn: number, waits: number]>([
    [90 * SECOND, 0, 90],
    [1_500, 0, 2],
    [0, 0, 1],
    [365 * 24 * HOUR, 0, 6 * 3_600],
    [15 * MINUTE, 3, 15 * 60 + 3],
    [MINUTE, 100, 63]
  ])("because a registry put it off for %i ms, the %ith of its namespace, waits %i s", (named, turn, waits) => {
    const state: CopyState = { _tag: "Failed", at: NOW, reason: "RateLimited", message: "too many", until: NOW + named }
    const facts = factsOf(imageOf(EXACT), open, [copyOf("1.27", A, state)], { turn })
    const decision = decide(facts)
    assert.strictEqual(decision.status.failures?.[0]?.nextAttemptAt, at(waits * SECOND))
    assert.strictEqual(nextIn(decision.next), `Retry +${waits}s`)
    assert.deepStrictEqual(conditionsIn(decision.status), [
      "Ready=False RateLimited",
      "Reconciling=True ProgressingWithRetry"
    ])
    // Hours ahead is no slip of the clock, where a registry may have said so.
    const later = factsOf({ ...facts.image, status: decision.status }, open)
    assert.deepStrictEqual(decide(later).start, [])
  })

  it("is not counted twice", () => {
    const before = [failureOf("1.27", { copy: "1.27-1", attempts: 3, nextAttemptAt: at(7 * SECOND) })]
    assert.deepStrictEqual(failuresIn(factsOf(failing(before), open, [copyOf("1.27", A, failed())])), before)
  })

  it.each<readonly [what: string, tags: ReadonlyArray<TagLook>, written: Written]>([
    ["its tag is gone", [tagLook("1.26", A)], PATTERN],
    ["its tag is in sync", [tagLook("1.27", A, A)], RECURRENT],
    ["its tag is there, whatever its digest", [present("1.27")], PATTERN],
    ["its tag moved", [tagLook("1.27", B)], RECURRENT],
    ["nothing matches any more", [], PATTERN]
  ])("is forgotten when %s", (_, tags, written) => {
    assert.deepStrictEqual(failuresIn(factsOf(failing([failureOf("1.27")], written), tags)), [])
    assert.deepStrictEqual(failuresIn(factsOf(imageOf(written), tags, [copyOf("1.27", A, failed())])), [])
  })

  it("with another digest, begins at one again", () => {
    const image = failing([failureOf("1.27", { attempts: 5 })], RECURRENT)
    const [failure] = failuresIn(factsOf(image, [tagLook("1.27", B)], [copyOf("1.27", B, failed())]))
    assert.deepStrictEqual([failure?.digest, failure?.attempts], [B, 1])
  })

  it.each<readonly [what: string, nextAttemptAt: string, looked: boolean, started: string]>([
    ["before its time", at(SECOND), true, ""],
    ["at its time, after a look", at(0), true, "1.27@a"],
    ["after its time, after a look", at(-HOUR), true, "1.27@a"],
    ["after its time, without a look", at(-HOUR), false, ""],
    ["past any backoff, for the clock was set back", at(24 * HOUR), true, "1.27@a"]
  ])("is tried again or not: %s", (_, nextAttemptAt, looked, started) => {
    const image = failing([failureOf("1.27", { nextAttemptAt })])
    assert.strictEqual(startedIn(decide(factsOf(image, open, [], { looked }))).join(), started)
  })

  it.each<readonly [mode: string, written: Written, reason: Reason, started: string, next: string]>([
    ["where tags are overwritten, on the look that is kept", RECURRENT, "RateLimited", "1.27@a", ""],
    ["where the tag may be there by then, after a look", EXACT, "RateLimited", "", "Retry"],
    ["for anything else, after a look", RECURRENT, "SourceNotFound", "", "Retry"]
  ])("that a registry put off is tried again %s", (_, written, reason, started, next) => {
    const image = failing([failureOf("1.27", { reason, nextAttemptAt: at(0) })], written)
    const facts = factsOf(image, open, [], { looked: false })
    const waiting = nextLook({ now: NOW, image, mirror: facts.mirror, hasLook: true, underWay: new Set() })
    assert.strictEqual(waiting.why, next === "" ? "PutOff" : next)
    assert.strictEqual(startedIn(decide(facts)).join(), started)
  })

  it("holds up no other tag", () => {
    const image = failing([failureOf("1.1")], PATTERN)
    const decision = decide(factsOf(image, [tagLook("1.1", A), tagLook("1.2", A)], [], { looked: false }))
    assert.deepStrictEqual(startedIn(decision), ["1.2@a"])
  })

  const many = Array.from({ length: 30 }, (_, i) => `1.${i}`)

  it("is one of 20 kept, those that failed most", () => {
    const image = failing([failureOf("1.29", { attempts: 4 })], PATTERN)
    const tags = many.map((tag) => tagLook(tag, A))
    const kept = failuresIn(
      factsOf(
        image,
        tags,
        many.map((tag) => copyOf(tag, A, failed()))
      )
    )
    assert.strictEqual(kept.length, 20)
    assert.deepStrictEqual([kept[0]?.tag, kept[0]?.attempts], ["1.29", 5])
  })

  it.each<readonly [what: string, nextAttemptAt: string, looked: boolean, started: number]>([
    ["wait with them", at(SECOND), true, 0],
    ["wait for a look", at(-SECOND), false, 0],
    ["are tried with the first of them", at(-SECOND), true, 11]
  ])("among more than 20: the tags beyond %s", (_, nextAttemptAt, looked, started) => {
    const failures = many
      .slice(0, 20)
      .map((tag, i) => failureOf(tag, i === 7 ? { nextAttemptAt } : { nextAttemptAt: at(MINUTE) }))
    const decision = decide(
      factsOf(
        failing(failures, PATTERN),
        many.map((tag) => tagLook(tag, A)),
        [],
        { looked }
      )
    )
    assert.strictEqual(decision.start.length, started)
  })
})

describe("a copy that the engine refuses to start", () => {
  const BUSY = "registry.corp/app:1.2 is being written for Image team-a/other"
  const refusal = (tag: string, reason: Reason, message = BUSY): Copy =>
    copyOf(tag, A, failed(reason, message), { id: "refused-1" })
  const tags = ["1.1", "1.2", "1.3"].map((tag) => tagLook(tag, A))
  const messagesIn = ({ conditions = [] }: ImageStatus) => conditions.map(({ message }) => message)

  it("for another Image writes the tag waits, names that Image, and holds up no other tag", () => {
    const decision = decide(factsOf(imageOf(PATTERN), tags, [refusal("1.2", "DestinationBusy")]))
    assert.deepStrictEqual(startedIn(decision), ["1.1@a", "1.3@a"])
    assert.deepStrictEqual(conditionsIn(decision.status), COPYING_CONDITIONS)
    assert.deepStrictEqual(messagesIn(decision.status), [
      `0 of 3 tags are copied; 1.2 waits: ${BUSY}`,
      `0 of 3 tags are copied; to come: 1.1, 1.2, 1.3; 1.2 waits: ${BUSY}`
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
  ])("is all that an Image waits for %s", (_, status, ready) => {
    const image = imageOf({ ...PATTERN, status })
    const decision = decide(
      factsOf(
        image,
        tags,
        tags.map(({ tag }) => refusal(tag, "DestinationBusy"))
      )
    )
    assert.deepStrictEqual(startedIn(decision), [])
    assert.deepStrictEqual(conditionsIn(decision.status), [ready, "Reconciling=True DestinationBusy"])
    assert.include(messagesIn(decision.status)[0], `and 2 more wait: ${BUSY}`)
  })

  it("beside one that failed leaves that to say why the Image is not Ready", () => {
    const copies = [refusal("1.2", "DestinationBusy"), copyOf("1.1", A, failed("Unreachable", "no route"))]
    const { status } = decide(factsOf(imageOf(PATTERN), tags.slice(0, 2), copies))
    assert.deepStrictEqual(conditionsIn(status), ["Ready=False Unreachable", "Reconciling=True DestinationBusy"])
    assert.include(messagesIn(status)[1], BUSY)
  })

  it("while its Job waits for a Secret is a failure of the tag, and tried again soon", () => {
    const runs = copyOf("1.27", A, RUNNING)
    const facts = factsOf(
      imageOf({ ...EXACT, status: COPYING }),
      [tagLook("1.27", A)],
      [runs, refusal("1.27", "SecretNotCreated", "quota")]
    )
    const decision = decide(facts)
    assert.deepStrictEqual([startedIn(decision), decision.cancel], [["1.27@a"], []])
    assert.deepStrictEqual(conditionsIn(decision.status), ["Ready=False SecretNotCreated", "Reconciling=True Copying"])
    assert.strictEqual(nextIn(decision.next), "Retry +2s")
    // When it is no longer refused, nothing is left of that.
    const later = {
      ...facts,
      now: NOW + 2 * SECOND,
      image: { ...facts.image, status: decision.status },
      copies: [runs]
    }
    const mended = decide({ ...later, looked: false })
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
  ])("for the %ith time waits %i s", (attempts, seconds) => {
    const failures =
      attempts === 1 ? [] : [failureOf("1.2", { reason: "DestinationBusy", attempts: attempts - 1, copy: "refused-0" })]
    const image = imageOf({ ...PATTERN, status: { ...COPYING, failures } })
    const { status } = decide(factsOf(image, tags, [refusal("1.2", "DestinationBusy")]))
    assert.deepStrictEqual(
      status.failures?.map((failure) => [failure.attempts, failure.nextAttemptAt]),
      [[attempts, at(seconds * SECOND)]]
    )
  })

  it.each<readonly [what: string, written: Written, looked: boolean, started: string]>([
    ["where the tag is overwritten anyhow, on the check that is kept", RECURRENT_PATTERN, false, "1.2@a"],
    ["where the other Image's copy may do, after a check only", PATTERN, false, ""],
    ["where the other Image's copy may do, after a check", PATTERN, true, "1.2@a"]
  ])("is tried again at its time: %s", (_, written, looked, started) => {
    const failures = [failureOf("1.2", { reason: "DestinationBusy", nextAttemptAt: at(0) })]
    const image = imageOf({ ...written, status: { ...COPYING, failures } })
    const decision = decide(factsOf(image, [tagLook("1.2", A)], [], { looked }))
    assert.strictEqual(startedIn(decision).join(), started)
    assert.strictEqual(
      decision.status.failures === undefined,
      started !== "",
      "what is tried again is refused no longer"
    )
  })
})

describe("a copy that runs", () => {
  it.each<
    readonly [
      what: string,
      written: Written,
      tags: ReadonlyArray<TagLook>,
      more: Partial<Copy>,
      cancelled: boolean,
      started: string
    ]
  >([
    ["is wanted", EXACT, [tagLook("1.27", A)], {}, false, "1.27@a"],
    ["waits for room", EXACT, [tagLook("1.27", A)], { state: { _tag: "Waiting", reason: "room" } }, false, "1.27@a"],
    ["is in sync already", PATTERN, [present("1.27")], {}, false, ""],
    [
      "has not begun when its tag is there",
      PATTERN,
      [present("1.27")],
      { state: { _tag: "Waiting", reason: "room" } },
      true,
      ""
    ],
    [
      "has not begun when its tag is there with the same digest",
      RECURRENT,
      [tagLook("1.27", A, A)],
      { state: { _tag: "Waiting", reason: "room" } },
      true,
      ""
    ],
    [
      "has not begun when its tag moves",
      RECURRENT,
      [tagLook("1.27", B, C)],
      { state: { _tag: "Waiting", reason: "room" } },
      false,
      "1.27@b"
    ],
    ["copies a tag that moved", RECURRENT, [tagLook("1.27", B)], {}, false, "1.27@b"],
    ["copies a tag no longer selected", PATTERN, [tagLook("1.28", A)], {}, true, "1.28@a"],
    ["copies where nothing matches any more", PATTERN, [], {}, true, ""],
    [
      "is for an Image that is gone",
      EXACT,
      [tagLook("1.27", A)],
      { image: { namespace: "team-a", name: "app", uid: "uid-0" } },
      true,
      "1.27@a"
    ],
    [
      "goes to another repository",
      EXACT,
      [tagLook("1.27", A)],
      { destination: endpoint("registry.corp", "old") },
      true,
      "1.27@a"
    ],
    [
      "goes to another registry",
      EXACT,
      [tagLook("1.27", A)],
      { destination: endpoint("old.corp", "app") },
      true,
      "1.27@a"
    ],
    ["copies a OneShot tag that moved", EXACT, [tagLook("1.27", B)], {}, false, "1.27@b"],
    ["copies a tag of a OneShot pattern that moved", PATTERN, [tagLook("1.27", B)], {}, true, "1.27@b"],
    [
      "is of a digest that the Image asked for before it was changed",
      RECURRENT,
      [tagLook("1.27", B)],
      { generation: 0 },
      true,
      "1.27@b"
    ],
    [
      "is of a digest that the Image asked for before it was changed, and still does",
      RECURRENT,
      [tagLook("1.27", A)],
      { generation: 0 },
      false,
      "1.27@a"
    ],
    [
      "is of more platforms than the Image asks for since it was changed",
      PATTERN,
      [{ ...tagLook("1.27", B), source: A }],
      { generation: 0 },
      true,
      "1.27@a"
    ],
    [
      "is of more platforms than the Image asks for since it was changed, and the image has others",
      EXACT,
      [{ tag: "1.27", present: false, problem: { reason: "PlatformMissing", message: "has no such platform" } }],
      { generation: 0 },
      true,
      ""
    ],
    [
      "has platforms named that are all there are",
      PATTERN,
      [{ ...tagLook("1.27", A), source: A }],
      { generation: 0, platforms: platforms("linux/amd64") },
      false,
      "1.27@a"
    ],
    [
      "is asked for no longer, and its tag is there",
      PATTERN,
      [present("1.27")],
      { generation: 0, destinationDigest: B },
      true,
      ""
    ],
    [
      "overwrites its tag, as the Image asked before it was changed",
      PATTERN,
      [tagLook("1.27", A)],
      { generation: 0, onlyIfMissing: false },
      true,
      "1.27@a"
    ],
    [
      "is from a source named before, of another digest",
      RECURRENT,
      [tagLook("1.27", B)],
      { generation: 0, source: endpoint("quay.io", "old/app") },
      true,
      "1.27@b"
    ],
    [
      "is from a source named before, of the same digest",
      PATTERN,
      [tagLook("1.27", A)],
      { generation: 0, source: endpoint("quay.io", "old/app") },
      false,
      "1.27@a"
    ]
  ])("and %s", (_, written, tags, more, cancelled, started) => {
    const copy = copyOf("1.27", A, RUNNING, more)
    const decision = decide(factsOf(imageOf({ ...written, status: COPYING }), tags, [copy]))
    assert.deepStrictEqual(decision.cancel, cancelled ? [copy] : [])
    assert.deepStrictEqual(decision.release, [])
    assert.strictEqual(startedIn(decision).join(), started)
  })

  it("goes on though the attempt before it failed and its time has not come", () => {
    const image = imageOf({ ...EXACT, status: { ...COPYING, failures: [failureOf("1.27")] } })
    const decision = decide(factsOf(image, [tagLook("1.27", A)], [copyOf("1.27", A, RUNNING)], { looked: false }))
    assert.deepStrictEqual([startedIn(decision), decision.cancel], [["1.27@a"], []])
    assert.deepStrictEqual(conditionsIn(decision.status), ["Ready=False Unreachable", "Reconciling=True Copying"])
  })
})

describe("two statuses say the same", () => {
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
  ])("%s", (_, other, same) => {
    assert.strictEqual(sameStatus(COPYING, other), same)
    assert.strictEqual(sameStatus(other, COPYING), same)
  })

  it("not if the order of the history changed", () => {
    const history = [{ performedAt: at(0) }, { performedAt: at(-1) }, { performedAt: at(-MINUTE) }]
    assert.isFalse(sameStatus({ history }, { history: history.toReversed() }))
    assert.isTrue(sameStatus({}, {}))
  })
})

describe("an Image that can never work", () => {
  it("is Stalled with every problem, and keeps what was known of it", () => {
    const before: ImageStatus = { ...COPYING, history: [{ performedAt: at(-HOUR) }] }
    const status = stall(
      imageOf({ ...EXACT, generation: 7, status: before }),
      [
        { field: "spec.source.name", value: "Nginx", reason: "InvalidReference", message: "has upper-case letters" },
        { field: "spec.frequency", value: "1s", reason: "InvalidFrequency", message: "is too short" }
      ],
      NOW
    )
    const message = 'spec.source.name: "Nginx" has upper-case letters; spec.frequency: "1s" is too short'
    const said = { reason: "InvalidReference", message, observedGeneration: 7, lastTransitionTime: at(0) }
    assert.deepStrictEqual(status, {
      ...before,
      observedGeneration: 7,
      conditions: [
        { type: "Ready", status: "False", ...said },
        { type: "Stalled", status: "True", ...said }
      ]
    })
  })

  it("is not written again", () => {
    const problems = [{ field: "spec", value: undefined, reason: "InvalidSpec", message: "is missing" }] as const
    const once = stall(imageOf(EXACT), problems, NOW)
    assert.isTrue(sameStatus(once, stall(imageOf({ ...EXACT, status: once }), problems, NOW + HOUR)))
  })
})

describe("an Image whose registries cannot be asked", () => {
  const failure = { reason: "Unreachable", message: "quay.io does not answer" } as const

  it("is not Ready, is tried again, and keeps what was known of it", () => {
    const status = setBack(imageOf({ ...EXACT, generation: 2, status: READY }), failure, NOW)
    assert.deepStrictEqual(status, {
      ...READY,
      conditions: [
        { type: "Ready", status: "False", ...failure, observedGeneration: 2, lastTransitionTime: at(0) },
        {
          type: "Reconciling",
          status: "True",
          reason: "ProgressingWithRetry",
          message: failure.message,
          observedGeneration: 2,
          lastTransitionTime: at(0)
        }
      ]
    })
    assert.strictEqual(status.observedGeneration, 1)
  })

  it("is not written again, goes on to say that credentials are for anyone, and is Stalled no longer", () => {
    const before = {
      ...READY,
      conditions: [condition("Ready", "False"), condition("Stalled", "True"), condition("CredentialsUnbound", "True")]
    }
    const once = setBack(imageOf({ ...EXACT, status: before }), failure, NOW)
    assert.deepStrictEqual(conditionsIn(once), [
      "Ready=False Unreachable",
      "Reconciling=True ProgressingWithRetry",
      "CredentialsUnbound=True Before"
    ])
    assert.strictEqual(conditionOf(once, "CredentialsUnbound")?.lastTransitionTime, at(-HOUR))
    assert.isTrue(sameStatus(once, setBack(imageOf({ ...EXACT, status: once }), failure, NOW + HOUR)))
  })

  it("says of credentials what holds now, where that is known", () => {
    const before = {
      ...READY,
      conditions: [condition("CredentialsWithheld", "True"), condition("RegistryWarning", "True")]
    }
    const image = imageOf({ ...EXACT, status: before })
    const others = ["Ready=False Unreachable", "Reconciling=True ProgressingWithRetry"]
    assert.deepStrictEqual(conditionsIn(setBack(image, failure, NOW, [UNBOUND])), [
      ...others,
      "CredentialsUnbound=True CredentialsNotBound",
      "RegistryWarning=True Before"
    ])
    assert.deepStrictEqual(conditionsIn(setBack(image, failure, NOW, [])), [...others, "RegistryWarning=True Before"])
  })

  it("tells what is to be warned of, and goes on to when it is not told again", () => {
    const warning = {
      type: "CredentialsForwarded",
      reason: "CredentialsForwardedToThirdParty",
      message: "there"
    } as const
    const once = setBack(imageOf(EXACT), failure, NOW, [warning])
    assert.strictEqual(conditionOf(once, "CredentialsForwarded")?.message, "there")
    assert.isTrue(sameStatus(once, setBack(imageOf({ ...EXACT, status: once }), failure, NOW + HOUR)))
  })
})

describe("any decision", () => {
  const Tag = Schema.Literals(["1.0", "1.1", "1.2", "1.3", "1.4"])
  /** A tag, or the signature of one. */
  const Copied = Schema.Literals(["1.0", "1.1", "1.2", "1.3", "1.4", "1.0.sig", "1.1.sig"])
  const Reason = Schema.Literals([
    "Unreachable",
    "SourceNotFound",
    "RateLimited",
    "DestinationBusy",
    "SecretNotCreated"
  ])
  const Digest = Schema.Literals([A, B, C])
  const Offset = Schema.Literals([-2 * HOUR, -MINUTE, -SECOND, 0, SECOND, MINUTE, 20 * MINUTE, 24 * HOUR])
  const State = Schema.Struct({
    tag: Schema.Literals(["Waiting", "Running", "Succeeded", "Present", "Failed"]),
    reason: Reason,
    at: Offset
  })
  const Ready = Schema.Literals(["none", "True", "False", "Unknown"])
  const Generated = {
    mode: Schema.Literals(["OneShot", "Recurrent", "OnceByTag"]),
    version: Schema.Literals(["1.0", "1.x", "^1.0.0"]),
    suspend: Schema.Boolean,
    looked: Schema.Boolean,
    unbound: Schema.Boolean,
    generation: Schema.Literals([1, 2]),
    ready: Ready,
    other: Schema.Literals(["none", "Reconciling", "Stalled"]),
    checked: Schema.UndefinedOr(Offset),
    looks: Schema.Array(
      Schema.Struct({ tag: Tag, wanted: Digest, found: Schema.UndefinedOr(Digest), isListed: Schema.Boolean })
    ),
    signatures: Schema.Array(Schema.Struct({ tag: Tag, wanted: Digest, found: Schema.UndefinedOr(Digest) })),
    extra: Schema.Literals([0, 0, 0, 25]),
    copies: Schema.Array(
      Schema.Struct({
        tag: Copied,
        digest: Digest,
        state: State,
        uid: Schema.Literals(["uid-1", "uid-1", "uid-0"]),
        path: Schema.Literals(["app", "app", "old"]),
        generation: Schema.Literals([1, 2]),
        onlyIfMissing: Schema.Boolean
      })
    ),
    failures: Schema.Array(
      Schema.Struct({ tag: Copied, digest: Digest, reason: Reason, attempts: Schema.Literals([1, 2, 9]), at: Offset })
    ),
    history: Schema.Array(Schema.Struct({ tag: Tag, at: Offset }))
  }
  const Whole = Schema.Struct(Generated)

  const stateOf = ({ at: offset, reason, tag }: typeof State.Type): CopyState => {
    if (tag === "Waiting") return { _tag: tag, reason }
    if (tag === "Running") return { _tag: tag }
    if (tag === "Present") return { _tag: tag, at: NOW + offset, digest: C }
    return tag === "Succeeded"
      ? { _tag: tag, at: NOW + offset }
      : { _tag: tag, at: NOW + offset, reason, message: reason }
  }

  /** One entry a tag, as looks, engines and statuses have them. */
  const byTag = <T extends { readonly tag: string }>(items: ReadonlyArray<T>): ReadonlyArray<T> => [
    ...new Map(items.map((item) => [item.tag, item])).values()
  ]

  const factsFrom = (drawn: typeof Whole.Type): Facts => {
    const many = Array.from({ length: drawn.extra }, (_, i) => `1.${100 + i}`)
    const conditions = [
      ...(drawn.ready === "none" ? [] : [condition("Ready", drawn.ready)]),
      ...(drawn.other === "none" ? [] : [condition(drawn.other, "True")])
    ]
    const image = imageOf({
      mode: drawn.mode,
      version: drawn.version,
      suspend: drawn.suspend,
      generation: drawn.generation,
      status: {
        observedGeneration: 1,
        conditions,
        ...(drawn.checked === undefined ? {} : { lastCheckedAt: at(drawn.checked) }),
        failures: byTag(drawn.failures).map(({ at: offset, attempts, digest, reason, tag }) =>
          failureOf(tag, { digest, attempts, reason, nextAttemptAt: at(offset) })
        ),
        history: drawn.history.map(({ at: offset, tag }) => ({ performedAt: at(offset), tag, digest: A }))
      }
    })
    const isExact = drawn.version === "1.0"
    const tags = [
      ...byTag(drawn.looks).map(({ found, isListed, tag, wanted }) =>
        // Only the listing of a OneShot pattern leaves out digests.
        isListed && !isExact && drawn.mode !== "Recurrent" ? present(tag) : tagLook(tag, wanted, found)
      ),
      ...many.map((tag) => tagLook(tag, A))
    ]
    const copies = [
      ...byTag(drawn.copies).map(({ digest, generation, onlyIfMissing, path, state, tag, uid }) =>
        copyOf(tag, digest, stateOf(state), {
          generation,
          onlyIfMissing,
          image: { namespace: "team-a", name: "app", uid },
          destination: endpoint("registry.corp", path)
        })
      ),
      ...many.map((tag) => copyOf(tag, A, failed()))
    ]
    // An exact version is one tag, or the look fails.
    const looked = isExact ? [tags[0] ?? tagLook("1.0", A)] : tags
    const beside = byTag(drawn.signatures)
      .filter(({ tag }) => looked.some((one) => one.tag === tag))
      .map(({ found, tag, wanted }) => tagLook(`${tag}.sig`, wanted, found))
    const signed = looked.map((one) => {
      const after = beside.filter(({ tag }) => tag === `${one.tag}.sig`).map(({ tag }) => tag)
      return after.length === 0 ? one : { ...one, after }
    })
    return factsOf(image, [], copies, {
      look: lookOf(signed, { generation: image.generation, beside }),
      looked: drawn.looked,
      ...(drawn.unbound ? { warnings: [UNBOUND] } : {})
    })
  }

  const selectedIn = ({ beside = [], tags }: Look): ReadonlyArray<TagLook> => [...tags, ...beside]

  const isInSync = ({ look, mirror }: Facts, tag: TagLook): boolean =>
    mirror.mode === "OneShot" && mirror.tags._tag === "Listed" && look.tags.includes(tag)
      ? tag.present
      : tag.present && tag.found === tag.wanted

  /** What a check finds once everything has been copied. */
  const arrived = (look: Look): Look => {
    const arrive = (tag: TagLook): TagLook => ({
      ...tag,
      present: true,
      ...(tag.wanted === undefined ? {} : { found: tag.wanted })
    })
    return { ...look, tags: look.tags.map(arrive), beside: (look.beside ?? []).map(arrive) }
  }

  const assertSound = (facts: Facts) => {
    const decision = decide(facts)
    const { cancel, release, start, status } = decision
    // What is started is selected, wanted, not in sync, and each tag once.
    for (const task of start) {
      const tag = selectedIn(facts.look).find((one) => one.tag === task.tag)
      assert.isDefined(tag)
      assert.strictEqual(task.digest, tag?.wanted)
      // A copy of another digest may have arrived since the look.
      const overwritten = facts.copies.some(
        ({ digest, state, tag }) =>
          tag === task.tag &&
          ((state._tag === "Succeeded" && digest !== task.digest) ||
            (state._tag === "Present" && state.digest !== task.digest))
      )
      assert.isFalse(tag === undefined || (isInSync(facts, tag) && !overwritten), `${task.tag} is in sync`)
    }
    assert.strictEqual(new Set(start.map(({ tag }) => tag)).size, start.length)
    // Copies are let go or stopped, never both.
    for (const copy of facts.copies) {
      const isOver = copy.state._tag !== "Waiting" && copy.state._tag !== "Running"
      assert.strictEqual(release.includes(copy), isOver)
      if (isOver) assert.notInclude(cancel, copy)
    }
    if (facts.image.spec.suspend) {
      const { failures: _, history: __, tags: ___, ...rest } = status
      const { failures: ____, history: _____, tags: ______, ...restBefore } = facts.image.status
      assert.deepStrictEqual([start, rest], [[], restBefore])
      assert.deepStrictEqual(decision.next, { _tag: "Never", why: "Suspended" })
      for (const copy of facts.copies) {
        const isOwn = copy.image.uid === facts.image.uid
        if (copy.state._tag === "Waiting") assert.include(cancel, copy)
        if (copy.state._tag === "Running") assert.strictEqual(cancel.includes(copy), !isOwn)
      }
      return decision
    }
    // kstatus.
    const types = (status.conditions ?? []).map(({ type }) => type)
    assert.strictEqual(types.filter((type) => type === "Ready").length, 1)
    assert.strictEqual(new Set(types).size, types.length)
    assert.isFalse(types.includes("Reconciling") && types.includes("Stalled"))
    for (const one of status.conditions ?? []) {
      if (one.type !== "Ready") assert.strictEqual(one.status, "True")
      assert.strictEqual(one.observedGeneration, facts.image.generation)
      assert.match(one.reason, /^[A-Z][A-Za-z]*$/u)
      const before = facts.image.status.conditions?.find(({ type }) => type === one.type)
      assert.strictEqual(one.lastTransitionTime, before?.status === one.status ? before.lastTransitionTime : at(0))
    }
    if (!types.includes("Reconciling")) assert.strictEqual(status.observedGeneration, facts.image.generation)
    // Bounds.
    assert.isAtMost(status.failures?.length ?? 0, 20)
    assert.isAtMost(status.history?.length ?? 0, 20)
    // A look that is due cannot be lost: something is under way, or there is a time; and that is to come.
    if (decision.next._tag === "At") {
      assert.isTrue(Number.isFinite(decision.next.millis))
      assert.isAbove(decision.next.millis, facts.now)
    } else if (decision.next.why === "AwaitingCopies") assert.isAbove(start.length, 0)
    else assert.isTrue(types.every((type) => type !== "Reconciling"))
    return decision
  }

  it.prop(
    "is sound, and made again on its own outcome it is the same: a reconcile with nothing to do writes nothing",
    { drawn: Whole },
    ({ drawn }) => {
      const facts = factsFrom(drawn)
      const first = assertSound(facts)
      const second = assertSound({
        ...facts,
        image: { ...facts.image, status: first.status },
        copies: facts.copies.filter((copy) => !first.release.includes(copy) && !first.cancel.includes(copy)),
        // What a look would find now, where none is kept.
        look: first.look ?? arrived(facts.look)
      })
      assert.deepStrictEqual(second.status, first.status)
      assert.isTrue(sameStatus(first.status, second.status))
      assert.deepStrictEqual(second.start, first.start)
      assert.deepStrictEqual(second.next, first.next)
      assert.deepStrictEqual([second.cancel, second.release], [[], []])
    },
    { arbitrary: { runs: 1_000 } }
  )

  /** The facts of the reconcile that a decision asks for, if nothing has happened until then. */
  const factsAfter = (facts: Facts, { cancel, look, next, release, start, status }: Decision): Facts | undefined => {
    if (next._tag === "Never") return undefined
    const active = facts.copies.filter((copy) => !release.includes(copy) && !cancel.includes(copy))
    const started = start.filter(({ tag }) => !active.some((copy) => copy.tag === tag))
    const copies = [...active, ...started.map((task) => ({ ...copyOf(task.tag, task.digest, RUNNING), ...task }))]
    const after = {
      ...facts,
      now: next.millis,
      image: { ...facts.image, status },
      copies,
      look: look ?? arrived(facts.look)
    }
    const underWay = new Set([...copies.map(({ tag }) => tag), ...awaitingIn(after.look)])
    const due = nextLook({ ...after, hasLook: look !== undefined, underWay })
    return { ...after, looked: due._tag === "At" && due.why !== "PutOff" && due.millis <= after.now }
  }

  it.prop(
    "leads to rest: as long as nothing happens, the checks that it asks for are more than the shortest pause apart",
    { drawn: Whole },
    ({ drawn }) => {
      let facts: Facts | undefined = factsFrom(drawn)
      const pauses: Array<number> = []
      while (facts !== undefined && pauses.length < 6) {
        const decision: Decision = decide(facts)
        if (decision.next._tag === "At") pauses.push(decision.next.millis - facts.now)
        facts = factsAfter(facts, decision)
      }
      // The times that are drawn lie a second apart in places.
      if (pauses.length === 6) assert.isAbove(Math.max(...pauses.slice(2)), SECOND, pauses.join())
    },
    { arbitrary: { runs: 1_000 } }
  )

  it("names digests that a reader can tell apart", () => {
    assert.deepStrictEqual([A, B, C], [digest("a"), digest("b"), digest("c")])
  })
})
