import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import type { CopyState } from "../../../src/domain/Copy.ts"
import { withClaims } from "../../../src/domain/plan/claims.ts"
import { decide, type Decision } from "../../../src/domain/plan/decide.ts"
import { type Observed, type ObservedTag, waitingForOthers } from "../../../src/domain/plan/facts.ts"
import { isCheckDue, nextCheck } from "../../../src/domain/plan/schedule.ts"
import { sameStatus } from "../../../src/domain/plan/status.ts"
import {
  A,
  at,
  B,
  C,
  condition,
  copyOf,
  decisionOf,
  digest,
  existing,
  failed,
  failureOf,
  HOUR,
  imageOf,
  MINUTE,
  NOW,
  observedOf,
  observedTag,
  RUNNING,
  SECOND,
  type Situation,
  situationOf,
  unread,
  UNBOUND,
  UID
} from "./fixtures.ts"
import { endpoint } from "../../support/endpoints.ts"

/** The generated tags that each generated version can select by name. A range takes no tag of two numbers. */
const SELECTED = { "1.0": ["1.0"], "1.x": ["1.0", "1.1", "1.2", "1.3", "1.4"], "^1.0.0": [] as ReadonlyArray<string> }

const signatureOf = (digest: string): string => `${digest.replace(":", "-")}.sig`

describe("any decision", () => {
  const Tag = Schema.Literals(["1.0", "1.1", "1.2", "1.3", "1.4"])
  /** A tag, or the tag of a signature. */
  const Copied = Schema.Literals(["1.0", "1.1", "1.2", "1.3", "1.4", signatureOf(A), signatureOf(B)])
  const Reason = Schema.Literals([
    "Unreachable",
    "SourceNotFound",
    "RateLimited",
    "DestinationBusy",
    "SecretNotCreated"
  ])
  const Digest = Schema.Literals([A, B, C])
  const Problem = Schema.Literals(["none", "none", "none", "InvalidAnswer", "SourceNotFound", "PlatformMissing"])
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
    fresh: Schema.Boolean,
    unbound: Schema.Boolean,
    generation: Schema.Literals([1, 2]),
    ready: Ready,
    other: Schema.Literals(["none", "Reconciling", "Stalled"]),
    checked: Schema.UndefinedOr(Offset),
    tags: Schema.Array(
      Schema.Struct({
        tag: Tag,
        desired: Digest,
        actual: Schema.UndefinedOr(Digest),
        isListed: Schema.Boolean,
        problem: Problem
      })
    ),
    signatures: Schema.Array(Schema.Struct({ tag: Tag, desired: Digest, actual: Schema.UndefinedOr(Digest) })),
    claimed: Schema.Array(Tag),
    areCompanionsOwned: Schema.Boolean,
    extra: Schema.Literals([0, 0, 0, 25]),
    unread: Schema.Literals([0, 0, 0, 25]),
    copies: Schema.Array(
      Schema.Struct({
        tag: Copied,
        digest: Digest,
        state: State,
        uid: Schema.Literals([UID, UID, "uid-0"]),
        path: Schema.Literals(["app", "app", "old"]),
        generation: Schema.Literals([1, 2]),
        onlyIfMissing: Schema.Boolean
      })
    ),
    failures: Schema.Array(
      Schema.Struct({ tag: Copied, digest: Digest, reason: Reason, attempts: Schema.Literals([1, 2, 9]), at: Offset })
    ),
    checkFailure: Schema.UndefinedOr(
      Schema.Struct({
        attempts: Schema.Literals([1, 9]),
        at: Offset,
        reason: Schema.Literals(["Unreachable", "RateLimited", "SecretInvalid"])
      })
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

  /** Keeps one entry per tag, as in checks, engines and statuses. */
  const byTag = <T extends { readonly tag: string }>(items: ReadonlyArray<T>): ReadonlyArray<T> => [
    ...new Map(items.map((item) => [item.tag, item])).values()
  ]

  const situationFrom = (drawn: typeof Whole.Type): Situation => {
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
        ...(drawn.checkFailure === undefined
          ? {}
          : {
              checkFailure: {
                attempts: drawn.checkFailure.attempts,
                nextAttemptAt: at(drawn.checkFailure.at),
                reason: drawn.checkFailure.reason,
                message: "no answer"
              }
            }),
        history: drawn.history.map(({ at: offset, tag }) => ({ performedAt: at(offset), tag, digest: A }))
      }
    })
    const isExact = drawn.version === "1.0"
    const tags = [
      ...byTag(drawn.tags).map(({ actual, isListed, problem, tag, desired }): ObservedTag => {
        // Only a check of a OneShot pattern leaves out digests.
        const isExisting = isListed && !isExact && drawn.mode !== "Recurrent"
        if (problem !== "none") return { ...unread(tag, problem), exists: isExisting || actual !== undefined }
        return isExisting ? existing(tag) : observedTag(tag, desired, actual)
      }),
      ...many.map((tag) => observedTag(tag, A)),
      ...Array.from({ length: drawn.unread }, (_, i) => unread(`1.${200 + i}`))
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
    // An exact version is one tag, else the check fails.
    const selected = isExact ? [tags[0] ?? observedTag("1.0", A)] : tags
    const companions = byTag(drawn.signatures)
      .filter(({ tag }) => selected.some((one) => one.tag === tag))
      .map(({ actual, tag, desired }) => observedTag(`${tag}.sig`, desired, actual))
    const signed = selected.map((one) => {
      const dependsOn = companions.filter(({ tag }) => tag === `${one.tag}.sig`).map(({ tag }) => tag)
      return dependsOn.length === 0 ? one : { ...one, dependsOn }
    })
    return situationOf(image, [], copies, {
      observed: observedOf(signed, { generation: image.generation, companions }),
      fresh: drawn.fresh,
      // An exact version whose tag is claimed is not checked.
      claims: new Map((isExact ? [] : drawn.claimed).map((tag) => [tag, { namespace: "team-b", name: "older" }])),
      ...(drawn.areCompanionsOwned ? { companionOwner: { namespace: "team-b", name: "older" } } : {}),
      ...(drawn.unbound ? { warnings: [UNBOUND] } : {})
    })
  }

  const selectedIn = ({ companions = [], tags }: Observed): ReadonlyArray<ObservedTag> => [...tags, ...companions]

  const isInSync = ({ observed, mirror }: Situation, tag: ObservedTag): boolean =>
    mirror.mode === "OneShot" && mirror.tags._tag === "Listed" && observed.tags.includes(tag)
      ? tag.exists
      : tag.exists && tag.actual === tag.desired

  /** The result of a check after everything was copied. */
  const arrived = (observed: Observed): Observed => {
    const arrive = (tag: ObservedTag): ObservedTag => ({
      ...tag,
      exists: true,
      ...(tag.desired === undefined ? {} : { actual: tag.desired })
    })
    return { ...observed, tags: observed.tags.map(arrive), companions: (observed.companions ?? []).map(arrive) }
  }

  const assertSound = (situation: Situation) => {
    const decision = decisionOf(situation)
    const { cancel, release, start, status } = decision
    // Each started copy is of a selected tag, with the desired digest, which is not in sync, and each tag is started
    // once.
    for (const task of start) {
      const tag = selectedIn(situation.observed).find((one) => one.tag === task.tag)
      assert.isDefined(tag)
      assert.isUndefined(tag?.problem, "a tag with a problem is not copied")
      assert.isFalse(situation.claims?.has(task.tag), "a claimed tag is not copied")
      assert.strictEqual(task.digest, tag?.desired)
      if (situation.companionOwner !== undefined && (situation.observed.companions ?? []).some((one) => one === tag))
        assert.isTrue(task.onlyIfMissing, "a companion tag that another Image owns is not overwritten")
      // A copy of another digest may have arrived since the check.
      const overwritten = situation.copies.some(
        ({ digest, state, tag }) =>
          tag === task.tag &&
          ((state._tag === "Succeeded" && digest !== task.digest) ||
            (state._tag === "Present" && state.digest !== task.digest))
      )
      assert.isFalse(tag === undefined || (isInSync(situation, tag) && !overwritten), `${task.tag} is in sync`)
    }
    assert.strictEqual(new Set(start.map(({ tag }) => tag)).size, start.length)
    // Copies are released or cancelled, never both.
    for (const copy of situation.copies) {
      const isOver = copy.state._tag !== "Waiting" && copy.state._tag !== "Running"
      assert.strictEqual(release.includes(copy), isOver)
      if (isOver) assert.notInclude(cancel, copy)
    }
    if (situation.image.spec.suspend) {
      const { conditions, lastCheckedAt, observedGeneration } = situation.image.status
      assert.deepStrictEqual(start, [])
      assert.deepStrictEqual(
        [status.conditions, status.lastCheckedAt, status.observedGeneration],
        [conditions, lastCheckedAt, observedGeneration]
      )
      assert.deepStrictEqual(decision.next, { _tag: "Never", why: "Suspended" })
      for (const copy of situation.copies) {
        const isOwn = copy.image.uid === situation.image.uid
        if (copy.state._tag === "Waiting") assert.include(cancel, copy)
        if (copy.state._tag === "Running") assert.strictEqual(cancel.includes(copy), !isOwn)
      }
      return decision
    }
    for (const copy of situation.copies) {
      const isOver = copy.state._tag !== "Waiting" && copy.state._tag !== "Running"
      if (situation.claims?.has(copy.tag) === true && !isOver)
        assert.include(cancel, copy, "a claimed tag is not written")
    }
    // The conditions follow kstatus.
    const types = (status.conditions ?? []).map(({ type }) => type)
    assert.strictEqual(types.filter((type) => type === "Ready").length, 1)
    assert.strictEqual(new Set(types).size, types.length)
    assert.isFalse(types.includes("Reconciling") && types.includes("Stalled"))
    for (const one of status.conditions ?? []) {
      if (one.type !== "Ready") assert.strictEqual(one.status, "True")
      assert.strictEqual(one.observedGeneration, situation.image.generation)
      assert.match(one.reason, /^[A-Z][A-Za-z]*$/u)
      const before = situation.image.status.conditions?.find(({ type }) => type === one.type)
      assert.strictEqual(one.lastTransitionTime, before?.status === one.status ? before.lastTransitionTime : at(0))
    }
    if (!types.includes("Reconciling")) assert.strictEqual(status.observedGeneration, situation.image.generation)
    // The plan is written before the copies start.
    assert.isAtLeast(status.plan?.copies ?? 0, start.length)
    if (decision.observed === undefined) assert.isUndefined(status.plan)
    // The status is bounded.
    assert.isAtMost(status.plan?.tags.length ?? 0, 20)
    assert.isAtMost(status.failures?.length ?? 0, 20)
    assert.isAtMost(status.history?.length ?? 0, 20)
    // A due check cannot be lost: a copy is under way, or there is a time in the future.
    if (decision.next._tag === "At") {
      assert.isTrue(Number.isFinite(decision.next.millis))
      assert.isAbove(decision.next.millis, situation.now)
    } else if (decision.next.why === "AwaitingCopies") {
      const goesOn = situation.copies.filter((copy) => !release.includes(copy) && !cancel.includes(copy))
      assert.isAbove(start.length + goesOn.length, 0)
    } else assert.isTrue(types.every((type) => type !== "Reconciling"))
    return decision
  }

  it.prop(
    "any decision is sound, and a decision on its own outcome changes nothing, so a reconcile without changes writes nothing",
    { drawn: Whole },
    ({ drawn }) => {
      const situation = situationFrom(drawn)
      const first = assertSound(situation)
      const second = assertSound({
        ...situation,
        image: { ...situation.image, status: first.status },
        copies: situation.copies.filter((copy) => !first.release.includes(copy) && !first.cancel.includes(copy)),
        // The result of a check now, if no result is remembered.
        observed: first.observed ?? arrived(situation.observed)
      })
      assert.deepStrictEqual(second.status, first.status)
      assert.isTrue(sameStatus(first.status, second.status))
      assert.deepStrictEqual(second.start, first.start)
      assert.deepStrictEqual(second.next, first.next)
      assert.deepStrictEqual([second.cancel, second.release], [[], []])
    },
    { arbitrary: { runs: 1_000 }, timeout: 60_000 }
  )

  /** The situation of the next reconcile that a decision schedules, if no event comes before. */
  const situationAfter = (
    situation: Situation,
    { cancel, observed, next, release, start, status }: Decision
  ): Situation | undefined => {
    if (next._tag === "Never") return undefined
    const active = situation.copies.filter((copy) => !release.includes(copy) && !cancel.includes(copy))
    const started = start.filter(({ tag }) => !active.some((copy) => copy.tag === tag))
    const copies = [...active, ...started.map((task) => ({ ...copyOf(task.tag, task.digest, RUNNING), ...task }))]
    const { companionOwner } = situation
    const after = {
      ...situation,
      now: next.millis,
      image: { ...situation.image, status },
      copies,
      observed: observed ?? arrived(situation.observed)
    }
    const underWay = new Set([
      ...copies.map(({ tag }) => tag),
      ...waitingForOthers(withClaims(after.observed, companionOwner === undefined ? {} : { companionOwner }))
    ])
    const due = nextCheck({ ...after, remembered: observed !== undefined, underWay })
    return { ...after, fresh: isCheckDue(due, after.now) }
  }

  it.prop(
    "any decision leads to rest: without events the checks that it schedules are more than the shortest pause apart",
    { drawn: Whole },
    ({ drawn }) => {
      let situation: Situation | undefined = situationFrom(drawn)
      const pauses: Array<number> = []
      while (situation !== undefined && pauses.length < 6) {
        const decision: Decision = decisionOf(situation)
        if (decision.next._tag === "At") pauses.push(decision.next.millis - situation.now)
        situation = situationAfter(situation, decision)
      }
      // Some of the generated times are one second apart.
      if (pauses.length === 6) assert.isAbove(Math.max(...pauses.slice(2)), SECOND, pauses.join())
    },
    { arbitrary: { runs: 1_000 }, timeout: 60_000 }
  )

  it.prop(
    "a decision without a check releases each copy that ended, records what arrived, and cancels none that a check may want",
    { drawn: Whole },
    ({ drawn }) => {
      const { copies, image, mirror, now, observed } = situationFrom({ ...drawn, suspend: false })
      const failure = { reason: "Unreachable", message: "no answer", stalled: false } as const
      const blocked = decide(image, { _tag: "Blocked", mirror, copies, observed, failure }, now)
      const after = { ...image, status: blocked.status }
      const waiting = decide(after, { _tag: "Unobserved", mirror, copies }, now)
      for (const { cancel, release, start, status } of [blocked, waiting]) {
        assert.deepStrictEqual(start, [])
        assert.isAtMost(status.failures?.length ?? 0, 20)
        assert.isAtMost(status.history?.length ?? 0, 20)
        for (const copy of copies) {
          const isOver = copy.state._tag !== "Waiting" && copy.state._tag !== "Running"
          const isUnselected = !copy.tag.endsWith(".sig") && !SELECTED[drawn.version].includes(copy.tag)
          const isEarlier = copy.image.uid !== image.uid || copy.destination.repository.path !== "app" || isUnselected
          assert.deepStrictEqual([release.includes(copy), cancel.includes(copy)], [isOver, !isOver && isEarlier])
        }
      }
      assert.deepStrictEqual(waiting.status, blocked.status, "the same copies are recorded once")
    },
    { arbitrary: { runs: 1_000 } }
  )

  it("the digests of these tests are ones that a reader can tell apart", () => {
    assert.deepStrictEqual([A, B, C], [digest("a"), digest("b"), digest("c")])
  })
})
