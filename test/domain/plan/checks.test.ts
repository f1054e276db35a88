import { assert, describe, it } from "@effect/vitest"
import { conditionOf, type FailedCheck, type ImageStatus } from "../../../src/domain/Image.ts"
import type { CheckFailure } from "../../../src/domain/plan/facts.ts"
import { decide } from "../../../src/domain/plan/decide.ts"
import { sameStatus } from "../../../src/domain/plan/status.ts"
import {
  A,
  at,
  blockedOf,
  condition,
  conditionsIn,
  COPYING,
  COPYING_CONDITIONS,
  copyOf,
  decisionOf,
  EXACT,
  HOUR,
  imageOf,
  MINUTE,
  nextIn,
  NOW,
  observedOf,
  observedTag,
  READY,
  RECURRENT_PATTERN,
  failed,
  failureOf,
  mirrorOf,
  RECURRENT,
  RUNNING,
  SECOND,
  situationOf,
  SUCCEEDED,
  UNBOUND,
  type Written
} from "./fixtures.ts"
import { endpoint } from "../../support/endpoints.ts"

describe("an Image whose check could not be made", () => {
  const failure = { reason: "Unreachable", message: "quay.io does not answer" } as const

  it("an Image whose check failed is not Ready, is retried, and keeps the rest of its status", () => {
    const { cancel, next, observed, release, start, status } = blockedOf(
      imageOf({ ...EXACT, generation: 2, status: READY }),
      failure
    )
    assert.deepStrictEqual(status, {
      ...READY,
      lastInSyncAt: at(0),
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
      ],
      checkFailure: { attempts: 1, nextAttemptAt: at(SECOND), ...failure }
    })
    assert.strictEqual(status.observedGeneration, 1)
    assert.deepStrictEqual([start, cancel, release, observed], [[], [], [], undefined])
    assert.strictEqual(nextIn(next), "Retry +1s")
  })

  it("an Image whose check failed keeps its warnings, is not Stalled any more, and only counts further failures", () => {
    const before = {
      ...READY,
      conditions: [condition("Ready", "False"), condition("Stalled", "True"), condition("CredentialsUnbound", "True")]
    }
    const once = blockedOf(imageOf({ ...EXACT, status: before })).status
    assert.deepStrictEqual(conditionsIn(once), [
      "Ready=False Unreachable",
      "Reconciling=True ProgressingWithRetry",
      "CredentialsUnbound=True Before"
    ])
    assert.strictEqual(conditionOf(once, "CredentialsUnbound")?.lastTransitionTime, at(-HOUR))
    const again = blockedOf(imageOf({ ...EXACT, status: once }), {}, { now: NOW + HOUR }).status
    assert.isTrue(sameStatus({ ...once, checkFailure: failedCheck(2, HOUR + 2 * SECOND) }, again))
  })

  it("an Image whose check failed has the current warnings about its credentials, if they are available", () => {
    const before = {
      ...READY,
      conditions: [condition("CredentialsWithheld", "True"), condition("RegistryWarning", "True")]
    }
    const image = imageOf({ ...EXACT, status: before })
    const others = ["Ready=False Unreachable", "Reconciling=True ProgressingWithRetry"]
    assert.deepStrictEqual(conditionsIn(blockedOf(image, {}, { warnings: [UNBOUND] }).status), [
      ...others,
      "CredentialsUnbound=True CredentialsNotBound",
      "RegistryWarning=True Before"
    ])
    assert.deepStrictEqual(conditionsIn(blockedOf(image, {}, { warnings: [] }).status), [
      ...others,
      "RegistryWarning=True Before"
    ])
  })

  it("an Image whose check failed keeps the warnings of registries", () => {
    const warning = {
      type: "RegistryWarning",
      reason: "RegistryNotice",
      message: "there"
    } as const
    const once = blockedOf(imageOf(EXACT), {}, { warnings: [], notices: [warning] }).status
    assert.strictEqual(conditionOf(once, "RegistryWarning")?.message, "there")
    const again = blockedOf(imageOf({ ...EXACT, status: once }), {}, { now: NOW + HOUR }).status
    assert.deepStrictEqual(again.conditions, once.conditions)
  })

  it("an Image whose credentials a person must repair is Stalled, and its check is still retried", () => {
    const { next, status } = blockedOf(
      imageOf({ ...EXACT, generation: 2, status: READY }),
      { reason: "SecretInvalid", message: "is no credential", stalled: true },
      { warnings: [UNBOUND] }
    )
    assert.deepStrictEqual(conditionsIn(status), [
      "Ready=False SecretInvalid",
      "Stalled=True SecretInvalid",
      "CredentialsUnbound=True CredentialsNotBound"
    ])
    assert.strictEqual(status.observedGeneration, 2)
    assert.strictEqual(nextIn(next), "Retry +2s")
  })

  it("an Image whose check failed says so while its copies run, counts their outcome, and drops the failure with the next check", () => {
    const image = imageOf({ ...RECURRENT_PATTERN, status: COPYING })
    const observed = observedOf([observedTag("1.1", A), observedTag("1.2", A)])
    const blocked = blockedOf(image, { reason: "RateLimited", until: NOW + HOUR }, { observed })
    assert.strictEqual(blocked.observed, observed)
    const copies = [copyOf("1.1", A, SUCCEEDED), copyOf("1.2", A, RUNNING)]
    const later = { ...image, status: blocked.status }
    const decision = decisionOf(situationOf(later, observed.tags, copies, { fresh: false }))
    assert.deepStrictEqual(conditionsIn(decision.status), conditionsIn(blocked.status))
    assert.deepStrictEqual(decision.status.checkFailure, blocked.status.checkFailure)
    assert.strictEqual(decision.status.tags, "1/2")
    assert.strictEqual(nextIn(decision.next), "Retry +3600s")
    const checked = decisionOf(situationOf(later, observed.tags, copies))
    assert.deepStrictEqual(conditionsIn(checked.status), COPYING_CONDITIONS)
    assert.isUndefined(checked.status.checkFailure)
  })

  it("an Image whose check fails records and releases the copies that ended, and cancels those of an earlier uid or repository", () => {
    const image = imageOf({ ...RECURRENT_PATTERN, status: COPYING })
    const observed = observedOf([observedTag("1.1", A), observedTag("1.2", A)])
    const earlier = [
      copyOf("1.3", A, RUNNING, { image: { namespace: "team-a", name: "app", uid: "uid-0" } }),
      copyOf("1.4", A, RUNNING, { destination: endpoint("registry.corp", "old") }),
      copyOf("1.5", A, RUNNING, { source: endpoint("quay.io", "team/old") })
    ]
    const ended = [copyOf("1.1", A, SUCCEEDED), copyOf("1.2", A, failed())]
    const copies = [...earlier, ...ended, copyOf("1.6", A, RUNNING)]
    const decision = blockedOf(image, {}, { observed, copies })
    assert.deepStrictEqual([decision.cancel, decision.release, decision.start], [earlier, ended, []])
    assert.strictEqual(decision.status.tags, "1/2")
    assert.deepStrictEqual(decision.status.history, [{ performedAt: at(-5 * SECOND), tag: "1.1", digest: A }])
    assert.deepStrictEqual(
      decision.status.failures?.map(({ tag }) => tag),
      ["1.2"]
    )
    assert.deepStrictEqual(decision.observed?.tags, [observedTag("1.1", A, A), observedTag("1.2", A)])
    const unknown = blockedOf(image, {}, { copies })
    assert.deepStrictEqual([unknown.cancel, unknown.release, unknown.status.tags], [earlier, ended, COPYING.tags])
  })

  it("an Image whose credentials a person must repair stays Stalled while its copies run", () => {
    const observed = observedOf([observedTag("1.1", A)])
    const image = imageOf({ ...RECURRENT_PATTERN, status: COPYING })
    const { status } = blockedOf(image, { reason: "SecretInvalid", message: "mend it", stalled: true }, { observed })
    const decision = decisionOf(
      situationOf({ ...image, status }, observed.tags, [copyOf("1.1", A, RUNNING)], { fresh: false })
    )
    assert.deepStrictEqual(conditionsIn(decision.status), ["Ready=False SecretInvalid", "Stalled=True SecretInvalid"])
  })
})

describe("an Image that was Ready when its check failed", () => {
  const checked = (millis: number): ImageStatus => ({ ...READY, lastCheckedAt: at(-millis) })
  const older: ImageStatus = { ...READY, conditions: [condition("Ready", "True", { observedGeneration: 0 })] }
  const withFailure = { ...READY, failures: [failureOf("1.27")] }
  const busy = { ...READY, failures: [failureOf("1.27", { reason: "DestinationBusy" })] }
  const STAYS = ["Ready=True Copied", "Reconciling=True ProgressingWithRetry"]

  it.each<readonly [what: string, status: ImageStatus, failure: Partial<CheckFailure>, conditions: readonly string[]]>([
    ["stays Ready for less than twice the frequency", checked(2 * HOUR - SECOND), {}, STAYS],
    [
      "is not Ready after twice the frequency",
      checked(2 * HOUR),
      {},
      ["Ready=False Unreachable", "Reconciling=True ProgressingWithRetry"]
    ],
    ["stays Ready while another Image's copy writes a tag", busy, {}, STAYS],
    [
      "is not Ready if a copy has failed",
      withFailure,
      {},
      ["Ready=False Unreachable", "Reconciling=True ProgressingWithRetry"]
    ],
    [
      "is not Ready if the source has no such version",
      READY,
      { reason: "SourceNotFound" },
      ["Ready=False SourceNotFound", "Reconciling=True ProgressingWithRetry"]
    ],
    [
      "is not Ready if a person must repair the cause",
      READY,
      { stalled: true },
      ["Ready=False Unreachable", "Stalled=True Unreachable"]
    ],
    [
      "is not Ready if it was Ready with another spec",
      older,
      {},
      ["Ready=False Unreachable", "Reconciling=True ProgressingWithRetry"]
    ]
  ])("an Image that was Ready when its check failed %s", (_, status, failure, conditions) => {
    const image = imageOf({ ...RECURRENT, status })
    assert.deepStrictEqual(conditionsIn(blockedOf(image, failure).status), conditions)
  })

  it("its status is looked at again when its time as a Ready Image ends, and that is no check", () => {
    const image = imageOf({ ...RECURRENT, status: checked(2 * HOUR - 20 * SECOND) })
    const limited = { reason: "RateLimited", until: NOW + HOUR } as const
    const { next, status } = blockedOf(image, limited)
    assert.strictEqual(nextIn(next), "NotReady +20s")
    const later = NOW + 20 * SECOND
    const gathered = { _tag: "Unobserved", mirror: mirrorOf(image), copies: [] } as const
    const ended = decide({ ...image, status }, gathered, later)
    assert.deepStrictEqual(conditionsIn(ended.status), [
      "Ready=False RateLimited",
      "Reconciling=True ProgressingWithRetry"
    ])
    assert.deepStrictEqual(ended.status.checkFailure, status.checkFailure)
    assert.strictEqual(nextIn(ended.next), "Retry +3600s")
    assert.deepStrictEqual(decide({ ...image, status: ended.status }, gathered, later).status, ended.status)
  })
})

describe("the next attempt of a failed check", () => {
  it("Images whose checks failed together, or whose copies did, are retried up to a fifth of the pause apart", () => {
    const before = {
      checkFailure: { attempts: 8, nextAttemptAt: at(0), reason: "Unreachable", message: "no" }
    } as const
    const copies = [copyOf("1.27", A, failed())]
    const pauses = Array.from({ length: 500 }, (_, index) => {
      const uid = `uid-${index}`
      const image = imageOf({ ...EXACT, uid, status: { ...READY, ...before } })
      const own = copies.map((copy) => ({ ...copy, image: { ...copy.image, uid } }))
      const copied = decisionOf(situationOf(image, [observedTag("1.27", A)], own)).status.failures?.[0]
      return [blockedOf(image).status.checkFailure, copied].map((retry) => Date.parse(retry?.nextAttemptAt ?? "") - NOW)
    })
    for (const [of, longest] of [192 * SECOND, 10 * SECOND].entries()) {
      const own = pauses.map((pause) => pause[of] ?? Infinity)
      assert.isTrue(Math.max(...own) <= longest && Math.min(...own) >= 0.8 * longest, `${Math.min(...own)}`)
      assert.isAbove(new Set(own).size, (0.18 * longest) / SECOND)
    }
  })

  const failing = (
    failure: Partial<CheckFailure>,
    times: number,
    written: Written = EXACT
  ): FailedCheck | undefined => {
    let status: ImageStatus = READY
    for (let time = 0; time < times; time++) status = blockedOf(imageOf({ ...written, status }), failure).status
    return status.checkFailure
  }

  it.each<readonly [attempts: number, seconds: number]>([
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 6],
    [5, 12],
    [11, 768],
    [12, 900],
    [100, 900]
  ])(
    "a failed check is retried after 750 ms doubled to 15 minutes, in whole seconds: after failure %i in %i s",
    (attempts, seconds) => {
      assert.deepStrictEqual(failing({}, attempts), failedCheck(attempts, seconds * SECOND))
    }
  )

  it.each<readonly [attempts: number, seconds: number]>([
    [1, 2],
    [2, 2],
    [3, 4],
    [6, 32],
    [7, 60],
    [100, 60]
  ])("missing credentials are retried after 2 s to a minute: after failure %i in %i s", (attempts, seconds) => {
    const failure = { reason: "SecretNotFound", message: "is not there" } as const
    assert.deepStrictEqual(failing(failure, attempts), { ...failure, attempts, nextAttemptAt: at(seconds * SECOND) })
  })

  it.each<readonly [named: number, position: number, seconds: number]>([
    [90 * SECOND, 0, 90],
    [1_500, 0, 2],
    [0, 0, 1],
    [15 * MINUTE, 3, 15 * 60 + 3],
    [365 * 24 * HOUR, 0, 6 * 3_600]
  ])(
    "a check that a registry deferred by %i ms is retried, after %i others of its namespace, in %i s",
    (named, position, seconds) => {
      const { next, status } = blockedOf(
        imageOf(EXACT),
        { reason: "RateLimited", message: "too many", until: NOW + named },
        { position }
      )
      assert.deepStrictEqual(status.checkFailure, {
        attempts: 1,
        nextAttemptAt: at(seconds * SECOND),
        reason: "RateLimited",
        message: "too many"
      })
      assert.strictEqual(nextIn(next), `Retry +${seconds}s`)
    }
  )

  it("a failed check is never retried before its pause has passed, although a status keeps whole seconds", () => {
    const { checkFailure } = blockedOf(imageOf(EXACT)).status
    const status: ImageStatus = { ...READY, ...(checkFailure && { checkFailure: { ...checkFailure, attempts: 50 } }) }
    for (const millis of [1, 300, 999]) {
      const { next } = blockedOf(imageOf({ ...EXACT, status }), {}, { now: NOW + millis })
      assert.strictEqual(nextIn(next), "Retry +901s")
    }
  })

  it.each<readonly [reason: string, minutes: number, seconds: number]>([
    ["Unreachable", 5, 300],
    ["Unreachable", 60, 900],
    ["SourceNotFound", 60, 1]
  ])(
    "a failed check without a count, of a status that is not Ready for %s since %i minutes, waits %i s",
    (reason, minutes, seconds) => {
      const since = { reason, lastTransitionTime: at(-minutes * MINUTE) }
      const status = { ...READY, conditions: [condition("Ready", "False", since), condition("Reconciling", "True")] }
      assert.strictEqual(nextIn(blockedOf(imageOf({ ...EXACT, status })).next), `Retry +${seconds}s`)
    }
  )

  it("the attempts of failed checks start over for another spec, and when credentials fail after registries", () => {
    const { status } = blockedOf(imageOf({ ...EXACT, status: READY }))
    const twice = blockedOf(imageOf({ ...EXACT, status })).status
    assert.strictEqual(twice.checkFailure?.attempts, 2)
    assert.strictEqual(blockedOf(imageOf({ ...EXACT, generation: 2, status: twice })).status.checkFailure?.attempts, 1)
    const missing = blockedOf(imageOf({ ...EXACT, status: twice }), { reason: "SecretNotFound", message: "is missing" })
    assert.strictEqual(missing.status.checkFailure?.attempts, 1)
  })

  it("a failed check has a message of one bounded line, like a condition's", () => {
    const message = `no answer\n${"x".repeat(5_000)}`
    const { status } = blockedOf(imageOf(EXACT), { message })
    assert.strictEqual(status.checkFailure?.message, conditionOf(status, "Ready")?.message)
    assert.isAtMost(status.checkFailure?.message.length ?? 0, 4_000)
    assert.notMatch(status.checkFailure?.message ?? "", /\n/u)
  })
})

const failedCheck = (attempts: number, millis: number): FailedCheck => ({
  attempts,
  nextAttemptAt: at(millis),
  reason: "Unreachable",
  message: "quay.io does not answer"
})
