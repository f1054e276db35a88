/**
 * What became of the tags of an Image in one run of the reconciler: facts of checks and of ended copies. Pure: each reconcile
 * adds its facts. A status holds a bounded list of failures and counts for people; an outcome has every tag.
 */
import { type Copy, isFinished, progressOf } from "./Copy.ts"
import type { ImageKey } from "./ImageKey.ts"
import { isClaimed, withClaims } from "./plan/claims.ts"
import { arrivedDigest, type Gathered, isInSync, type ObservedTag } from "./plan/facts.ts"
import type { Reason } from "./Reason.ts"

/** What became of a tag. */
export const TAG_ACTIONS = ["copied", "present", "failed", "skipped", "pending"] as const

/**
 * - `copied`: this run has written the tag
 * - `present`: the destination had the image already
 * - `failed`: the tag could not be checked or copied
 * - `skipped`: an older Image claims the tag
 * - `pending`: the tag is to be copied, and its copy has not ended
 */
export type TagAction = (typeof TAG_ACTIONS)[number]

/** What the copies of a tag have moved, and how long they ran. */
export interface Transfer {
  /** The size of the image: its distinct blobs and manifests. */
  readonly bytes: number
  /** Bytes that were sent over the network, including those of attempts that failed. */
  readonly bytesSent: number
  /** Bytes that were at the destination before, or that the registry mounted. */
  readonly bytesPresent: number
  /** Seconds from the time at which a copy began, without its time in the queue. Absent if an engine does not say it. */
  readonly seconds?: number
}

/** The outcome of one tag. */
export interface TagOutcome {
  /** The tag at the destination. */
  readonly tag: string
  readonly action: TagAction
  /** The digest that the destination has, or should have. Absent if it is not known. */
  readonly digest?: string
  /** Why the tag failed or was skipped, or what a pending tag waits for. */
  readonly error?: { readonly reason: Reason; readonly message: string }
  /** Absent if no copy of the tag ran. */
  readonly transfer?: Transfer
}

/** The tags of an Image, in the order in which they were selected. */
export type TagOutcomes = ReadonlyMap<string, TagOutcome>

export const NO_OUTCOMES: TagOutcomes = new Map()

/** The facts of one reconcile. */
export interface ReconcileFacts {
  /** The identity of the Image: copies of an earlier Image of the name do not count. */
  readonly uid: string
  readonly gathered: Gathered
  /** The copies whose end was recorded. */
  readonly ended: ReadonlyArray<Copy>
  /** The copies that the engine has refused to start for now. */
  readonly refused: ReadonlyArray<Copy>
}

/** Adds the facts of a reconcile to the outcomes of an Image. */
export const withReconcile = (before: TagOutcomes, { ended, gathered, refused, uid }: ReconcileFacts): TagOutcomes => {
  const outcomes = new Map(checkedOutcomes(before, gathered))
  for (const copy of [...ended, ...refused]) {
    if (copy.image.uid !== uid || !isFinished(copy)) continue
    const outcome = afterCopy(outcomes.get(copy.tag) ?? before.get(copy.tag), copy, refused.includes(copy))
    // A copy of a tag that is not selected any more changes nothing. Without a check it is not known what is selected.
    if (outcomes.has(copy.tag) || outcomes.size === 0) outcomes.set(copy.tag, outcome)
  }
  return outcomes
}

/** Adds copies of an Image that have ended, but whose end no reconcile has recorded yet. The engine still has such copies. */
export const withUnrecorded = (outcomes: TagOutcomes, copies: ReadonlyArray<Copy>): TagOutcomes => {
  const ends = copies.filter((copy) => isFinished(copy) && outcomes.has(copy.tag))
  return new Map([
    ...outcomes,
    ...ends.map((copy) => [copy.tag, afterCopy(outcomes.get(copy.tag), copy, false)] as const)
  ])
}

/** The outcomes after the check of a reconcile. Without a new check they stay. */
const checkedOutcomes = (before: TagOutcomes, gathered: Gathered): TagOutcomes => {
  switch (gathered._tag) {
    case "Observed": {
      if (!gathered.fresh) return before
      const { tags } = withClaims(gathered.observed, gathered)
      return new Map(tags.map((tag) => [tag.tag, afterCheck(before.get(tag.tag), tag, isInSync(gathered.mirror, tag))]))
    }
    case "Claimed":
      return new Map(
        withClaims(
          { generation: 0, tags: [...gathered.claims.keys()].map((tag) => ({ tag, exists: false })) },
          gathered
        ).tags.map((tag) => [tag.tag, afterCheck(before.get(tag.tag), tag, false)])
      )
    case "Blocked": {
      const { failure, mirror } = gathered
      if (mirror.tags._tag === "Listed") return before
      const { destinationTag: tag } = mirror.tags
      const { message, reason } = failure
      return new Map([[tag, { ...before.get(tag), tag, action: "failed", error: { reason, message } }]])
    }
    case "Unobserved":
    case "Invalid":
    case "Refused":
      return before
  }
}

const afterCheck = (before: TagOutcome | undefined, observed: ObservedTag, isThere: boolean): TagOutcome => {
  const { actual, desired, problem, tag } = observed
  const digest = isThere ? (actual ?? desired) : desired
  const known = {
    tag,
    ...(digest === undefined ? {} : { digest }),
    ...(before?.transfer === undefined ? {} : { transfer: before.transfer })
  }
  if (problem !== undefined) return { ...known, action: isClaimed(observed) ? "skipped" : "failed", error: problem }
  if (isThere) return { ...known, action: before?.action === "copied" ? "copied" : "present" }
  // A copy that failed before waits for its next attempt.
  const failed = before?.action === "failed" && before.digest === digest ? before : undefined
  return failed?.error === undefined
    ? { ...known, action: "pending" }
    : { ...known, action: "failed", error: failed.error }
}

const afterCopy = (before: TagOutcome | undefined, copy: Copy, wasRefused: boolean): TagOutcome => {
  const { destinationDigest, state, tag } = copy
  const transfer = wasRefused ? before?.transfer : transferAfter(before?.transfer, copy)
  const moved = transfer === undefined ? {} : { transfer }
  if (state._tag === "Failed") {
    const { message, reason } = state
    const action = wasRefused ? "pending" : "failed"
    return { tag, action, digest: destinationDigest, error: { reason, message }, ...moved }
  }
  const action = state._tag === "Present" ? "present" : "copied"
  return { tag, action, digest: arrivedDigest(copy) ?? destinationDigest, ...moved }
}

const transferAfter = (before: Transfer | undefined, copy: Copy): Transfer | undefined => {
  const progress = progressOf(copy)
  const { begunAt, state } = copy
  const seconds = begunAt === undefined || !("at" in state) ? undefined : Math.max(0, state.at - begunAt) / 1_000
  if (progress === undefined && seconds === undefined) return before
  const { done, sent, total } = progress ?? { done: 0, sent: 0, total: 0 }
  const ran = (before?.seconds ?? 0) + (seconds ?? 0)
  return {
    bytes: total,
    bytesSent: (before?.bytesSent ?? 0) + sent,
    // What an earlier attempt has sent was there before this attempt, and is counted as sent.
    bytesPresent: Math.max(0, done - sent - (before?.bytesSent ?? 0)),
    ...(before?.seconds === undefined && seconds === undefined ? {} : { seconds: ran })
  }
}

/** The outcome of one Image. */
export interface ImageOutcome extends ImageKey {
  /** The complete names of the repositories, such as `docker.io/library/node`. Absent if the spec is invalid. */
  readonly source?: string
  readonly destination?: string
  /** Whether the destination has all selected tags. */
  readonly ready: boolean
  /** Whether a person must repair the cause. */
  readonly stalled: boolean
  readonly suspended: boolean
  /** The reason and the message of the condition `Ready`. Empty before the first check. */
  readonly reason: Reason | ""
  readonly message: string
  readonly tags: ReadonlyArray<TagOutcome>
}

/** How many tags have each outcome, and the bytes of their copies. */
export interface OutcomeTotals extends Readonly<Record<TagAction, number>> {
  readonly tags: number
  readonly bytes: number
  readonly bytesSent: number
  readonly bytesPresent: number
}

/**
 * Counts tags and bytes. Bytes of a blob that several tags share count for each of them.
 *
 * @example
 * ```ts
 * const { copied, failed, present } = totalsOf(outcome.tags)
 * ```
 */
export const totalsOf = (tags: ReadonlyArray<TagOutcome>): OutcomeTotals => {
  const count = (action: TagAction): number => tags.filter((tag) => tag.action === action).length
  const sum = (field: "bytes" | "bytesSent" | "bytesPresent"): number =>
    tags.reduce((bytes, { transfer }) => bytes + (transfer?.[field] ?? 0), 0)
  return {
    tags: tags.length,
    copied: count("copied"),
    present: count("present"),
    failed: count("failed"),
    skipped: count("skipped"),
    pending: count("pending"),
    bytes: sum("bytes"),
    bytesSent: sum("bytesSent"),
    bytesPresent: sum("bytesPresent")
  }
}
