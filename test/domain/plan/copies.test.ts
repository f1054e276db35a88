import { assert, describe, it } from "@effect/vitest"
import type { Copy } from "../../../src/domain/Copy.ts"
import type { ObservedTag } from "../../../src/domain/plan/facts.ts"
import {
  A,
  B,
  C,
  conditionsIn,
  COPYING,
  copyOf,
  decisionOf,
  EXACT,
  existing,
  failureOf,
  HOUR,
  imageOf,
  NOW,
  observedTag,
  PATTERN,
  RECURRENT,
  RUNNING,
  situationOf,
  startedIn,
  SUCCEEDED,
  type Written
} from "./fixtures.ts"
import { endpoint, platforms } from "../../support/endpoints.ts"

describe("copies under way", () => {
  it.each<
    readonly [
      what: string,
      written: Written,
      tags: ReadonlyArray<ObservedTag>,
      more: Partial<Copy>,
      cancelled: boolean,
      started: string
    ]
  >([
    ["is wanted", EXACT, [observedTag("1.27", A)], {}, false, "1.27@a"],
    [
      "waits for room",
      EXACT,
      [observedTag("1.27", A)],
      { state: { _tag: "Waiting", reason: "room" } },
      false,
      "1.27@a"
    ],
    ["is in sync already", PATTERN, [existing("1.27")], {}, false, ""],
    [
      "has not begun when its tag is there",
      PATTERN,
      [existing("1.27")],
      { state: { _tag: "Waiting", reason: "room" } },
      true,
      ""
    ],
    [
      "has not begun when its tag is there with the same digest",
      RECURRENT,
      [observedTag("1.27", A, A)],
      { state: { _tag: "Waiting", reason: "room" } },
      true,
      ""
    ],
    [
      "has not begun when its tag moves",
      RECURRENT,
      [observedTag("1.27", B, C)],
      { state: { _tag: "Waiting", reason: "room" } },
      false,
      "1.27@b"
    ],
    ["copies a tag that moved", RECURRENT, [observedTag("1.27", B)], {}, false, "1.27@b"],
    ["copies a tag no longer selected", PATTERN, [observedTag("1.28", A)], {}, true, "1.28@a"],
    ["copies where nothing matches any more", PATTERN, [], {}, true, ""],
    [
      "is for an Image that is gone",
      EXACT,
      [observedTag("1.27", A)],
      { image: { namespace: "team-a", name: "app", uid: "uid-0" } },
      true,
      "1.27@a"
    ],
    [
      "goes to another repository",
      EXACT,
      [observedTag("1.27", A)],
      { destination: endpoint("registry.corp", "old") },
      true,
      "1.27@a"
    ],
    [
      "goes to another registry",
      EXACT,
      [observedTag("1.27", A)],
      { destination: endpoint("old.corp", "app") },
      true,
      "1.27@a"
    ],
    ["copies a OneShot tag that moved", EXACT, [observedTag("1.27", B)], {}, false, "1.27@b"],
    ["copies a tag of a OneShot pattern that moved", PATTERN, [observedTag("1.27", B)], {}, true, "1.27@b"],
    [
      "is of a digest that the Image asked for before it was changed",
      RECURRENT,
      [observedTag("1.27", B)],
      { generation: 0 },
      true,
      "1.27@b"
    ],
    [
      "is of a digest that the Image asked for before it was changed, and still does",
      RECURRENT,
      [observedTag("1.27", A)],
      { generation: 0 },
      false,
      "1.27@a"
    ],
    [
      "is of more platforms than the Image asks for since it was changed",
      PATTERN,
      [{ ...observedTag("1.27", B), sourceDigest: A }],
      { generation: 0 },
      true,
      "1.27@a"
    ],
    [
      "is of more platforms than the Image asks for since it was changed, and the image has others",
      EXACT,
      [{ tag: "1.27", exists: false, problem: { reason: "PlatformMissing", message: "has no such platform" } }],
      { generation: 0 },
      true,
      ""
    ],
    [
      "has platforms named that are all there are",
      PATTERN,
      [{ ...observedTag("1.27", A), sourceDigest: A }],
      { generation: 0, platforms: platforms("linux/amd64") },
      false,
      "1.27@a"
    ],
    [
      "is asked for no longer, and its tag is there",
      PATTERN,
      [existing("1.27")],
      { generation: 0, destinationDigest: B },
      true,
      ""
    ],
    [
      "overwrites its tag, as the Image asked before it was changed",
      PATTERN,
      [observedTag("1.27", A)],
      { generation: 0, onlyIfMissing: false },
      true,
      "1.27@a"
    ],
    [
      "is from a source named before, of another digest",
      RECURRENT,
      [observedTag("1.27", B)],
      { generation: 0, source: endpoint("quay.io", "old/app") },
      true,
      "1.27@b"
    ],
    [
      "is from a source named before, of the same digest",
      PATTERN,
      [observedTag("1.27", A)],
      { generation: 0, source: endpoint("quay.io", "old/app") },
      false,
      "1.27@a"
    ]
  ])("a running copy continues or is cancelled: it %s", (_, written, tags, more, cancelled, started) => {
    const copy = copyOf("1.27", A, RUNNING, more)
    const decision = decisionOf(situationOf(imageOf({ ...written, status: COPYING }), tags, [copy]))
    assert.deepStrictEqual(decision.cancel, cancelled ? [copy] : [])
    assert.deepStrictEqual(decision.release, [])
    assert.strictEqual(startedIn(decision).join(), started)
  })

  it("a running copy continues although an earlier attempt failed and its next attempt is not due", () => {
    const image = imageOf({ ...EXACT, status: { ...COPYING, failures: [failureOf("1.27")] } })
    const decision = decisionOf(
      situationOf(image, [observedTag("1.27", A)], [copyOf("1.27", A, RUNNING)], { fresh: false })
    )
    assert.deepStrictEqual([startedIn(decision), decision.cancel], [["1.27@a"], []])
    assert.deepStrictEqual(conditionsIn(decision.status), ["Ready=False Unreachable", "Reconciling=True Copying"])
  })
})

describe("the copies of a list with thousands of tags", () => {
  const tags = Array.from({ length: 2_500 }, (_, index) => observedTag(`1.${index}`, A))
  const waiting = (tag: string) => copyOf(tag, A, { _tag: "Waiting", reason: "waiting for a free slot" })
  const names = tags.map(({ tag }) => tag)

  it("a decision has at most 100 copies of an Image under way, the first of the list first", () => {
    const { start } = decisionOf(situationOf(imageOf(PATTERN), tags, []))
    assert.deepStrictEqual(
      start.map(({ tag }) => tag),
      names.slice(0, 100)
    )
  })

  it("a copy that ends gives its place to the next tag of the list, and no check is needed for that", () => {
    const ended = copyOf("1.5", A, SUCCEEDED)
    const copies = names.slice(0, 100).map((tag) => (tag === "1.5" ? ended : waiting(tag)))
    const { cancel, start } = decisionOf(
      situationOf(imageOf({ ...PATTERN, status: COPYING }), tags, copies, { fresh: false })
    )
    assert.deepStrictEqual(cancel, [])
    assert.deepStrictEqual(
      start.map(({ tag }) => tag),
      names.slice(0, 101).filter((tag) => tag !== "1.5")
    )
  })

  it("a failed copy that is due is retried though 100 other copies are under way", () => {
    const image = imageOf({ ...PATTERN, status: { ...COPYING, failures: [failureOf("1.2000", { attempts: 1 })] } })
    const copies = names.slice(0, 100).map(waiting)
    const { start } = decisionOf({ ...situationOf(image, tags, copies), now: NOW + HOUR })
    assert.deepStrictEqual(
      start.map(({ tag }) => tag),
      [...names.slice(0, 100), "1.2000"]
    )
  })
})

describe("referrers of an existing tag that is never overwritten", () => {
  it("an existing tag gets the referrers of the image that it names, and a missing tag only the platforms of the spec", () => {
    const image = imageOf(PATTERN)
    const mirror = { ...situationOf(image, []).mirror, platforms: platforms("linux/arm64"), referrers: true }
    const tags = [{ ...observedTag("1.26", A, A), referrersMissing: true }, observedTag("1.27", B)]
    const { start } = decisionOf(situationOf(image, tags, [], { mirror }))
    assert.deepStrictEqual(
      start.map((task) => [task.tag, task.platforms.length]),
      [
        ["1.26", 0],
        ["1.27", 1]
      ]
    )
  })
})
