/** What a run would do with each tag of an Image, without doing it. Pure: from the same facts as a decision. */
import type { CopyTask } from "../Copy.ts"
import type { ImageHeader, PlanReason } from "../Image.ts"
import { isClaimed, withClaims } from "./claims.ts"
import { plannedCopies } from "./copies.ts"
import { type Checked, isInSync, type ObservedTag, selectionOf } from "./facts.ts"
import type { Reason } from "../Reason.ts"
import { whyCopied } from "./status.ts"

/** What a run would do with a tag. */
export const PREVIEW_ACTIONS = ["copy", "overwrite", "leave", "skip"] as const

/**
 * - `copy`: the destination lacks the tag, or a part of its image
 * - `overwrite`: the destination has another image under the tag
 * - `leave`: only the destination has the tag, which no run deletes
 * - `skip`: the tag needs no copy, or cannot be copied
 */
export type PreviewAction = (typeof PREVIEW_ACTIONS)[number]

/** Why a run would do that. */
export const PREVIEW_REASONS = [
  "Missing",
  "Moved",
  "PlatformsChanged",
  "ReferrersMissing",
  "NotAtSource",
  "NotSelected",
  "UpToDate",
  "Claimed",
  "Failed"
] as const satisfies ReadonlyArray<
  Exclude<PlanReason, "Retry"> | "NotAtSource" | "NotSelected" | "UpToDate" | "Claimed" | "Failed"
>

export type PreviewReason = (typeof PREVIEW_REASONS)[number]

/** What a run would do with one tag. */
export interface TagPreview {
  /** The tag at the destination. */
  readonly tag: string
  readonly action: PreviewAction
  readonly reason: PreviewReason
  /** The digest that the destination should have, if it is known. */
  readonly desired?: string
  /** The digest that the destination has, if it is known. */
  readonly actual?: string
  /** Why a tag is `Claimed` or has `Failed`. */
  readonly error?: { readonly reason: Reason; readonly message: string }
  /** The copy that a run would make. */
  readonly task?: CopyTask
}

/** The tags of both registries, for an Image with a pattern or a range. */
export interface Listings {
  readonly source: ReadonlySet<string>
  readonly destination: ReadonlyArray<string>
}

/** What a run would do with every selected tag, and with the tags that only the destination has. */
export const previewOf = (image: ImageHeader, checked: Checked, listings?: Listings): ReadonlyArray<TagPreview> => {
  const observed = withClaims(checked.observed, checked)
  const { mirror } = checked
  const tasks = new Map(plannedCopies(image, { ...checked, observed }).map(({ task }) => [task.tag, task]))
  const selected = observed.tags.map((tag): TagPreview => {
    const { actual, desired } = tag
    const digests = { ...(desired === undefined ? {} : { desired }), ...(actual === undefined ? {} : { actual }) }
    const task = tasks.get(tag.tag)
    return {
      tag: tag.tag,
      ...digests,
      ...verdictOf(tag, isInSync(mirror, tag), observed.subsets),
      ...(task === undefined || tag.problem !== undefined ? {} : { task })
    }
  })
  if (listings === undefined || mirror.tags._tag === "Exact" || observed.misfit !== undefined) return selected
  const names = new Set(selected.map(({ tag }) => tag))
  const selects = selectionOf(mirror.tags)
  const left = listings.destination
    .filter((tag) => !names.has(tag) && selects(tag))
    .map((tag): TagPreview => {
      return { tag, action: "leave", reason: listings.source.has(tag) ? "NotSelected" : "NotAtSource" }
    })
  return [...selected, ...left]
}

const verdictOf = (
  tag: ObservedTag,
  isThere: boolean,
  subsets: Checked["observed"]["subsets"]
): Pick<TagPreview, "action" | "reason" | "error"> => {
  if (tag.problem !== undefined) {
    return { action: "skip", reason: isClaimed(tag) ? "Claimed" : "Failed", error: tag.problem }
  }
  if (isThere) return { action: "skip", reason: "UpToDate" }
  const reason = whyCopied(tag, subsets)
  return { action: reason === "Missing" || reason === "ReferrersMissing" ? "copy" : "overwrite", reason }
}
