/**
 * The decision of a reconcile: gathered facts -> what to start, stop and forget, what to say, when to look again. Pure;
 * the reconciler gathers before it and acts after it.
 */
import { Hash, Schema } from "effect"
import { instant, millisOf } from "../text/instant.ts"
import { conditionOf, conditionsOf, type Statement, type WarningType } from "./Conditions.ts"
import {
  type Copy,
  type CopyState,
  type CopyTask,
  type Endpoint,
  isFinished,
  type Missing,
  type Refusal,
  REFUSALS
} from "./Copy.ts"
import type { RegistrySide } from "./Credential.ts"
import {
  type Condition,
  type FailedCopy,
  type Image,
  type ImageHead,
  ImageStatus,
  type PerformedCopy,
  type PlatformSubset
} from "./Image.ts"
import { formatProblem, type Problem } from "./Problem.ts"
import { formatRepository, type Repository } from "../oci/Reference.ts"
import { LONGEST_DEFERRAL, pauseAfter, retryAt } from "./backoff.ts"
import type { Reason } from "./Reason.ts"
import type { Mirror } from "./Mirror.ts"
import { describeNoMatch, describeTooFew, type JudgedTag } from "./TagFilter.ts"

/** What a look at both registries found of one tag. */
export interface TagLook {
  /** The tag at the destination. */
  readonly tag: string
  /** The digest to have; absent where the mode needs none, for the tag is there and is never overwritten. */
  readonly wanted?: string
  /** The source's digest, where only some platforms of it are wanted. */
  readonly source?: string
  /** The destination's digest; absent if the tag is missing there or its digest was not asked for. */
  readonly found?: string
  readonly present: boolean
  /** The image is there, but something that refers to it is not. */
  readonly referrersMissing?: boolean
  /** The engine brings no OCI referrers, and there are some. */
  readonly leavesReferrers?: boolean
  /** Tags of `Look.beside` that belong to this one: whoever admits signed images only must find them before it. */
  readonly after?: ReadonlyArray<string>
  /** Why it cannot be copied as the Image asks. */
  readonly problem?: { readonly reason: Reason; readonly message: string }
}

/** What a look at both registries found. Kept between reconciles only while copies are to be made. */
export interface Look {
  readonly generation: number
  readonly tags: ReadonlyArray<TagLook>
  /** Tags that nobody selected: the signatures and their like of those that are, where an engine copies them as tags. */
  readonly beside?: ReadonlyArray<TagLook>
  /** What is known to be missing at the destination. */
  readonly missing?: Missing
  /** Of how many tags the source listed; absent when none were listed. */
  readonly listed?: number
  /** How many tags matched, if those were too few to be believed. */
  readonly tooFew?: number
  /** What images became without the platforms that are not asked for. */
  readonly subsets?: ReadonlyArray<PlatformSubset>
  /** Tags near the pattern, named when it matches none. */
  readonly nearest?: ReadonlyArray<JudgedTag>
}

/** When to look at the registries, and why then. */
export type NextLook =
  | { readonly _tag: "Never"; readonly why: "Suspended" | "Stalled" | "Done" | "AwaitingCopies" }
  | {
      readonly _tag: "At"
      readonly millis: number
      /** `PutOff` is no look: what a registry or the engine has put off is tried again on the one that is kept. */
      readonly why: "Changed" | "Resumed" | "Retry" | "Frequency" | "PutOff"
    }

export interface Facts {
  readonly now: number
  readonly image: Image
  readonly mirror: Mirror
  readonly look: Look
  /** Whether `look` was made for this reconcile. */
  readonly looked: boolean
  /** Whether it holds what the source answered an earlier one: the next is then due when it was due after that. */
  readonly reused?: boolean
  readonly copies: ReadonlyArray<Copy>
  /** Where the Image stands among those of its namespace that a registry has put off. Default first. */
  readonly turn?: number
  /** What each side's `tlsVerify` comes to. */
  readonly tlsVerify: Readonly<Record<RegistrySide, boolean>>
  /** What is to be said of the credentials, and what the registries' answers told beside what was asked for. */
  readonly warnings?: ReadonlyArray<Warning>
}

/** What is to be said in a condition of its own. */
export interface Warning {
  readonly type: WarningType
  readonly reason: Reason
  readonly message: string
}

export interface Decision {
  /** Every copy that should be under way, those that are included: an engine starts none twice. */
  readonly start: ReadonlyArray<CopyTask>
  readonly cancel: ReadonlyArray<Copy>
  /** Copies whose outcome stands in `status`: the engine need not keep them. */
  readonly release: ReadonlyArray<Copy>
  readonly status: ImageStatus
  /** `look` with what copies have brought since; `undefined` when there is nothing left to bring. */
  readonly look: Look | undefined
  readonly next: NextLook
}

/** A source that fails is asked again after this, doubled each time; the same for a copy that fails. */
export const COPY_BACKOFF = { baseMillis: 10_000, maximumMillis: 900_000 }

/** The same for a copy that an engine refuses to start: what is in its way may be gone at any time. */
const REFUSED_BACKOFF = { baseMillis: 2_000, maximumMillis: 60_000 }

/** Between a decision and the next check: a time that has passed would make a loop without end. */
const SHORTEST_PAUSE = 1_000

/**
 * Credentials that cannot be had are looked for again once they have been missing for as long again, within these: a
 * Secret that is applied after its Image is found at once, and one that never comes costs a request a minute.
 */
const CREDENTIAL_RETRY = { shortestMillis: 2_000, longestMillis: 60_000 }

const BUSY: Refusal = "DestinationBusy"

/** Failures with which a registry may name a time of its own. */
const PUT_OFF = new Set(["RateLimited", "ServerError"])

const KEPT = 20
/**
 * Those of the tags that are selected now, of which the newest count; some 200 bytes each. Images that were selected
 * before are remembered as far as there is room in a few.
 */
const SUBSETS_KEPT = { selected: 300, all: 50 }
const NAMED = 5

/**
 * When an Image is to be looked at. Rules in order; the first that speaks decides. Recomputed from status and the
 * clock at every reconcile, so that no timer has to be trusted.
 */
export const nextLook = (facts: {
  readonly now: number
  readonly image: Image
  readonly mirror: Mirror
  readonly hasLook: boolean
  /** Tags whose copies wait or run, or come after those of others: their failures of before do not ask for a look. */
  readonly underWay: ReadonlySet<string>
}): NextLook => {
  const { image, now, mirror } = facts
  const ready = conditionOf(image.status, "Ready")
  if (image.spec.suspend) return { _tag: "Never", why: "Suspended" }
  // What was Stalled and parses by now has had its remedy from the operator's configuration.
  if (
    ready === undefined ||
    ready.observedGeneration !== image.generation ||
    image.status.lastCheckedAt === undefined ||
    conditionOf(image.status, "Stalled") !== undefined
  ) {
    return { _tag: "At", millis: now, why: "Changed" }
  }
  const follows = mirror.mode === "Recurrent" || mirror.tags._tag === "Listed"
  const reconciling = conditionOf(image.status, "Reconciling") !== undefined
  if (!follows && !reconciling && ready.status === "True") return { _tag: "Never", why: "Done" }
  // What is under way is known to this process only: a status that speaks of it without a look comes from another.
  if (reconciling && !facts.hasLook) return { _tag: "At", millis: now, why: "Resumed" }
  const failures = (image.status.failures ?? []).filter((failure) => !facts.underWay.has(failure.tag))
  const timeOf = (some: ReadonlyArray<FailedCopy>): number =>
    Math.min(...some.map((failure) => nextAttemptOf(failure, now)))
  const putOff = timeOf(failures.filter((failure) => keepsItsLook(mirror, failure)))
  const asking = timeOf(failures.filter((failure) => !keepsItsLook(mirror, failure)))
  const isKept = facts.hasLook && putOff < asking && now < asking
  const retry = { _tag: "At", millis: Math.min(putOff, asking), why: isKept ? "PutOff" : "Retry" } as const
  const checked = millisOf(image.status.lastCheckedAt)
  const regular: NextLook = {
    _tag: "At",
    // A clock that was set back must not put the next look out of reach.
    millis: checked > now ? now : checked + spread(mirror.frequencyMillis, image.uid),
    why: "Frequency"
  }
  if (failures.length > 0 && (!follows || retry.millis < regular.millis)) return retry
  return follows || facts.underWay.size === 0 ? regular : { _tag: "Never", why: "AwaitingCopies" }
}

/** When to look again for credentials that an Image asks for and that cannot be had. */
export const nextCredentials = (image: Image, now: number): NextLook => {
  const ready = conditionOf(image.status, "Ready")
  const waited = ready?.status === "False" ? now - millisOf(ready.lastTransitionTime) : 0
  const { longestMillis, shortestMillis } = CREDENTIAL_RETRY
  return { _tag: "At", millis: now + Math.min(longestMillis, Math.max(shortestMillis, waited)), why: "Retry" }
}

/**
 * Whether a copy is tried again without another look: a registry that allows few requests would be asked what is known,
 * and have none left for copies. Tags that are overwritten anyhow, for at the latest the next regular look finds what
 * has moved.
 */
const keepsItsLook = ({ mode }: Mirror, { reason }: FailedCopy): boolean =>
  mode === "Recurrent" && (reason === "RateLimited" || reason === BUSY)

const isRefusal = ({ reason }: Pick<FailedCopy, "reason">): boolean => REFUSALS.some((refusal) => refusal === reason)

/** Another Image's copy writes the tag: no attempt has failed. */
const isBusy = ({ reason }: FailedCopy): boolean => reason === BUSY

/** Whether nothing has gone wrong but that a registry limits how often it may be asked. */
export const isOnlyPutOff = ({ failures = [] }: ImageStatus): boolean =>
  failures.length > 0 && failures.every(({ reason }) => reason === "RateLimited")

/** When a failed copy may be tried again; a time past any backoff is from before the clock was set back. */
const nextAttemptOf = (failure: FailedCopy, now: number): number => {
  const millis = millisOf(failure.nextAttemptAt)
  const longest = PUT_OFF.has(failure.reason) ? LONGEST_DEFERRAL : COPY_BACKOFF.maximumMillis
  return millis > now + longest ? now : millis
}

/** Up to 5 % on top of an interval, by the Image's uid: always the same, and spread over Images. */
const spread = (millis: number, uid: string): number =>
  millis + Math.floor(millis * ((Math.abs(Hash.string(uid)) % 500) / 10_000))

/** The copies for this Image, and no earlier one of its name, to where it copies now. */
const ownCopies = ({ copies, image, mirror }: Pick<Facts, "copies" | "image" | "mirror">): ReadonlyArray<Copy> =>
  copies.filter((copy) => copy.image.uid === image.uid && writesTo(copy, mirror.destination.repository))

/** Selected tags that are not in sync, or that others are copied for first. */
const openIn = (look: Look, mirror: Mirror): ReadonlyArray<TagLook> => {
  const awaiting = awaitingIn(look)
  return look.tags.filter((tag) => !isInSync(mirror, tag) || awaiting.has(tag.tag))
}

/**
 * What is to be done for a suspended Image. Copies that have not begun are not made. Those that run go on, and how each
 * ends is recorded; nothing else in the status is touched. The tags are counted by the last check if that is known still.
 */
export const suspend = (
  facts: Pick<Facts, "now" | "image" | "mirror" | "copies"> & { readonly look?: Look }
): Decision => {
  const { copies, image, now, mirror } = facts
  const own = ownCopies(facts)
  const look = facts.look === undefined ? undefined : withArrived(facts.look, own, false)
  const recorded = (): ImageStatus => {
    const { failures: _, history: __, ...others } = image.status
    const arrived = new Set(own.filter((copy) => arrivedBy(copy) !== undefined).map(({ tag }) => tag))
    const failures = failuresOf(image.status, own, ({ tag }) => !arrived.has(tag), now, 0)
    const history = performedOf(image.status, own)
    return {
      ...others,
      ...(look === undefined ? {} : countOf(image.status, look, openIn(look, mirror))),
      ...(failures.length === 0 ? {} : { failures }),
      ...(history.length === 0 ? {} : { history })
    }
  }
  const isStopped = ({ image: { uid }, state }: Copy): boolean => state._tag === "Waiting" || uid !== image.uid
  const active = copies.filter((copy) => !isFinished(copy))
  return {
    start: [],
    cancel: active.filter(isStopped),
    release: copies.filter(isFinished),
    status: own.some(isFinished) ? recorded() : image.status,
    look: active.every(isStopped) ? undefined : look,
    next: { _tag: "Never", why: "Suspended" }
  }
}

/** What is to be done and said after a look at the registries, or after copies have changed. */
export const decide = (facts: Facts): Decision => {
  const { copies, image, now, mirror } = facts
  if (image.spec.suspend) return suspend(facts)
  const own = ownCopies(facts)
  const look = withArrived(facts.look, own, facts.looked)
  const beside = (look.beside ?? []).filter((tag) => !isSame(tag))
  const awaiting = awaitingIn(look)
  const open = openIn(look, mirror)
  const selected = new Map([...(look.beside ?? []), ...look.tags].map((tag) => [tag.tag, tag]))
  const outOfSync = open.filter((tag) => !isInSync(mirror, tag))
  const toCopy = new Set([...beside, ...outOfSync].map(({ tag }) => tag))
  const keptTags = new Set(overwritesTags(mirror) ? [] : look.tags.map(({ tag }) => tag))
  const isWanted = (copy: Copy): boolean => {
    const { destinationDigest, generation, onlyIfMissing, state, tag } = copy
    if (!own.includes(copy) || !selected.has(tag)) return false
    // The tag has come by another way.
    if (state._tag === "Waiting" && !toCopy.has(tag)) return false
    if (keptTags.has(tag) && !onlyIfMissing) return false
    if (selected.get(tag)?.wanted === destinationDigest) return true
    // The copy brings another image than is asked for now. Where tags are not overwritten, that image would stay. A tag
    // that moved while its copy runs is copied again afterwards instead: stopping the copy could starve a busy tag.
    return generation === image.generation && !(keptTags.has(tag) && toCopy.has(tag))
  }
  const active = copies.filter((copy) => !isFinished(copy))
  const cancel = active.filter((copy) => !isWanted(copy))
  const wanted = active.filter(isWanted)
  const underWay = new Set(wanted.map((copy) => copy.tag))
  const wantedNow = new Map([...open, ...beside].map((tag) => [tag.tag, tag.wanted]))
  const isOpen = (failure: FailedCopy): boolean => wantedNow.get(failure.tag) === failure.digest
  const known = failuresOf(image.status, own, isOpen, now, facts.turn ?? 0)
  const endpointOf = (side: RegistrySide): Endpoint => {
    const { credentials, repository } = mirror[side]
    return { repository, tlsVerify: facts.tlsVerify[side], credentials }
  }
  const taskFor =
    (parts: Pick<CopyTask, "platforms" | "referrers" | "onlyIfMissing">) =>
    (tag: TagLook): ReadonlyArray<CopyTask> => {
      if (tag.wanted === undefined || (!underWay.has(tag.tag) && !mayStart(known, tag, facts))) return []
      return [
        {
          image: { namespace: image.namespace, name: image.name, uid: image.uid },
          generation: image.generation,
          source: endpointOf("source"),
          digest: tag.source ?? tag.wanted,
          ...parts,
          destinationDigest: tag.wanted,
          destination: endpointOf("destination"),
          ...(look.missing === undefined ? {} : { missing: look.missing }),
          tag: tag.tag
        }
      ]
    }
  const { platforms } = mirror
  const start = [
    ...beside.flatMap(taskFor({ platforms: [], referrers: false, onlyIfMissing: false })),
    // A copy that runs already goes on: what it waits for now was not known when it began.
    ...outOfSync
      .filter((tag) => !awaiting.has(tag.tag) || underWay.has(tag.tag))
      .flatMap(taskFor({ platforms, referrers: mirror.referrers, onlyIfMissing: !overwritesTags(mirror) }))
  ]
  const starting = new Set(start.map(({ tag }) => tag))
  // What an engine refused before is started now; what it refused just now is among the copies.
  const isTriedAgain = (failure: FailedCopy): boolean => isRefusal(failure) && starting.has(failure.tag)
  const failures = known.filter((failure) => !isTriedAgain(failure) || own.some(({ id }) => id === failure.copy))
  // A Job that waits for its Secret is under way, and waits for another try.
  const refused = new Set(failures.filter(isTriedAgain).map(({ tag }) => tag))
  const performed = performedOf(image.status, own)
  const status = statusOf(facts, look, open, failures, performed, { copying: start.length > 0, active: wanted })
  const kept = open.length === 0 ? undefined : look
  const next = nextLook({
    now,
    image: { ...image, status },
    mirror,
    hasLook: kept !== undefined,
    underWay: new Set([...starting, ...awaiting].filter((tag) => !refused.has(tag)))
  })
  return {
    start,
    cancel,
    release: copies.filter(isFinished),
    status,
    look: kept,
    next: next._tag === "At" ? { ...next, millis: Math.max(next.millis, now + SHORTEST_PAUSE) } : next
  }
}

/** Tags that are copied after others which the destination lacks: a signature comes before the image that it signs. */
export const awaitingIn = ({ beside = [], tags }: Look): ReadonlySet<string> => {
  const missing = new Set(beside.filter((tag) => !isSame(tag)).map(({ tag }) => tag))
  return new Set(tags.filter(({ after = [] }) => after.some((tag) => missing.has(tag))).map(({ tag }) => tag))
}

const writesTo = ({ destination }: Copy, repository: Repository): boolean =>
  formatRepository(destination.repository) === formatRepository(repository)

/** The decision for an Image that can never work as it is written. */
export const stall = (image: ImageHead, problems: ReadonlyArray<Problem>, now: number): ImageStatus => {
  const reason = problems[0]?.reason ?? "InvalidSpec"
  const message = problems.map(formatProblem).join("; ")
  return {
    ...image.status,
    observedGeneration: image.generation,
    conditions: conditionsOf(
      [
        { type: "Ready", status: "False", reason, message },
        { type: "Stalled", status: "True", reason, message }
      ],
      image.status,
      image.generation,
      now
    )
  }
}

/**
 * The status of an Image whose registries could not be asked; it is tried again. Without `warnings` nothing is known of
 * its credentials either.
 */
export const setBack = (
  image: Image,
  failure: { readonly reason: Reason; readonly message: string },
  now: number,
  warnings?: ReadonlyArray<Warning>
): ImageStatus => {
  const statements: ReadonlyArray<Statement> = [
    { type: "Ready", status: "False", ...failure },
    { type: "Reconciling", status: "True", reason: "ProgressingWithRetry", message: failure.message },
    ...statementsOfWarnings(warnings ?? [])
  ]
  const kept = [...WARNINGS_OF_REGISTRIES, ...(warnings === undefined ? WARNINGS_OF_CREDENTIALS : [])]
  return {
    ...image.status,
    conditions: [
      ...conditionsOf(statements, image.status, image.generation, now),
      ...keptConditions(image, statements, kept)
    ]
  }
}

const WARNINGS_OF_REGISTRIES = ["CredentialsForwarded", "RegistryWarning"] as const
const WARNINGS_OF_CREDENTIALS = ["CredentialsUnbound", "CredentialsWithheld"] as const

/** What was to be warned of still is when a registry does not answer, and of credentials when they cannot be had. */
const keptConditions = (
  { generation, status }: Image,
  statements: ReadonlyArray<Statement>,
  types: ReadonlyArray<WarningType>
): ReadonlyArray<Condition> =>
  types.flatMap((type) => {
    const condition = statements.some((statement) => statement.type === type) ? undefined : conditionOf(status, type)
    return condition === undefined ? [] : [{ ...condition, observedGeneration: generation }]
  })

/** One condition of a type. */
const statementsOfWarnings = (warnings: ReadonlyArray<Warning>): ReadonlyArray<Statement> => {
  const byType = new Map<Warning["type"], Statement>()
  for (const { message, reason, type } of warnings) {
    const before = byType.get(type)
    byType.set(type, {
      type,
      status: "True",
      reason,
      message: before === undefined ? message : `${before.message}; ${message}`
    })
  }
  return [...byType.values()]
}

/**
 * Whether two statuses say the same: a reconcile that changes nothing writes nothing. Conditions are a map by type: an
 * API server may keep them in another order.
 */
export const sameStatus = (a: ImageStatus, b: ImageStatus): boolean => equivalent(inOrder(a), inOrder(b))

const equivalent = Schema.toEquivalence(ImageStatus)

const inOrder = ({ conditions = [], ...others }: ImageStatus): ImageStatus => ({
  ...others,
  conditions: conditions.toSorted((a, b) => (a.type < b.type ? -1 : 1))
})

/** The table of modes: OneShot never overwrites a tag of a listing, everything else compares digests. */
export const isInSync = (mirror: Mirror, tag: TagLook): boolean =>
  tag.referrersMissing !== true && (overwritesTags(mirror) ? isSame(tag) : tag.present)

const overwritesTags = ({ mode, tags }: Mirror): boolean => mode === "Recurrent" || tags._tag === "Exact"

/** Whether the destination has just what it should. */
export const isSame = (tag: TagLook): boolean => tag.present && tag.wanted !== undefined && tag.found === tag.wanted

/** What the destination has under the tag of a copy that has ended well. */
const arrivedBy = ({ destinationDigest, state }: Copy): string | undefined => {
  if (state._tag === "Succeeded") return destinationDigest
  return state._tag === "Present" ? state.digest : undefined
}

/** Copies end before a look that is fresh was made: where that found a digest, the digest is what is there. */
const withArrived = (look: Look, copies: ReadonlyArray<Copy>, fresh: boolean): Look => {
  const arrived = new Map(
    copies.flatMap((copy) => {
      const digest = arrivedBy(copy)
      return digest === undefined ? [] : [[copy.tag, digest]]
    })
  )
  if (arrived.size === 0) return look
  const withCopy = (tag: TagLook): TagLook => {
    const digest = arrived.get(tag.tag)
    if (digest === undefined || (fresh && tag.found !== undefined)) return tag
    const { referrersMissing: _, ...others } = tag
    return { ...others, present: true, found: digest }
  }
  return {
    ...look,
    tags: look.tags.map(withCopy),
    ...(look.beside === undefined ? {} : { beside: look.beside.map(withCopy) })
  }
}

const failuresOf = (
  status: ImageStatus,
  copies: ReadonlyArray<Copy>,
  isKept: (failure: FailedCopy) => boolean,
  now: number,
  turn: number
): ReadonlyArray<FailedCopy> => {
  const byTag = new Map((status.failures ?? []).map((failure) => [failure.tag, failure]))
  for (const copy of copies) {
    if (copy.state._tag !== "Failed") continue
    const before = byTag.get(copy.tag)
    if (before?.copy === copy.id) continue
    const attempts = before?.digest === copy.destinationDigest ? before.attempts + 1 : 1
    byTag.set(copy.tag, {
      tag: copy.tag,
      digest: copy.destinationDigest,
      copy: copy.id,
      attempts,
      nextAttemptAt: instant(nextAttempt(copy.state, attempts, now, turn)),
      reason: copy.state.reason,
      message: copy.state.message
    })
  }
  return [...byTag.values()]
    .filter(isKept)
    .sort((a, b) => b.attempts - a.attempts || millisOf(b.nextAttemptAt) - millisOf(a.nextAttemptAt))
    .slice(0, KEPT)
}

const nextAttempt = (
  { reason, until }: Extract<CopyState, { readonly _tag: "Failed" }>,
  attempts: number,
  now: number,
  turn: number
): number => {
  // Whole seconds are kept of a time: none too early.
  if (until !== undefined) return Math.ceil(retryAt(now, until, turn) / 1_000) * 1_000
  // The tag may have moved since its digest was read: one more look before any waiting.
  if (reason === "SourceNotFound" && attempts === 1) return now
  return now + pauseAfter(isRefusal({ reason }) ? REFUSED_BACKOFF : COPY_BACKOFF, attempts)
}

/**
 * A tag that failed waits for its own time; when more fail than are kept, the others wait for the first of those. Then
 * the registries are asked before it is tried again, unless it was put off: the tag may have moved, or be there.
 */
const mayStart = (failures: ReadonlyArray<FailedCopy>, tag: TagLook, { looked, now, mirror }: Facts): boolean => {
  const isDue = (failure: FailedCopy): boolean =>
    (looked || keepsItsLook(mirror, failure)) && nextAttemptOf(failure, now) <= now
  const own = failures.find((failure) => failure.tag === tag.tag)
  if (own !== undefined) return isDue(own)
  return failures.length < KEPT || failures.some(isDue)
}

const performedOf = (status: ImageStatus, copies: ReadonlyArray<Copy>): ReadonlyArray<PerformedCopy> => {
  const before = status.history ?? []
  const added = copies.flatMap((copy): ReadonlyArray<PerformedCopy> => {
    if (copy.state._tag !== "Succeeded") return []
    const entry = { performedAt: instant(copy.state.at), tag: copy.tag, digest: copy.destinationDigest }
    const known = before.some((old) => old.performedAt === entry.performedAt && old.tag === entry.tag)
    return known ? [] : [entry]
  })
  // The status of an earlier operator has no bound and the oldest first.
  return [...added, ...before].sort((a, b) => millisOf(b.performedAt) - millisOf(a.performedAt)).slice(0, KEPT)
}

interface UnderWay {
  /** Whether copies are to be started or go on. */
  readonly copying: boolean
  /** Those that are there already. */
  readonly active: ReadonlyArray<Copy>
}

const statusOf = (
  facts: Facts,
  look: Look,
  open: ReadonlyArray<TagLook>,
  failures: ReadonlyArray<FailedCopy>,
  history: ReadonlyArray<PerformedCopy>,
  underWay: UnderWay
): ImageStatus => {
  const { image, now } = facts
  const statements = statementsOf(facts, look, open, failures, underWay)
  const settled = !statements.some(({ type }) => type === "Reconciling")
  const observed = settled ? image.generation : image.status.observedGeneration
  const checked = facts.looked && facts.reused !== true ? instant(now) : image.status.lastCheckedAt
  return {
    ...(observed === undefined ? {} : { observedGeneration: observed }),
    conditions: conditionsOf(statements, image.status, image.generation, now),
    ...countOf(image.status, look, open),
    ...(checked === undefined ? {} : { lastCheckedAt: checked }),
    ...(failures.length === 0 ? {} : { failures }),
    ...subsetsOf(image.status, look),
    ...(history.length === 0 ? {} : { history })
  }
}

/** A listing that is not believed says nothing about what is copied. */
const countOf = (status: ImageStatus, look: Look, open: ReadonlyArray<TagLook>): Pick<ImageStatus, "tags"> => {
  if (look.tooFew === undefined) return { tags: `${look.tags.length - open.length}/${look.tags.length}` }
  return status.tags === undefined ? {} : { tags: status.tags }
}

const subsetsOf = (status: ImageStatus, look: Look): Pick<ImageStatus, "subsets"> => {
  const keyOf = ({ platforms, source }: PlatformSubset): string => `${source} ${platforms}`
  // Several tags may name one image.
  const added = new Map((look.subsets ?? []).map((subset) => [keyOf(subset), subset]))
  const selected = [...added.values()].slice(-SUBSETS_KEPT.selected)
  const others = (status.subsets ?? []).filter((subset) => !added.has(keyOf(subset)))
  const subsets = [...selected, ...others.slice(0, Math.max(0, SUBSETS_KEPT.all - selected.length))]
  return subsets.length === 0 ? {} : { subsets }
}

/** The tags that other Images' copies write, with whose the newest met is. */
const describeBusy = (failures: ReadonlyArray<FailedCopy>): ReadonlyArray<string> => {
  const [first, ...others] = failures.filter(isBusy)
  if (first === undefined) return []
  return [`${first.tag}${others.length === 0 ? " waits" : ` and ${others.length} more wait`}: ${first.message}`]
}

/** What copies wait for, and whether all of them wait for a registry that limits how often it may be asked. */
const waitsOf = (active: ReadonlyArray<Copy>): { readonly waits: string | undefined; readonly limited: boolean } => {
  const waits = active.flatMap(({ state }) => (state._tag === "Waiting" ? [state] : []))
  const limited = waits.filter((wait) => wait.limited === true)
  return {
    waits: (limited[0] ?? waits[0])?.reason,
    limited: limited.length > 0 && limited.length === active.length
  }
}

/** Whoever asks for referrers and does not get them has to hear of it. */
const describeLeft = (tags: ReadonlyArray<TagLook>): ReadonlyArray<string> => {
  const left = tags.filter(({ leavesReferrers }) => leavesReferrers === true).map(({ tag }) => tag)
  if (left.length === 0) return []
  const names = left.slice(0, NAMED).join(", ") + (left.length > NAMED ? ` and ${left.length - NAMED} more` : "")
  return [
    `OCI referrers of ${names} stay at the source: of what refers to an image Skopeo's Jobs bring cosign's tags only, COPY_ENGINE=direct all of it`
  ]
}

const statementsOf = (
  facts: Facts,
  look: Look,
  open: ReadonlyArray<TagLook>,
  failures: ReadonlyArray<FailedCopy>,
  { active, copying }: UnderWay
): ReadonlyArray<Statement> => {
  const { image, mirror } = facts
  const warnings = statementsOfWarnings(facts.warnings ?? [])
  const notices = [...image.notices, ...describeLeft(look.tags)].map((notice) => `; ${notice}`).join("")
  const listing = { repository: image.spec.source.name, size: look.listed ?? 0 }
  if (look.tooFew !== undefined) {
    const message =
      describeTooFew(
        look.tooFew,
        (mirror.tags._tag === "Listed" ? mirror.tags.filter.atLeast : undefined) ?? 0,
        listing
      ) + notices
    return [{ type: "Ready", status: "False", reason: "TooFewTags", message }, ...warnings]
  }
  if (look.tags.length === 0) {
    const message = describeNoMatch(image.spec.source.version, listing, look.nearest ?? []) + notices
    return [{ type: "Ready", status: "False", reason: "NoTagMatches", message }, ...warnings]
  }
  const total = look.tags.length
  const done = total - open.length
  const copied = `${done} of ${total} ${total === 1 ? "tag is" : "tags are"} copied`
  if (open.length === 0) {
    return [{ type: "Ready", status: "True", reason: "Copied", message: copied + notices }, ...warnings]
  }
  const names = open.slice(0, NAMED).map((tag) => tag.tag)
  const missing = names.join(", ") + (open.length > NAMED ? ` and ${open.length - NAMED} more` : "")
  const { limited, waits } = waitsOf(active)
  const busy = describeBusy(failures)
  const isOnlyBusy = busy.length > 0 && !copying
  const reconciling: Statement = {
    type: "Reconciling",
    status: "True",
    reason: isOnlyBusy ? "DestinationBusy" : copying && !limited ? "Copying" : "ProgressingWithRetry",
    message: [`${copied}; to come: ${missing}`, ...(waits === undefined ? [] : [waits]), ...busy].join("; ")
  }
  const newest = failures
    .filter((failure) => !isBusy(failure))
    .sort((a, b) => millisOf(b.nextAttemptAt) - millisOf(a.nextAttemptAt))[0]
  if (newest !== undefined) {
    const message = `${copied}; ${newest.tag} failed: ${newest.message}${notices}`
    return [{ type: "Ready", status: "False", reason: newest.reason, message }, reconciling, ...warnings]
  }
  const impossible = open.find(({ problem }) => problem !== undefined)
  if (impossible?.problem !== undefined && !copying) {
    const { message, reason } = impossible.problem
    return [
      { type: "Ready", status: "False", reason, message: `${copied}; ${impossible.tag}: ${message}${notices}` },
      reconciling,
      ...warnings
    ]
  }
  const wasReady = conditionOf(image.status, "Ready")
  const stays = wasReady?.status === "True" && wasReady.observedGeneration === image.generation
  const limits = limited && waits !== undefined ? [waits] : []
  return [
    {
      type: "Ready",
      status: stays ? "True" : "Unknown",
      reason: isOnlyBusy ? "DestinationBusy" : limits.length > 0 ? "RateLimited" : "Copying",
      message: [copied, ...limits, ...busy].join("; ") + notices
    },
    reconciling,
    ...warnings
  ]
}
