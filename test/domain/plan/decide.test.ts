import { assert, describe, it } from "@effect/vitest"
import type { Copy, CopyState } from "../../../src/domain/Copy.ts"
import type { Image, ImageStatus } from "../../../src/domain/Image.ts"
import type { Mirror } from "../../../src/domain/Mirror.ts"
import { decide } from "../../../src/domain/plan/decide.ts"
import type { ObservedTag } from "../../../src/domain/plan/facts.ts"
import { sameStatus } from "../../../src/domain/plan/status.ts"
import type { Problem } from "../../../src/domain/Problem.ts"
import {
  A,
  at,
  B,
  blockedOf,
  condition,
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
  HOUR,
  imageOf,
  mirrorOf,
  nextIn,
  NOW,
  observedTag,
  PATTERN,
  PINNED,
  RANGE,
  READY,
  RECURRENT,
  RECURRENT_PATTERN,
  RUNNING,
  SECOND,
  situationOf,
  startedIn,
  SUCCEEDED,
  type Written,
  UID
} from "./fixtures.ts"
import { endpoint } from "../../support/endpoints.ts"

describe("what is done with a tag", () => {
  const missing = observedTag("1.27", A)
  const same = observedTag("1.27", A, A)
  const other = observedTag("1.27", A, B)
  it.each<readonly [mode: string, written: Written, there: string, tag: ObservedTag, started: string, tags: string]>([
    ["OneShot tag", EXACT, "missing", missing, "1.27@a", "0/1"],
    ["OneShot tag", EXACT, "the same", same, "", "1/1"],
    ["OneShot tag", EXACT, "another digest", other, "1.27@a", "0/1"],
    ["OnceByTag tag", { ...EXACT, mode: "OnceByTag" }, "another digest", other, "1.27@a", "0/1"],
    ["OneShot tag@digest", PINNED, "missing", missing, "1.27@a", "0/1"],
    ["OneShot tag@digest", PINNED, "another digest", other, "1.27@a", "0/1"],
    ["OneShot pattern", PATTERN, "missing", missing, "1.27@a", "0/1"],
    ["OneShot pattern", PATTERN, "there", existing("1.27"), "", "1/1"],
    ["OneShot pattern", PATTERN, "another digest: never overwritten", other, "", "1/1"],
    ["OneShot range", RANGE, "missing", missing, "1.27@a", "0/1"],
    ["OneShot range", RANGE, "another digest: never overwritten", other, "", "1/1"],
    ["Recurrent tag", RECURRENT, "missing", missing, "1.27@a", "0/1"],
    ["Recurrent tag", RECURRENT, "the same", same, "", "1/1"],
    ["Recurrent tag", RECURRENT, "another digest", other, "1.27@a", "0/1"],
    ["Recurrent pattern", RECURRENT_PATTERN, "missing", missing, "1.27@a", "0/1"],
    ["Recurrent pattern", RECURRENT_PATTERN, "the same", same, "", "1/1"],
    ["Recurrent pattern", RECURRENT_PATTERN, "another digest", other, "1.27@a", "0/1"]
  ])(
    "a tag is copied or left unchanged by the mode: %s (%j), at the destination %s",
    (_, written, __, tag, started, tags) => {
      const decision = decisionOf(situationOf(imageOf(written), [tag]))
      assert.strictEqual(startedIn(decision).join(), started)
      assert.strictEqual(decision.status.tags, tags)
      assert.deepStrictEqual(conditionsIn(decision.status), started === "" ? COPIED : COPYING_CONDITIONS)
      assert.deepStrictEqual(
        decision.observed === undefined,
        started === "",
        "what was observed is remembered while copies remain"
      )
      assert.strictEqual(decision.status.lastCheckedAt, at(0))
    }
  )

  it("a started copy has exactly the decided fields", () => {
    const image = imageOf(EXACT)
    const tlsVerify = { source: false, destination: true }
    const selected = mirrorOf(image)
    const mirror: Mirror = {
      ...selected,
      destination: { ...selected.destination, credentials: { _tag: "Secret", name: "push" } }
    }
    assert.deepStrictEqual(decisionOf(situationOf(image, [missing], [], { tlsVerify, mirror })).start, [
      {
        image: { namespace: "team-a", name: "app", uid: UID },
        generation: 1,
        source: endpoint("quay.io", "team/app", { tlsVerify: false }),
        digest: A,
        platforms: [],
        destinationDigest: A,
        referrers: false,
        destination: endpoint("registry.corp", "app", { credentials: { _tag: "Secret", name: "push" } }),
        tag: "1.27",
        onlyIfMissing: false,
        attempt: 1
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
    "a copy leaves a tag that was created meanwhile unchanged only if tags are never overwritten: %s",
    (_, written, expected) => {
      const [task] = decisionOf(situationOf(imageOf(written), [missing])).start
      assert.strictEqual(task?.onlyIfMissing, expected)
    }
  )
})

describe("a suspended Image", () => {
  const limited: CopyState = { _tag: "Waiting", reason: "docker.io: 0 of 100 pulls are left", limited: true }
  const tags = [observedTag("1.1", A), observedTag("1.2", A), observedTag("1.3", A), observedTag("1.4", A)]
  const before: ImageStatus = {
    ...COPYING,
    tags: "0/4",
    failures: [failureOf("1.1", { attempts: 2 }), failureOf("1.3")],
    history: [{ performedAt: at(-HOUR), tag: "1.0", digest: B }]
  }
  const image = imageOf({ ...PATTERN, suspend: true, generation: 2, status: before })

  it("a suspended Image starts no copy, cancels waiting copies, lets running ones finish, and writes nothing", () => {
    const [runs, waits, waitsForRegistry] = [
      copyOf("1.2", A, RUNNING),
      copyOf("1.3", A, { _tag: "Waiting", reason: "room" }),
      copyOf("1.4", A, limited)
    ]
    const decision = decisionOf(situationOf(image, tags, [runs, waits, waitsForRegistry]))
    assert.deepStrictEqual([decision.start, decision.cancel], [[], [waits, waitsForRegistry]])
    assert.strictEqual(decision.status, image.status)
    assert.strictEqual(nextIn(decision.next), "Never Suspended")
    assert.deepStrictEqual(decision.observed?.tags, tags, "by which tags are counted when the copy ends")
  })

  it("a suspended Image cancels a copy that is still prepared, because the copy has written nothing", () => {
    const prepared = copyOf("1.2", A, { _tag: "Running", isPreparing: true })
    assert.deepStrictEqual(decisionOf(situationOf(image, tags, [prepared])).cancel, [prepared])
  })

  it("a suspended Image cancels a copy that runs for an earlier Image of its name", () => {
    const other = copyOf("1.2", A, RUNNING, { image: { namespace: "team-a", name: "app", uid: "uid-0" } })
    assert.deepStrictEqual(decisionOf(situationOf(image, tags, [other])).cancel, [other])
  })

  it("a suspended Image lets a copy to its former destination finish", () => {
    const other = copyOf("1.2", A, RUNNING, { destination: endpoint("registry.corp", "old") })
    assert.deepStrictEqual(decisionOf(situationOf(image, tags, [other])).cancel, [])
  })

  it("a suspended Image has the outcome of its copies recorded, and nothing else written", () => {
    const copies = [
      copyOf("1.1", A, SUCCEEDED),
      copyOf("1.2", A, failed("Unreachable", "no route")),
      copyOf("1.3", A, { _tag: "Present", at: NOW, digest: B }),
      copyOf("1.4", A, RUNNING)
    ]
    const decision = decisionOf(situationOf(image, tags, copies, { fresh: false }))
    assert.deepStrictEqual(decision.release, copies.slice(0, 3))
    assert.deepStrictEqual(decision.status, {
      ...before,
      tags: "2/4",
      plan: {
        copies: 2,
        tags: [
          { tag: "1.2", reason: "Retry", digest: A },
          { tag: "1.4", reason: "Missing", digest: A }
        ]
      },
      failures: [
        failureOf("1.2", { copy: "1.2-1", reason: "Unreachable", message: "no route", nextAttemptAt: at(10 * SECOND) })
      ],
      history: [
        { performedAt: at(-5 * SECOND), tag: "1.1", digest: A },
        { performedAt: at(-HOUR), tag: "1.0", digest: B }
      ]
    })
    // The next finished copy is added to the number.
    const later = { ...image, status: decision.status }
    const last = situationOf(later, decision.observed?.tags ?? [], [copyOf("1.4", A, SUCCEEDED)], { fresh: false })
    assert.strictEqual(decisionOf(last).status.tags, "3/4")
    assert.isUndefined(decisionOf(last).observed)
  })

  it("a suspended Image without a remembered check records the outcome of its copies and does not count its tags", () => {
    const copies = [copyOf("1.1", A, SUCCEEDED), copyOf("1.2", A, failed())]
    const decision = decide(image, { _tag: "Unobserved", mirror: mirrorOf(image), copies }, NOW)
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
    // After a crash before the release the engine reports the same copies again.
    const after = { ...image, status: decision.status }
    const again = decide(after, { _tag: "Unobserved", mirror: mirrorOf(image), copies }, NOW)
    assert.deepStrictEqual(again.status, decision.status)
  })
})

describe("an Image that waits for retries after a start of the operator", () => {
  const retrying = [condition("Ready", "False"), condition("Reconciling", "True", { reason: "ProgressingWithRetry" })]
  const image = imageOf({ ...PATTERN, status: { ...COPYING, conditions: retrying, failures: [failureOf("1.1")] } })

  it("the copies of an earlier process go on, and their outcome is recorded", () => {
    const copies = [copyOf("1.2", A, RUNNING), copyOf("1.3", A, SUCCEEDED), copyOf("1.4", A, failed())]
    const decision = decide(image, { _tag: "Unobserved", mirror: mirrorOf(image), copies }, NOW)
    assert.deepStrictEqual(decision.cancel, [])
    assert.deepStrictEqual(decision.release, copies.slice(1))
    assert.deepStrictEqual(
      [decision.status.failures?.map(({ tag }) => tag), decision.status.history?.[0]?.tag],
      [["1.1", "1.4"], "1.3"]
    )
    assert.strictEqual(nextIn(decision.next), "Retry +10s")
  })
})

describe("when an Image was last in sync", () => {
  const EARLIER = at(-HOUR)
  const ready: ImageStatus = { ...READY, lastInSyncAt: EARLIER }
  const copying: ImageStatus = { ...COPYING, lastInSyncAt: EARLIER }
  const same = observedTag("1.27", A, A)
  const other = observedTag("1.27", A, B)

  it("a check that finds every tag sets the time", () => {
    const { status } = decisionOf(situationOf(imageOf({ ...RECURRENT, status: ready }), [same]))
    assert.strictEqual(status.lastInSyncAt, at(0))
  })

  it("a check that finds a moved tag leaves the time, although the Image stays Ready", () => {
    const { status } = decisionOf(situationOf(imageOf({ ...RECURRENT, status: ready }), [other]))
    assert.deepStrictEqual([status.lastCheckedAt, status.lastInSyncAt], [at(0), EARLIER])
  })

  it("a pattern without a matching tag is not in sync", () => {
    const { status } = decisionOf(situationOf(imageOf({ ...RECURRENT_PATTERN, status: ready }), []))
    assert.strictEqual(status.lastInSyncAt, EARLIER)
  })

  it("the last copy sets the time, and a decision after it leaves the time", () => {
    const done = [copyOf("1.27", A, SUCCEEDED)]
    const arrived = decisionOf(
      situationOf(imageOf({ ...RECURRENT, status: copying }), [other], done, { fresh: false })
    ).status
    assert.strictEqual(arrived.lastInSyncAt, at(0))
    const later = situationOf(imageOf({ ...RECURRENT, status: arrived }), [same], [], { fresh: false })
    assert.strictEqual(decisionOf({ ...later, now: NOW + HOUR }).status.lastInSyncAt, at(0))
  })

  it("a failed copy leaves the time", () => {
    const copies = [copyOf("1.27", A, failed())]
    const { status } = decisionOf(
      situationOf(imageOf({ ...RECURRENT, status: copying }), [other], copies, { fresh: false })
    )
    assert.strictEqual(status.lastInSyncAt, EARLIER)
  })

  it("a failed check leaves the time, although the Image stays Ready", () => {
    const { status } = blockedOf(imageOf({ ...RECURRENT, status: ready }))
    assert.deepStrictEqual([conditionsIn(status)[0], status.lastInSyncAt], ["Ready=True Copied", EARLIER])
  })

  it("an Image that was in sync and gets a new spec was in sync until then, whatever its check or its copies do", () => {
    const image = imageOf({ ...EXACT, generation: 2, status: ready })
    const missing = situationOf(image, [observedTag("1.27", A)])
    const changed = decisionOf(missing).status
    assert.deepStrictEqual([conditionsIn(changed)[0], changed.lastInSyncAt], ["Ready=Unknown Copying", at(0)])
    const later = situationOf(imageOf({ ...EXACT, generation: 2, status: changed }), [observedTag("1.27", A)])
    assert.strictEqual(decisionOf({ ...later, now: NOW + HOUR }).status.lastInSyncAt, at(0))
    const blocked = blockedOf(image).status
    assert.strictEqual(blocked.lastInSyncAt, at(0))
    const again = imageOf({ ...EXACT, generation: 3, status: blocked })
    assert.strictEqual(blockedOf(again, {}, { now: NOW + HOUR }).status.lastInSyncAt, at(0))
  })

  it("a new spec leaves the time of an Image whose last check has failed", () => {
    const checkFailure = { attempts: 1, nextAttemptAt: at(60_000), reason: "Unreachable", message: "away" } as const
    const { status } = blockedOf(imageOf({ ...EXACT, generation: 2, status: { ...ready, checkFailure } }))
    assert.strictEqual(status.lastInSyncAt, EARLIER)
  })

  it("an Image that was never in sync has no time", () => {
    const { status } = decisionOf(situationOf(imageOf(RECURRENT), [other]))
    assert.notProperty(status, "lastInSyncAt")
  })
})

describe("copies that ended", () => {
  it("a successful copy brings its tag in sync without another check", () => {
    const image = imageOf({ ...RECURRENT, status: COPYING })
    const done = copyOf("1.27", A, SUCCEEDED)
    const decision = decisionOf(situationOf(image, [observedTag("1.27", A, B)], [done], { fresh: false }))
    assert.deepStrictEqual([decision.start, decision.cancel, decision.release], [[], [], [done]])
    assert.deepStrictEqual(conditionsIn(decision.status), COPIED)
    assert.strictEqual(decision.observed, undefined)
    assert.strictEqual(decision.status.lastCheckedAt, COPYING.lastCheckedAt)
    assert.deepStrictEqual(decision.status.history, [{ performedAt: at(-5 * SECOND), tag: "1.27", digest: A }])
  })

  it("a successful copy is remembered while other tags remain", () => {
    const image = imageOf({ ...PATTERN, status: COPYING })
    const copies = [copyOf("1.1", A, SUCCEEDED), copyOf("1.2", A, RUNNING)]
    const decision = decisionOf(
      situationOf(image, [observedTag("1.1", A), observedTag("1.2", A)], copies, { fresh: false })
    )
    assert.deepStrictEqual(decision.observed?.tags, [observedTag("1.1", A, A), observedTag("1.2", A)])
    assert.strictEqual(decision.status.tags, "1/2")
  })

  it("a copy that finds its tag at the destination brings the tag in sync, and is not in the history", () => {
    const before = [failureOf("1.1")]
    const image = imageOf({ ...PATTERN, status: { ...COPYING, failures: before } })
    const kept = copyOf("1.1", A, { _tag: "Present", at: NOW - 5 * SECOND, digest: B })
    const decision = decisionOf(situationOf(image, [observedTag("1.1", A)], [kept], { fresh: false }))
    assert.deepStrictEqual([decision.start, decision.cancel, decision.release], [[], [], [kept]])
    assert.strictEqual(decision.status.tags, "1/1")
    assert.deepStrictEqual(conditionsIn(decision.status), COPIED)
    assert.deepStrictEqual([decision.status.history, decision.status.failures], [undefined, undefined])
  })

  it("a tag that a copy found at the destination is copied if the Image is Recurrent now", () => {
    const image = imageOf({ ...RECURRENT_PATTERN, status: COPYING })
    const kept = copyOf("1.1", A, { _tag: "Present", at: NOW - 5 * SECOND, digest: B })
    assert.deepStrictEqual(
      startedIn(decisionOf(situationOf(image, [observedTag("1.1", A)], [kept], { fresh: false }))),
      ["1.1@a"]
    )
  })

  it("a tag that moved during its copy is copied again", () => {
    const image = imageOf({ ...RECURRENT, status: COPYING })
    const decision = decisionOf(
      situationOf(image, [observedTag("1.27", B)], [copyOf("1.27", A, SUCCEEDED)], { fresh: false })
    )
    assert.deepStrictEqual(startedIn(decision), ["1.27@b"])
    assert.deepStrictEqual(
      decision.status.history?.map((entry) => entry.digest),
      [A]
    )
  })

  it("the digest of a fresh check wins over an earlier successful copy", () => {
    const image = imageOf({ ...RECURRENT, status: COPYING })
    const decision = decisionOf(situationOf(image, [observedTag("1.27", A, B)], [copyOf("1.27", A, SUCCEEDED)]))
    assert.deepStrictEqual(startedIn(decision), ["1.27@a"])
  })

  it("a successful copy wins over a fresh check that lacks its tag, because a listing may lag", () => {
    const image = imageOf({ ...PATTERN, status: COPYING })
    assert.deepStrictEqual(
      startedIn(decisionOf(situationOf(image, [observedTag("1.1", A)], [copyOf("1.1", A, SUCCEEDED)]))),
      []
    )
  })

  it("finished copies for another Image of the same name, or to another destination, are released and not recorded", () => {
    const copies = [
      copyOf("1.27", A, SUCCEEDED, { image: { namespace: "team-a", name: "app", uid: "uid-0" } }),
      copyOf("1.27", A, SUCCEEDED, { destination: endpoint("registry.corp", "old") }),
      copyOf("1.27", A, failed(), { destination: endpoint("old.corp", "app") })
    ]
    const decision = decisionOf(situationOf(imageOf(EXACT), [observedTag("1.27", A)], copies))
    assert.deepStrictEqual(decision.release, copies)
    assert.deepStrictEqual(startedIn(decision), ["1.27@a"])
    assert.deepStrictEqual([decision.status.history, decision.status.failures], [undefined, undefined])
  })
})

describe("an Image that can never work", () => {
  const invalidOf = (image: Image, problems: ReadonlyArray<Problem>, copies: ReadonlyArray<Copy> = [], now = NOW) =>
    decide(image, { _tag: "Invalid", problems, copies }, now)
  const MISSING: Problem = { field: "spec", value: undefined, reason: "InvalidSpec", message: "is missing" }

  it("an invalid Image is Stalled with every problem, and its status is otherwise unchanged", () => {
    const before: ImageStatus = { ...COPYING, history: [{ performedAt: at(-HOUR) }] }
    const { status } = invalidOf(imageOf({ ...EXACT, generation: 7, status: before }), [
      { field: "spec.source.name", value: "Nginx", reason: "InvalidReference", message: "has upper-case letters" },
      { field: "spec.frequency", value: "1s", reason: "InvalidFrequency", message: "is too short" }
    ])
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

  it("the status of an invalid Image is written once", () => {
    const once = invalidOf(imageOf(EXACT), [MISSING]).status
    const again = invalidOf(imageOf({ ...EXACT, status: once }), [MISSING], [], NOW + HOUR)
    assert.isTrue(sameStatus(once, again.status))
    assert.strictEqual(nextIn(again.next), "Never Stalled")
  })

  it("the copies of an invalid Image are cancelled or released", () => {
    const [runs, done] = [copyOf("1.1", A, RUNNING), copyOf("1.2", A, SUCCEEDED)]
    const { cancel, observed, release, start } = invalidOf(imageOf(EXACT), [MISSING], [runs, done])
    assert.deepStrictEqual([start, cancel, release, observed], [[], [runs], [done], undefined])
  })

  it("an invalid Image does not wait for the retry of a failed check", () => {
    const { checkFailure } = blockedOf(imageOf(EXACT)).status
    assert.isDefined(checkFailure)
    assert.notProperty(
      invalidOf(imageOf({ ...EXACT, status: { ...READY, checkFailure } }), [MISSING]).status,
      "checkFailure"
    )
  })
})

describe("an Image of which nothing is due and nothing remembered", () => {
  const image = imageOf({ ...RECURRENT, status: READY })
  const copies = [copyOf("1.27", A, RUNNING), copyOf("1.26", A, SUCCEEDED)]
  const restOf = (status: ImageStatus) =>
    decide({ ...image, status }, { _tag: "Unobserved", mirror: mirrorOf(image), copies }, NOW)

  it("an Image at rest cancels a left-over copy, and records one that has succeeded", () => {
    const { cancel, observed, release, start, status } = restOf(READY)
    assert.deepStrictEqual([start, cancel, release, observed], [[], copies.slice(0, 1), copies.slice(1), undefined])
    assert.deepStrictEqual(status, { ...READY, history: [{ performedAt: at(-5 * SECOND), tag: "1.26", digest: A }] })
    // After a crash before the release the engine reports the same copy again.
    assert.strictEqual(restOf(status).status, status)
  })

  it("an Image at rest releases a copy that has failed, and writes nothing", () => {
    const gathered = { _tag: "Unobserved", mirror: mirrorOf(image), copies: [copyOf("1.26", A, failed())] } as const
    const { release, status } = decide({ ...image, status: READY }, gathered, NOW)
    assert.deepStrictEqual(release, gathered.copies)
    assert.strictEqual(status, READY)
  })

  it("an Image that waits for the retry of its check keeps its copies, because it is unknown whether they are needed", () => {
    const { status } = blockedOf(image, { reason: "RateLimited", until: NOW + HOUR })
    const { cancel, next, release, start, status: after } = restOf(status)
    assert.deepStrictEqual([start, cancel, release], [[], [], copies.slice(1)])
    assert.deepStrictEqual(after, { ...status, history: [{ performedAt: at(-5 * SECOND), tag: "1.26", digest: A }] })
    assert.strictEqual(nextIn(next), "Retry +3600s")
  })
})

describe("copies whose tag the spec no longer names", () => {
  const signature = `${A.replace(":", "-")}.sig`
  it.each([
    { version: "1.27", kept: ["1.27", signature], cancelled: ["1.26", "v2.1.0"] },
    { version: "1.x", kept: ["1.26", "1.27", signature], cancelled: ["v2.1.0"] }
  ])(
    "a copy to a tag that $version cannot select is cancelled, even while the check fails",
    ({ cancelled, kept, version }) => {
      const image = imageOf({ version, status: COPYING, generation: 2 })
      const copies = [...kept, ...cancelled].map((tag) => copyOf(tag, A, RUNNING))
      const failure = { reason: "Unreachable", message: "no answer", stalled: false } as const
      const { cancel } = decide(image, { _tag: "Blocked", mirror: mirrorOf(image), copies, failure }, NOW)
      assert.deepStrictEqual(
        cancel.map(({ tag }) => tag),
        cancelled
      )
    }
  )
})
