/** The copies that an Image needs, the running copies that continue, and the copies that start now. */
import type { Copy, CopyTask } from "../Copy.ts"
import type { FailedCopy, ImageHeader } from "../Image.ts"
import { isClaimed } from "./claims.ts"
import {
  type Checked,
  endpointOf,
  isInSync,
  lackingTags,
  missingCompanions,
  type ObservedTag,
  overwritesTags
} from "./facts.ts"
import { attemptAfter, digestOf, isRefused, isRetried, KEPT, needsNoCheck, nextAttemptOf } from "./failures.ts"

/** A copy that brings a tag in sync. */
export interface PlannedCopy {
  readonly task: CopyTask
  /** The tags that must be at the destination before the copy starts. */
  readonly dependsOn: ReadonlyArray<string>
}

/** Every copy that an Image needs, companion tags first. A tag that cannot be copied has no copy. */
export const plannedCopies = (image: ImageHeader, checked: Checked): ReadonlyArray<PlannedCopy> => {
  const { companionOwner, mirror, observed } = checked
  // All copies share the values that do not differ, because they may be many.
  const own = { namespace: image.namespace, name: image.name, uid: image.uid }
  const [source, destination] = [endpointOf(checked, "source"), endpointOf(checked, "destination")]
  const planned =
    (parts: Pick<CopyTask, "platforms" | "referrers" | "companionOwner" | "onlyIfMissing">) =>
    ({ dependsOn = [], desired, sourceDigest = desired, tag }: ObservedTag): ReadonlyArray<PlannedCopy> => {
      if (desired === undefined || sourceDigest === undefined) return []
      const task: CopyTask = {
        image: own,
        generation: image.generation,
        source,
        digest: sourceDigest,
        ...parts,
        destinationDigest: desired,
        destination,
        ...(observed.missing === undefined ? {} : { missing: observed.missing }),
        tag
      }
      return [{ task, dependsOn }]
    }
  const referrers = { referrers: mirror.referrers, ...(companionOwner === undefined ? {} : { companionOwner }) }
  const ofCompanions = { platforms: [], referrers: false, onlyIfMissing: companionOwner !== undefined }
  const onlyIfMissing = !overwritesTags(mirror)
  // An existing tag that is never overwritten gets the referrers of the image that it names, whatever platforms the image has.
  const platformsOf = ({ exists }: ObservedTag) => (exists && onlyIfMissing ? [] : mirror.platforms)
  return [
    ...missingCompanions(observed).flatMap(planned(ofCompanions)),
    ...observed.tags
      .filter((tag) => !isInSync(mirror, tag))
      .flatMap((tag) => planned({ platforms: platformsOf(tag), ...referrers, onlyIfMissing })(tag))
  ]
}

/**
 * The copies that continue: those to a tag that is still needed, with the digest that is needed now. If a tag moved
 * while its copy runs, the copy finishes and the tag is copied again. Cancelling the copy could starve a tag that
 * moves often.
 */
export const goingOn = (
  copies: ReadonlyArray<Copy>,
  { generation }: ImageHeader,
  { companionOwner, mirror, observed }: Checked
): ReadonlyArray<Copy> => {
  const companions = new Map((observed.companions ?? []).map((tag) => [tag.tag, tag]))
  const selected = new Map(observed.tags.map((tag) => [tag.tag, tag]))
  const missing = new Set(lackingTags(observed, mirror).map(({ tag }) => tag))
  return copies.filter((copy) => {
    const { destinationDigest, generation: askedBy, onlyIfMissing, state, tag: name } = copy
    const tag = selected.get(name) ?? companions.get(name)
    if (tag === undefined || isClaimed(tag)) return false
    // The companion tags have got an owner since the copy has started.
    const changesCompanions = selected.has(name) ? copy.referrers && copy.companionOwner === undefined : !onlyIfMissing
    if (companionOwner !== undefined && changesCompanions) return false
    // Another writer has written the tag.
    if (state._tag === "Waiting" && !missing.has(name)) return false
    const isNeverOverwritten = selected.has(name) && !overwritesTags(mirror)
    if (isNeverOverwritten && !onlyIfMissing) return false
    // A tag that could not be checked may still be what it was.
    if (isRetried(tag)) return askedBy === generation
    if (tag.desired === destinationDigest) return true
    // The copy brings another image than the needed one. If tags are never overwritten, the wrong image would stay.
    return askedBy === generation && !(isNeverOverwritten && missing.has(name))
  })
}

/** The input of {@link startCopies}. */
interface Starting {
  readonly checked: Checked
  readonly now: number
  readonly planned: ReadonlyArray<PlannedCopy>
  /** The tags whose copies continue. */
  readonly underWay: ReadonlySet<string>
  readonly failures: ReadonlyArray<FailedCopy>
  /** Whether the engine has just refused this attempt. */
  readonly isNews: (failure: FailedCopy) => boolean
}

/**
 * The most copies of one Image under way. The tags of a longer list wait for the end of a copy, which causes the next
 * decision. An engine holds every copy that waits, of all Images, and runs ten copies at once by default.
 */
const UNDER_WAY = 100

/** The copies that should be under way, and the remaining failures. */
interface Started {
  /** Includes the copies that continue. An engine starts no copy twice. */
  readonly start: ReadonlyArray<CopyTask>
  /** The failures that a status keeps, without the refusals of copies that start again. */
  readonly failures: ReadonlyArray<FailedCopy>
}

/**
 * Decides which copies start now. A failed tag waits for its next attempt, and then for a check unless it needs none,
 * because the tag may have moved or arrived. If more tags failed than a status holds, the others wait for the first of
 * them. Only a tag that is new since the last check does not wait, because it cannot have failed.
 */
export const startCopies = ({ checked, failures, isNews, now, planned, underWay }: Starting): Started => {
  const lacking = new Set(planned.map(({ task }) => task.tag))
  const byTag = new Map(failures.map((failure) => [failure.tag, failure]))
  const isReady = ({ dependsOn }: PlannedCopy): boolean => !dependsOn.some((tag) => lacking.has(tag))
  const isDue = (failure: FailedCopy): boolean =>
    (checked.fresh || needsNoCheck(checked.mirror, failure)) && nextAttemptOf(failure, now) <= now
  // A running copy continues, even if a tag on which it depends went missing after its start.
  const isRetried = (copy: PlannedCopy): boolean => {
    const failure = byTag.get(copy.task.tag)
    return underWay.has(copy.task.tag) || (failure !== undefined && isReady(copy) && isDue(failure))
  }
  const retried = new Set(planned.filter(isRetried).map(({ task }) => task.tag))
  const standing = failures.filter((failure) => !isRefused(failure) || !retried.has(failure.tag) || isNews(failure))
  const ofCopies = standing.filter(({ tag }) => lacking.has(tag))
  const hasRoom = ofCopies.length < KEPT || ofCopies.some(isDue)
  const isNew = newIn(checked)
  const isFirst = (copy: PlannedCopy): boolean =>
    !retried.has(copy.task.tag) && !byTag.has(copy.task.tag) && isReady(copy) && (hasRoom || isNew(copy))
  // Failures are few, and none waits for a place: a due attempt that is not made would be due at once again.
  const first = new Set(planned.filter(isFirst).slice(0, Math.max(0, UNDER_WAY - retried.size)))
  // The status keeps these failures, so the end of the copy is logged with the same number.
  const kept = new Map(standing.map((failure) => [failure.tag, failure]))
  const start = planned
    .filter((copy) => retried.has(copy.task.tag) || first.has(copy))
    .map(({ task }) => ({ ...task, attempt: attemptAfter(kept.get(task.tag), task.destinationDigest) }))
  return { start, failures: standing.slice(0, KEPT) }
}

/** Whether the last check did not know a copy's tag with its digest. Without a result of the last check no copy is new. */
const newIn = ({ before }: Checked): ((copy: PlannedCopy) => boolean) => {
  if (before === undefined) return () => false
  const known = new Map([...before.tags, ...(before.companions ?? [])].map((tag) => [tag.tag, digestOf(tag)]))
  return ({ task }) => known.get(task.tag) !== task.destinationDigest
}
