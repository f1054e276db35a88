/** What `plan` prints for people. Pure. */
import type { ImagePlan, TagPlan } from "../controller/Planner.ts"
import { keyOf } from "../domain/ImageKey.ts"
import type { PreviewAction, PreviewReason } from "../domain/plan/preview.ts"
import { boundedLine } from "../text/line.ts"
import { formatBytes } from "./amounts.ts"
import type { Color } from "./color.ts"
import { shortDigest } from "./digests.ts"
import { shownName } from "./imageName.ts"
import { countsOf, isChange, type Plan, pullsOf } from "./PlanResult.ts"
import { type Look, shownMessage } from "./syncText.ts"
import { formatTable, wrapped } from "./table.ts"

const WHY: Readonly<Record<PreviewReason, string>> = {
  Missing: "not at the destination",
  Moved: "moved at the source",
  PlatformsChanged: "other platforms are asked for",
  ReferrersMissing: "signatures or other referrers are missing",
  NotAtSource: "not at the source any more",
  NotSelected: "not selected any more",
  UpToDate: "up to date",
  Claimed: "",
  Failed: ""
}

const COLORS: Readonly<Record<PreviewAction, Color>> = { copy: "good", overwrite: "busy", leave: "none", skip: "none" }

/** The narrowest output that shows digests. */
const DIGESTS = 120

/** One row for each tag, without those that are up to date unless `isWide`. */
const tagTable = (images: ReadonlyArray<ImagePlan>, isWide: boolean, look: Look): string => {
  const { paint, width } = look
  const rows = images.flatMap((image) =>
    image.tags
      .filter(({ reason }) => isWide || reason !== "UpToDate")
      .map((tag) => ({ ...tag, name: shownName(keyOf(image)) }))
  )
  if (rows.length === 0) return ""
  const hasDigests = isWide || width >= DIGESTS
  const shown = (digest: string | undefined): string => (digest === undefined ? "-" : shortDigest(digest))
  return formatTable(
    [
      "IMAGE",
      "TAG",
      "ACTION",
      ...(hasDigests ? ["SIZE"] : []),
      "TO SEND",
      ...(hasDigests ? ["SOURCE", "DESTINATION"] : []),
      "WHY"
    ],
    rows.map((row) => [
      row.name,
      row.tag,
      row.reason === "Failed" ? "fail" : row.action,
      ...(hasDigests ? [amountOf(row, row.size?.bytes)] : []),
      amountOf(row, row.size?.bytesToSend),
      ...(hasDigests ? [shown(row.desired), shown(row.actual)] : []),
      shownMessage(row.error?.message ?? WHY[row.reason], look)
    ]),
    width,
    (text, column, row) => {
      const tag = rows[row]
      if (tag === undefined || column !== 2) return text
      return paint(text, tag.reason === "Failed" ? "bad" : COLORS[tag.action])
    }
  )
}

/** `?` for a copy of unknown size. */
const amountOf = (tag: TagPlan, bytes: number | undefined): string =>
  isChange(tag) ? (bytes === undefined ? "?" : formatBytes(bytes)) : "-"

/** The Images that could not be checked, unless their only tag says why. */
const failures = (images: ReadonlyArray<ImagePlan>, look: Look): string => {
  const rows = images.flatMap((image) => {
    const { failure, suspended, tags } = image
    const name = shownName(keyOf(image))
    if (suspended) return [[name, "Suspended", "spec.suspend is set; the Image is not checked"]]
    return failure === undefined || tags.length > 0 ? [] : [[name, failure.reason, shownMessage(failure.message, look)]]
  })
  return rows.length === 0 ? "" : formatTable(["IMAGE", "STATUS", "MESSAGE"], rows, look.width)
}

/** `3 to copy, 1 to overwrite, 120 up to date; 310.2 MB to send`. */
export const planSummary = (images: ReadonlyArray<ImagePlan>): string => {
  const { bytesToSend, isBytesComplete, tagsClaimed, tagsFailed, tagsLeft, tagsToCopy, tagsToOverwrite, tagsUpToDate } =
    countsOf(images)
  const unchecked = images.filter(({ failure, tags }) => failure !== undefined && tags.length === 0).length
  const parts = [
    [tagsToCopy, "to copy"],
    [tagsToOverwrite, "to overwrite"],
    [tagsUpToDate, "up to date"],
    [tagsLeft, "left at the destination"],
    [tagsClaimed, "claimed by other Images"],
    [tagsFailed, "failed"],
    [unchecked, unchecked === 1 ? "Image without tags" : "Images without tags"]
  ] as const
  const counts = parts.flatMap(([count, words]) => (count === 0 ? [] : [`${count} ${words}`]))
  const changes = tagsToCopy + tagsToOverwrite
  const bytes = isBytesComplete
    ? formatBytes(bytesToSend)
    : bytesToSend === 0
      ? "?"
      : `at least ${formatBytes(bytesToSend)}`
  return `${counts.length === 0 ? "nothing to do" : counts.join(", ")}${changes === 0 ? "" : `; ${bytes} to send`}`
}

/** The requests of the plan, and what a run costs of the registries' limits. */
export const costs = ({ images, requests }: Plan): ReadonlyArray<string> => {
  const sent = [...requests.values()].reduce((sum, count) => sum + count, 0)
  const pulls = pullsOf(images).map(({ least, limit, registry, remaining }) => {
    const left = remaining === undefined || limit === undefined ? "" : `; ${remaining} of ${limit} are left`
    return `sync needs at least ${least} ${least === 1 ? "pull" : "pulls"} of ${registry}${left}`
  })
  return [`${sent} requests were sent for this plan`, ...pulls]
}

/** The text of a plan. */
export const planText = (plan: Plan, isWide: boolean, look: Look): string => {
  const { images } = plan
  const notes = [planSummary(images), ...costs(plan)].flatMap((line) => wrapped(boundedLine(line), look.width))
  return [tagTable(images, isWide, look), failures(images, look), notes.join("\n")]
    .filter((part) => part !== "")
    .join("\n\n")
}

/** The tags that a run would write, as references: `registry/path:tag`. */
export const plannedReferences = (images: ReadonlyArray<ImagePlan>): ReadonlyArray<string> =>
  images.flatMap(({ destination, tags }) =>
    destination === undefined ? [] : tags.filter(isChange).map(({ tag }) => `${destination}:${tag}`)
  )
