import { assert, describe, it } from "@effect/vitest"
import type { CopyState } from "../../../src/domain/Copy.ts"
import { conditionOf, type ImageStatus } from "../../../src/domain/Image.ts"
import {
  type Facts,
  READY_RULES,
  RECONCILING_RULES,
  type Rule,
  statementsOf
} from "../../../src/domain/plan/conditions.ts"
import type { ObservedTag } from "../../../src/domain/plan/facts.ts"
import {
  A,
  at,
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
  observedOf,
  observedTag,
  PATTERN,
  READY,
  RECURRENT_PATTERN,
  RUNNING,
  SECOND,
  type Situation,
  situationOf,
  UNBOUND
} from "./fixtures.ts"

const UNSCHEDULABLE: CopyState = {
  _tag: "Waiting",
  reason: "Job jobs/copy-app: no node takes its pod",
  obstacle: "PodUnschedulable"
}

describe("conditions", () => {
  it.each<
    readonly [
      what: string,
      situation: Situation,
      conditions: ReadonlyArray<string>,
      observedGeneration: number | undefined,
      next: string
    ]
  >([
    ["in sync", situationOf(imageOf(EXACT), [observedTag("1.27", A, A)]), COPIED, 1, "Never Done"],
    [
      "new, and copying",
      situationOf(imageOf(EXACT), [observedTag("1.27", A)]),
      COPYING_CONDITIONS,
      undefined,
      "Never AwaitingCopies"
    ],
    [
      "a new generation, and copying",
      situationOf(imageOf({ ...EXACT, generation: 2, status: READY }), [observedTag("1.27", A)]),
      COPYING_CONDITIONS,
      1,
      "Never AwaitingCopies"
    ],
    [
      "once Ready, with a tag more",
      situationOf(imageOf({ ...RECURRENT_PATTERN, status: READY }), [observedTag("1.1", A, A), observedTag("1.2", A)]),
      ["Ready=True Copying", "Reconciling=True Copying"],
      1,
      "Interval"
    ],
    [
      "failed, and waiting for the next attempt",
      situationOf(
        imageOf({ ...EXACT, status: COPYING }),
        [observedTag("1.27", A)],
        [copyOf("1.27", A, failed("AuthenticationFailed"))]
      ),
      ["Ready=False AuthenticationFailed", "Reconciling=True ProgressingWithRetry"],
      undefined,
      "Retry +10s"
    ],
    [
      "once Ready, and failed",
      situationOf(imageOf({ ...EXACT, status: READY }), [observedTag("1.27", A)], [copyOf("1.27", A, failed())]),
      ["Ready=False Unreachable", "Reconciling=True ProgressingWithRetry"],
      1,
      "Retry +10s"
    ],
    [
      "one failed, with others under way",
      situationOf(
        imageOf({ ...PATTERN, status: COPYING }),
        [observedTag("1.1", A), observedTag("1.2", A)],
        [copyOf("1.1", A, failed()), copyOf("1.2", A, RUNNING)]
      ),
      ["Ready=False Unreachable", "Reconciling=True Copying"],
      undefined,
      "Retry +10s"
    ],
    [
      "failed, and tried again",
      situationOf(
        imageOf({ ...EXACT, status: { ...COPYING, failures: [failureOf("1.27", { nextAttemptAt: at(-SECOND) })] } }),
        [observedTag("1.27", A)]
      ),
      ["Ready=False Unreachable", "Reconciling=True Copying"],
      undefined,
      "Never AwaitingCopies"
    ],
    [
      "kept from its copy by something that a person may have to mend",
      situationOf(imageOf(EXACT), [observedTag("1.27", A)], [copyOf("1.27", A, UNSCHEDULABLE)]),
      ["Ready=False PodUnschedulable", "Reconciling=True ProgressingWithRetry"],
      undefined,
      "Never AwaitingCopies"
    ],
    [
      "once Ready, with a tag more that is kept from its copy",
      situationOf(
        imageOf({ ...RECURRENT_PATTERN, status: READY }),
        [observedTag("1.1", A, A), observedTag("1.2", A)],
        [copyOf("1.2", A, UNSCHEDULABLE)]
      ),
      ["Ready=True PodUnschedulable", "Reconciling=True ProgressingWithRetry"],
      1,
      "Interval"
    ],
    ["nothing matches", situationOf(imageOf(PATTERN), []), ["Ready=False NoTagMatches"], 1, "Interval"],
    [
      "credentials for anyone",
      situationOf(imageOf(EXACT), [observedTag("1.27", A, A)], [], { warnings: [UNBOUND] }),
      [...COPIED, "CredentialsUnbound=True CredentialsNotBound"],
      1,
      "Never Done"
    ],
    [
      "credentials for anyone, and nothing matches",
      situationOf(imageOf(PATTERN), [], [], { warnings: [UNBOUND] }),
      ["Ready=False NoTagMatches", "CredentialsUnbound=True CredentialsNotBound"],
      1,
      "Interval"
    ],
    [
      "credentials for anyone, and two notices of registries",
      situationOf(imageOf(EXACT), [observedTag("1.27", A, A)], [], {
        warnings: [
          UNBOUND,
          { type: "RegistryWarning", reason: "RegistryNotice", message: "one" },
          { type: "RegistryWarning", reason: "RegistryNotice", message: "two" }
        ]
      }),
      [...COPIED, "CredentialsUnbound=True CredentialsNotBound", "RegistryWarning=True RegistryNotice"],
      1,
      "Never Done"
    ],
    [
      "credentials for anyone, and copying",
      situationOf(imageOf(EXACT), [observedTag("1.27", A)], [], { warnings: [UNBOUND] }),
      [...COPYING_CONDITIONS, "CredentialsUnbound=True CredentialsNotBound"],
      undefined,
      "Never AwaitingCopies"
    ]
  ])("the conditions describe the state of an Image: %s", (_, situation, conditions, observedGeneration, next) => {
    const decision = decisionOf(situation)
    assert.deepStrictEqual(conditionsIn(decision.status), conditions)
    assert.strictEqual(decision.status.observedGeneration, observedGeneration)
    assert.isTrue(nextIn(decision.next).startsWith(next), nextIn(decision.next))
    for (const { lastTransitionTime, observedGeneration: speaksOf } of decision.status.conditions ?? []) {
      assert.strictEqual(speaksOf, situation.image.generation)
      assert.isTrue(lastTransitionTime === at(0) || lastTransitionTime === at(-HOUR))
    }
  })

  it("a condition changes its time only with its status", () => {
    const ready = (situation: Situation) => conditionOf(decisionOf(situation).status, "Ready")
    const tags = [observedTag("1.27", A, A)]
    const stays = ready(situationOf(imageOf({ ...EXACT, generation: 2, status: READY }), tags))
    assert.deepStrictEqual([stays?.observedGeneration, stays?.lastTransitionTime], [2, at(-HOUR)])
    const moves = ready(situationOf(imageOf({ ...EXACT, status: COPYING }), tags))
    assert.strictEqual(moves?.lastTransitionTime, at(0))
    const otherReason = decisionOf(situationOf(imageOf({ ...EXACT, status: COPYING }), [observedTag("1.27", A)])).status
    assert.strictEqual(conditionOf(otherReason, "Reconciling")?.lastTransitionTime, at(-HOUR))
  })

  it.each<readonly [what: string, situation: Situation, type: "Ready" | "Reconciling", message: string]>([
    ["one", situationOf(imageOf(EXACT), [observedTag("1.27", A, A)]), "Ready", "1 of 1 tag is copied"],
    ["many", situationOf(imageOf(PATTERN), [existing("1.1"), existing("1.2")]), "Ready", "2 of 2 tags are copied"],
    [
      "remaining",
      situationOf(imageOf(PATTERN), [existing("1.1"), observedTag("1.2", A)]),
      "Reconciling",
      "1 of 2 tags are copied; remaining: 1.2"
    ],
    [
      "many remaining",
      situationOf(
        imageOf(PATTERN),
        Array.from({ length: 8 }, (_, i) => observedTag(`1.${i}`, A))
      ),
      "Reconciling",
      "0 of 8 tags are copied; remaining: 1.0, 1.1, 1.2, 1.3, 1.4 and 3 more"
    ],
    [
      "a failure",
      situationOf(
        imageOf(PATTERN),
        [existing("1.1"), observedTag("1.2", A)],
        [copyOf("1.2", A, failed("Unreachable", "dial\ntcp"))]
      ),
      "Ready",
      "1 of 2 tags are copied; 1.2 failed: dial tcp"
    ],
    [
      "several failures of several reasons",
      situationOf(
        imageOf(PATTERN),
        [existing("1.1"), ...["1.2", "1.3", "1.4", "1.5"].map((tag) => observedTag(tag, A))],
        [
          copyOf("1.2", A, failed("Unreachable", "dial tcp")),
          copyOf("1.3", A, failed("ServerError", "502")),
          copyOf("1.4", A, failed("ServerError", "503")),
          copyOf("1.5", A, failed("Unreachable", "dial tcp"))
        ]
      ),
      "Ready",
      "1 of 5 tags are copied; 1.2 failed: dial tcp; also failed: 1.3, 1.4 (ServerError), 1.5 (Unreachable)"
    ],
    [
      "more failures than a message names",
      situationOf(
        imageOf(PATTERN),
        Array.from({ length: 12 }, (_, i) => observedTag(`1.${i}-${"x".repeat(120)}`, A)),
        Array.from({ length: 12 }, (_, i) => copyOf(`1.${i}-${"x".repeat(120)}`, A, failed("Unreachable", "dial tcp")))
      ),
      "Ready",
      `0 of 12 tags are copied; 1.0-${"x".repeat(120)} failed: dial tcp; also failed: ${[1, 2, 3, 4, 5, 6, 7].map((i) => `1.${i}-${"x".repeat(120)}`).join(", ")} (Unreachable) and 4 more`
    ],
    [
      "no match",
      situationOf(imageOf(PATTERN), [], [], { observed: observedOf([], { listed: 7 }) }),
      "Ready",
      "no tag matches 1.x among the 7 of quay.io/team/app"
    ],
    [
      "no match, with the nearest",
      situationOf(imageOf(PATTERN), [], [], {
        observed: observedOf([], {
          listed: 7,
          nearest: ["1.2.1", "1.2.2"].map((tag) => ({ tag, verdict: { selected: false, reason: "NotMatching" } }))
        })
      }),
      "Ready",
      "no tag matches 1.x among the 7 of quay.io/team/app; the nearest are 1.2.1, 1.2.2; 1.2.1 has three numbers; write 1.x.x"
    ],
    [
      "a misspelt mode, in sync",
      situationOf(imageOf({ mode: "Reccurrent" }), [observedTag("1.27", A, A)]),
      "Ready",
      '1 of 1 tag is copied; spec.mode: "Reccurrent" runs as Recurrent; write Recurrent'
    ],
    [
      "a misspelt mode, copying",
      situationOf(imageOf({ mode: "Reccurrent" }), [observedTag("1.27", A)]),
      "Ready",
      '0 of 1 tag is copied; spec.mode: "Reccurrent" runs as Recurrent; write Recurrent'
    ],
    [
      "a misspelt mode, no match",
      situationOf(imageOf({ mode: "Reccurrent", version: "1.x" }), []),
      "Ready",
      'no tag matches 1.x among the 0 of quay.io/team/app; spec.mode: "Reccurrent" runs as Recurrent; write Recurrent'
    ],
    [
      "a range with a line break",
      situationOf(imageOf({ version: "^1.0.0\n" }), []),
      "Ready",
      "no tag matches ^1.0.0  among the 0 of quay.io/team/app"
    ]
  ])("a condition has a message of one line: %s", (_, situation, type, message) => {
    assert.strictEqual(conditionOf(decisionOf(situation).status, type)?.message, message)
  })

  it("a condition has a message of bounded length", () => {
    const message = `${"x".repeat(3_998)}\u{1F419}\u{1F419}`
    const { status } = decisionOf(
      situationOf(imageOf(EXACT), [observedTag("1.27", A)], [copyOf("1.27", A, failed("Unreachable", message))])
    )
    const text = conditionOf(status, "Ready")?.message ?? ""
    assert.isAtMost(text.length, 4_000)
    assert.isTrue(text.isWellFormed())
  })
})

describe("copies that wait", () => {
  const limited: CopyState = { _tag: "Waiting", reason: "docker.io: 0 of 100 pulls are left", limited: true }
  const open = [observedTag("1.1", A), observedTag("1.2", A)]
  const saidOf = (states: ReadonlyArray<CopyState>, status: ImageStatus = {}) => {
    const image = imageOf({ ...PATTERN, status })
    const decision = decisionOf(
      situationOf(
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

  it("copies that wait for a rate limit say so, and until when", () => {
    assert.deepStrictEqual(saidOf([limited, limited]), {
      conditions: ["Ready=Unknown RateLimited", "Reconciling=True ProgressingWithRetry"],
      messages: [
        "0 of 2 tags are copied; docker.io: 0 of 100 pulls are left",
        "0 of 2 tags are copied; remaining: 1.1, 1.2; docker.io: 0 of 100 pulls are left"
      ]
    })
  })

  it("copies that wait for a rate limit leave an Image Ready that was", () => {
    assert.deepStrictEqual(saidOf([limited, limited], READY).conditions, [
      "Ready=True RateLimited",
      "Reconciling=True ProgressingWithRetry"
    ])
  })

  it("copies that wait for a rate limit are named in addition to running ones", () => {
    assert.deepStrictEqual(saidOf([RUNNING, limited]), {
      conditions: COPYING_CONDITIONS,
      messages: [
        "0 of 2 tags are copied",
        "0 of 2 tags are copied; remaining: 1.1, 1.2; docker.io: 0 of 100 pulls are left"
      ]
    })
  })

  it("copies that wait for a free slot say so", () => {
    const { conditions, messages } = saidOf([RUNNING, { _tag: "Waiting", reason: "waits for one of 10 copies" }])
    assert.deepStrictEqual(conditions, COPYING_CONDITIONS)
    assert.include(messages[1], "; waits for one of 10 copies")
  })
})

describe("the tables of rules", () => {
  const image = imageOf(PATTERN)
  const readyImage = imageOf({ ...PATTERN, status: READY })
  const waiting: CopyState = { _tag: "Waiting", reason: "0 of 100 pulls are left", limited: true }
  const missing = observedTag("1.1", A)
  const impossible: ObservedTag = {
    tag: "1.2",
    exists: false,
    problem: { reason: "PlatformMissing", message: "has no such platform" }
  }
  /** Facts for which as many rules as possible give a statement. */
  const everything: Facts = {
    now: NOW,
    image,
    mirror: mirrorOf(image),
    observed: observedOf([missing, impossible]),
    remaining: [missing, impossible],
    active: [copyOf("1.1", A, waiting)],
    copying: false,
    failures: [failureOf("1.1", { reason: "DestinationBusy" }), failureOf("1.2")],
    checkFailure: { reason: "Unreachable", message: "no answer", stalled: false }
  }
  const { checkFailure: _, ...checked } = everything
  const claimed: ObservedTag = {
    tag: "1.3",
    exists: true,
    problem: { reason: "DestinationClaimed", message: "claimed by the older Image team-b/other" }
  }
  const contested = { observed: observedOf([missing, claimed]), remaining: [missing, claimed] }
  const nothing = { observed: observedOf([]), remaining: [] }
  const busy = { failures: [failureOf("1.1", { reason: "DestinationBusy" })] }
  const possible = { observed: observedOf([missing]), remaining: [missing] }

  const saidBy = (rules: ReadonlyArray<Rule>, facts: Facts): string => {
    const rule = rules.find((rule) => rule(facts) !== undefined)
    return `${rule?.name} ${rule?.(facts)?.status} ${rule?.(facts)?.reason}`
  }

  it.each<readonly [said: string, facts: Facts]>([
    ["checkFailedLately True Copied", { ...everything, image: readyImage, failures: [] }],
    ["checkFailed False Unreachable", everything],
    [
      "tooFewOrTooManyTags False TooFewTags",
      { ...checked, observed: observedOf([], { misfit: { _tag: "TooFew", tags: 2 } }), remaining: [] }
    ],
    [
      "tooFewOrTooManyTags False TooManyTags",
      { ...checked, observed: observedOf([], { misfit: { _tag: "TooMany", tags: 2_000 } }), remaining: [] }
    ],
    ["noTagMatches False NoTagMatches", { ...checked, ...nothing }],
    ["copied True Copied", { ...checked, remaining: [] }],
    ["destinationClaimed False DestinationClaimed", { ...checked, ...contested, copying: true }],
    ["copyFailed False Unreachable", checked],
    ["cannotBeCopied False PlatformMissing", { ...checked, ...busy }],
    ["destinationBusy Unknown DestinationBusy", { ...checked, ...busy, ...possible }],
    ["rateLimited Unknown RateLimited", { ...checked, ...busy, copying: true }],
    ["copying Unknown Copying", { ...checked, ...busy, copying: true, active: [copyOf("1.1", A, RUNNING)] }]
  ])("the first rule with a statement decides Ready: %s", (said, facts) => {
    assert.strictEqual(saidBy(READY_RULES, facts), said)
  })

  it.each<readonly [said: string, facts: Facts]>([
    ["checkIsRetried True ProgressingWithRetry", everything],
    ["tagsWaitForOthersCopies True DestinationBusy", checked],
    ["tagsAreCopied True Copying", { ...checked, copying: true, active: [copyOf("1.1", A, RUNNING)] }],
    ["tagsAreRetried True ProgressingWithRetry", { ...checked, copying: true }]
  ])("the first rule with a statement decides Reconciling: %s", (said, facts) => {
    assert.strictEqual(saidBy(RECONCILING_RULES, facts), said)
  })

  it.each<readonly [tags: string, observed: ReadonlyArray<ObservedTag>, types: ReadonlyArray<string>]>([
    ["a claimed tag and a tag that is not copied yet", [claimed, missing], ["Ready", "Reconciling"]],
    ["a claimed tag, and all other tags are copied", [claimed, observedTag("1.1", A, A)], ["Ready"]],
    ["claimed tags only", [claimed], ["Ready", "Stalled"]]
  ])("the conditions of an Image with %s", (_, tags, types) => {
    const remaining = tags.filter(({ exists, problem }) => !exists || problem !== undefined)
    const facts: Facts = { ...checked, failures: [], active: [], observed: observedOf(tags), remaining }
    assert.deepStrictEqual(
      statementsOf(facts).map(({ type }) => type),
      types
    )
  })

  it("the rules of Reconciling are not used once every tag is copied and every check is made", () => {
    assert.deepStrictEqual(
      statementsOf({ ...checked, remaining: [] }).map(({ type }) => type),
      ["Ready"]
    )
  })
})
