/** What `sync` prints for people: tables, the failed tags with their whole errors, and a summary. Pure. */
import { type ImageOutcome, type TagAction, type TagOutcome, totalsOf } from "../domain/Outcome.ts"
import { keyOf } from "../domain/ImageKey.ts"
import { boundedLine } from "../text/line.ts"
import { formatBytes, formatSeconds } from "./amounts.ts"
import type { Color, Paint } from "./color.ts"
import { shownName } from "./imageName.ts"
import type { Run } from "./SyncResult.ts"
import { formatTable, wrapped } from "./table.ts"

/** The width and the colours of the output. */
export interface Look {
  readonly width: number
  readonly paint: Paint
}

const COLORS: Readonly<Record<TagAction, Color>> = {
  copied: "good",
  present: "good",
  failed: "bad",
  skipped: "busy",
  pending: "busy"
}

const isAtDestination = ({ action }: TagOutcome): boolean => action === "copied" || action === "present"

/** One row for each Image. */
export const imageTable = (images: ReadonlyArray<ImageOutcome>, { paint, width }: Look): string =>
  formatTable(
    ["IMAGE", "TAGS", "READY", "STATUS", "MESSAGE"],
    images.map((image) => [
      shownName(keyOf(image)),
      image.tags.length === 0 ? "-" : `${image.tags.filter(isAtDestination).length}/${image.tags.length}`,
      image.suspended ? "-" : image.ready ? "True" : "False",
      image.suspended ? "Suspended" : image.reason,
      image.suspended ? "spec.suspend is set; the Image is not checked" : image.message
    ]),
    width,
    (text, column, row) => {
      const image = images[row]
      const color = image === undefined || image.suspended ? "none" : image.ready ? "good" : "bad"
      return column === 2 ? paint(text, color) : text
    }
  )

/** One row for each tag. */
export const tagTable = (images: ReadonlyArray<ImageOutcome>, { paint, width }: Look): string => {
  const rows = images.flatMap((image) => image.tags.map((tag) => ({ name: shownName(keyOf(image)), ...tag })))
  return formatTable(
    ["IMAGE", "TAG", "ACTION", "SIZE", "SENT", "TIME", "DIGEST", "ERROR"],
    rows.map(({ action, digest, error, name, tag, transfer }) => [
      name,
      tag,
      action,
      transfer === undefined ? "-" : formatBytes(transfer.bytes),
      transfer === undefined ? "-" : formatBytes(transfer.bytesSent),
      transfer?.seconds === undefined ? "-" : formatSeconds(transfer.seconds),
      digest === undefined ? "-" : shortDigest(digest),
      error?.message ?? ""
    ]),
    width,
    (text, column, row) => {
      const action = rows[row]?.action
      return column === 2 && action !== undefined ? paint(text, COLORS[action]) : text
    }
  )
}

/** `sha256:` and twelve digits, as Docker shows them. */
export const shortDigest = (digest: string): string => digest.replace(/^(\w+:[0-9a-f]{12})[0-9a-f]+$/u, "$1")

/** Each failed tag with its whole error, unless the Image's own message is about its only tag. */
export const failedTags = (images: ReadonlyArray<ImageOutcome>, { width }: Look): string => {
  const rows = images.flatMap((image) => {
    const failed = image.tags.filter(({ action, error }) => action === "failed" && error !== undefined)
    const isSaid = image.tags.length === 1 && image.message.includes(failed[0]?.error?.message ?? "")
    return isSaid ? [] : failed.map(({ error, tag }) => [shownName(keyOf(image)), tag, error?.message ?? ""])
  })
  return rows.length === 0 ? "" : formatTable(["FAILED", "TAG", "WHY"], rows, width)
}

/** `copied 12, already there 48, failed 1; 310.2 MB in 14 s`. */
export const summary = ({ durationSeconds, images }: Pick<Run, "images" | "durationSeconds">): string => {
  const { bytesSent, copied, failed, pending, present, skipped } = totalsOf(images.flatMap(({ tags }) => tags))
  const unchecked = images.filter(({ suspended, tags }) => tags.length === 0 && !suspended).length
  const parts = [
    [copied, "copied"],
    [present, "already there"],
    [failed, "failed"],
    [skipped, "skipped"],
    [pending, "not copied yet"],
    [unchecked, unchecked === 1 ? "Image without tags:" : "Images without tags:"]
  ] as const
  const counts = parts.flatMap(([count, words]) => (count === 0 ? [] : [`${words} ${count}`]))
  const moved = bytesSent === 0 ? "nothing sent" : formatBytes(bytesSent)
  return `${counts.length === 0 ? "nothing to copy" : counts.join(", ")}; ${moved} in ${formatSeconds(durationSeconds)}`
}

/** What a user gets to know after a signal. */
export const interruption = (images: ReadonlyArray<ImageOutcome>): string => {
  const tags = images.flatMap((image) => image.tags)
  const there = tags.filter(isAtDestination).length
  const done = tags.length === 0 ? "no tag was copied" : `${there} of ${tags.length} tags copied`
  return `interrupted: ${done}; run it again to go on`
}

/** The tags that the destination has, as references: `registry/path:tag`. */
export const references = (images: ReadonlyArray<ImageOutcome>): ReadonlyArray<string> =>
  images.flatMap(({ destination, tags }) =>
    destination === undefined ? [] : tags.filter(isAtDestination).map(({ tag }) => `${destination}:${tag}`)
  )

/** The text of a run. */
export const syncText = (run: Run, isWide: boolean, look: Look): string => {
  const { images } = run
  const parts = [
    isWide && images.some(({ tags }) => tags.length > 0) ? tagTable(images, look) : "",
    images.length === 0 ? "" : imageTable(images, look),
    isWide ? "" : failedTags(images, look),
    images.length === 0 ? "" : wrapped(boundedLine(summary(run)), look.width).join("\n")
  ]
  return parts.filter((part) => part !== "").join("\n\n")
}
