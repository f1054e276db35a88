/** The status of an Image: its counts, plan, failures and history. {@link ./conditions.ts} has the conditions. */
import { Schema } from "effect"
import { instant, millisOf } from "../../text/instant.ts"
import type { Copy } from "../Copy.ts"
import {
  type CopyPlan,
  type FailedCopy,
  ImageStatus,
  type PerformedCopy,
  type PlannedTag,
  type PlanReason,
  type PlatformSubset
} from "../Image.ts"
import type { Mirror } from "../Mirror.ts"
import { isDesired, lackingTags, type Observed, type ObservedTag } from "./facts.ts"

/** The most copies in the history. */
const PERFORMED = 20

/**
 * The most subsets of tags that are selected now, the newest first. Subsets of images that were selected before are kept only up
 * to the smaller number in total. An Image may name many platforms, so the characters of all subsets are bounded too.
 */
const SUBSETS = { selected: 300, all: 50, characters: 100_000 }

const performed = ({ destinationDigest, state, tag }: Copy): PerformedCopy | undefined =>
  state._tag === "Succeeded"
    ? { performedAt: instant(state.at), tag, digest: state.digest ?? destinationDigest }
    : undefined

/**
 * The most milliseconds between two times of the end of one copy. The engine for Jobs knows the end of a copy from its container,
 * and after a restart from the Job, which ends some seconds later.
 */
const SAME_END = 60_000

/** The successful copies that a status has not recorded. A killed process may have recorded copies and not released them. */
export const unrecorded = ({ history = [] }: ImageStatus, copies: ReadonlyArray<Copy>): ReadonlyArray<Copy> =>
  copies.filter((copy) => {
    const entry = performed(copy)
    if (entry === undefined) return false
    const isSame = ({ digest, performedAt, tag }: PerformedCopy): boolean =>
      tag === entry.tag &&
      digest === entry.digest &&
      Math.abs(millisOf(performedAt) - millisOf(entry.performedAt)) < SAME_END
    return !history.some(isSame)
  })

/** The successful copies, the newest first. */
export const historyOf = (status: ImageStatus, copies: ReadonlyArray<Copy>): ReadonlyArray<PerformedCopy> => {
  const { history = [] } = status
  const added = unrecorded(status, copies).flatMap((copy) => performed(copy) ?? [])
  // The history of an earlier release is not bounded and has the oldest copy first.
  return [...added, ...history].sort((a, b) => millisOf(b.performedAt) - millisOf(a.performedAt)).slice(0, PERFORMED)
}

/** The number of copied tags, for people. A listing with too few or too many tags does not change the number. */
const countOf = (
  { tags }: ImageStatus,
  observed: Observed,
  remaining: ReadonlyArray<ObservedTag>
): Pick<ImageStatus, "tags"> => {
  const total = observed.tags.length
  if (observed.misfit === undefined) return { tags: `${total - remaining.length}/${total}` }
  return tags === undefined ? {} : { tags }
}

/** How many selected tags an Image has, by their state. */
export interface TagCounts {
  readonly copied: number
  readonly failed: number
  readonly waiting: number
}

/** The numbers in `status.tags`, which has the form `12/14`, and in the failures. */
export const tagCountsIn = ({ failures = [], tags = "" }: ImageStatus): TagCounts => {
  const [copied = 0, selected = 0] = /^[0-9]{1,9}\/[0-9]{1,9}$/u.test(tags) ? tags.split("/").map(Number) : []
  const failed = Math.min(failures.length, Math.max(0, selected - copied))
  return { copied, failed, waiting: Math.max(0, selected - copied - failed) }
}

const subsetsOf = ({ subsets = [] }: ImageStatus, observed: Observed): Pick<ImageStatus, "subsets"> => {
  const keyOf = ({ platforms, source }: PlatformSubset): string => `${source} ${platforms}`
  // Several tags may name the same image.
  const added = new Map((observed.subsets ?? []).map((subset) => [keyOf(subset), subset]))
  const newest = [...added.values()].slice(-SUBSETS.selected).toReversed()
  const others = subsets.filter((subset) => !added.has(keyOf(subset)))
  const most = [...newest, ...others.slice(0, Math.max(0, SUBSETS.all - newest.length))]
  let characters = 0
  const fitting = most.filter(({ digest, platforms, source }) => {
    characters += digest.length + platforms.length + source.length
    return characters <= SUBSETS.characters
  })
  const selected = fitting.filter((subset) => added.has(keyOf(subset))).toReversed()
  const kept = [...selected, ...fitting.slice(selected.length)]
  return kept.length === 0 ? {} : { subsets: kept }
}

/** Why a tag that is not in sync is copied. */
export const whyCopied = (
  planned: ObservedTag,
  subsets: ReadonlyArray<PlatformSubset> = []
): Exclude<PlanReason, "Retry"> => {
  const { actual, desired, exists, referrersMissing, sourceDigest = desired } = planned
  if (!exists) return "Missing"
  if (isDesired(planned) && referrersMissing === true) return "ReferrersMissing"
  const isOfSameImage = ({ digest, source }: PlatformSubset): boolean => source === sourceDigest && digest === actual
  return actual === sourceDigest || subsets.some(isOfSameImage) ? "PlatformsChanged" : "Moved"
}

/** The most tags in a plan. */
const PLANNED = 20

/**
 * What is going to be copied, as `plannedCopies` in copies.ts plans it. A decision writes the plan before its copies start. The
 * number of requests is not in it: how many manifests and blobs an image has is known to its copy alone.
 */
export const planOf = (
  before: ImageStatus,
  mirror: Mirror,
  observed: Observed,
  failures: ReadonlyArray<FailedCopy>
): CopyPlan | undefined => {
  // The subsets that the status will have, so that the next decision says the same.
  const { subsets = [] } = subsetsOf(before, observed)
  const failed = new Set(failures.map(({ tag }) => tag))
  const reasonOf = (planned: ObservedTag): PlanReason =>
    failed.has(planned.tag) ? "Retry" : whyCopied(planned, subsets)
  const planned = lackingTags(observed, mirror).flatMap((tag) =>
    tag.desired === undefined ? [] : [{ observed: tag, digest: tag.sourceDigest ?? tag.desired }]
  )
  if (planned.length === 0) return undefined
  const tags = planned
    .slice(0, PLANNED)
    .map(({ digest, observed }): PlannedTag => ({ tag: observed.tag, reason: reasonOf(observed), digest }))
  return { copies: planned.length, tags }
}

/** The remaining tags and the outcome of copies. */
export interface Outcome {
  readonly remaining: ReadonlyArray<ObservedTag>
  readonly plan: CopyPlan | undefined
  readonly failures: ReadonlyArray<FailedCopy>
  readonly history: ReadonlyArray<PerformedCopy>
}

const outcomeOf = ({
  failures,
  history,
  plan
}: Omit<Outcome, "remaining">): Pick<ImageStatus, "plan" | "failures" | "history"> => ({
  ...(plan === undefined ? {} : { plan }),
  ...(failures.length === 0 ? {} : { failures }),
  ...(history.length === 0 ? {} : { history })
})

/** A status with the new outcome of copies. The tags are counted if the result of the last check is remembered. */
export const withOutcome = (before: ImageStatus, observed: Observed | undefined, outcome: Outcome): ImageStatus => {
  const { failures: _, history: __, plan: ___, ...others } = before
  return {
    ...others,
    ...(observed === undefined ? {} : countOf(before, observed, outcome.remaining)),
    ...outcomeOf(outcome)
  }
}

/** The complete status after a check, or after copies have changed. */
export const statusOf = (
  before: ImageStatus,
  conditions: Pick<ImageStatus, "observedGeneration" | "conditions" | "checkFailure" | "lastHandledReconcileAt">,
  times: Pick<ImageStatus, "lastCheckedAt" | "lastInSyncAt">,
  observed: Observed,
  outcome: Outcome
): ImageStatus => ({
  ...conditions,
  ...countOf(before, observed, outcome.remaining),
  ...times,
  ...outcomeOf(outcome),
  ...subsetsOf(before, observed)
})

const equivalent = Schema.toEquivalence(ImageStatus)

const inOrder = ({ conditions = [], ...others }: ImageStatus): ImageStatus => ({
  ...others,
  conditions: conditions.toSorted((a, b) => (a.type < b.type ? -1 : 1))
})

/**
 * Whether two statuses are equal, so that a reconcile without changes writes nothing. Conditions are compared as a map
 * by type, because an API server may store them in another order.
 */
export const sameStatus = (a: ImageStatus, b: ImageStatus): boolean => equivalent(inOrder(a), inOrder(b))
