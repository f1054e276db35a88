/** Formats the progress of copies as lines for people. Pure: from the states of copies to lines. */
import type { Size } from "./LiveArea.ts"
import { type Copy, isFinished } from "../domain/Copy.ts"
import { type CopyTotals, movedIn, NO_COPIES, progressIn, withCopies } from "../domain/CopyTotals.ts"
import { formatAmount, formatBytes, formatClock } from "./amounts.ts"

/** How many tags of an Image are selected, and how many of these need nothing more. */
export interface TagCounts {
  readonly selected: number
  /** The destination has the tag. */
  readonly copied: number
  /** The tag has failed, or is claimed. It may be tried again later. */
  readonly failed: number
}

/** An Image and its copies at one time. */
export interface Sample {
  readonly name: string
  /** Absent before the first check. */
  readonly tags: TagCounts | undefined
  readonly copies: ReadonlyArray<Copy>
}

interface ImageProgress extends Sample {
  /** The bytes of all copies of the run, including released ones. */
  readonly totals: CopyTotals
  /** How many copies have said how many bytes they have. */
  readonly begun: number
  /** The bytes that were sent until each time of the last seconds, for the rate. */
  readonly sent: ReadonlyArray<{ readonly at: number; readonly bytes: number }>
}

/** The progress of a run, by Image. */
export type Progress = ReadonlyMap<string, ImageProgress>

export const NO_PROGRESS: Progress = new Map()

/** The span of time that a rate is computed from. */
const RATE_MILLIS = 3_000

/** Adds the samples of a time, in milliseconds since the epoch, to the progress. */
export const advance = (before: Progress, samples: ReadonlyArray<Sample>, now: number): Progress =>
  new Map(
    samples.map((sample) => {
      const known = before.get(sample.name)
      const totals = withCopies(known?.totals ?? NO_COPIES, sample.copies)
      const past = known?.sent ?? []
      const recent = past.filter(({ at }, index) => at > now - RATE_MILLIS || index === past.length - 1)
      const added = [...totals.copies.keys()].filter((id) => known?.totals.copies.has(id) !== true).length
      const begun = (known?.begun ?? 0) + added
      return [sample.name, { ...sample, totals, begun, sent: [...recent, { at: now, bytes: movedIn(totals).sent }] }]
    })
  )

const isRunning = ({ state }: Copy): boolean => state._tag === "Running"

const rateOf = ({ sent }: ImageProgress): number => {
  const [first, last] = [sent[0], sent.at(-1)]
  return first === undefined || last === undefined || last.at <= first.at
    ? 0
    : ((last.bytes - first.bytes) * 1_000) / (last.at - first.at)
}

/** How many tags of an Image wait: their copies have not begun, so that their bytes are not known. */
const waitingOf = ({ copies, tags }: ImageProgress): number => {
  if (tags === undefined) return copies.filter((copy) => !isFinished(copy) && !isRunning(copy)).length
  // The outcome of a finished copy is counted in a moment.
  const underWay = copies.filter((copy) => isRunning(copy) || isFinished(copy)).length
  return Math.max(0, tags.selected - tags.copied - tags.failed - underWay)
}

/** The bytes of an Image. The total is an estimate while copies wait: as many bytes for each as the others have on average. */
const amountOf = (
  image: ImageProgress
): { readonly done: number; readonly total: number; readonly isEstimate: boolean } => {
  const { done, total } = progressIn(image.totals)
  const waiting = waitingOf(image)
  if (waiting === 0 || image.begun === 0) return { done, total, isEstimate: waiting > 0 }
  return { done, total: total + (total / image.begun) * waiting, isEstimate: true }
}

/** One line for each Image with running copies: at most as many lines as fit, each shorter than `columns`. */
export const barLines = (progress: Progress, { columns, rows }: Size): ReadonlyArray<string> => {
  const images = [...progress.values()]
  const copying = images.filter(({ copies }) => copies.some(isRunning))
  const most = Math.max(1, Math.min(MOST_LINES, rows - 2))
  const shown = copying.slice(0, most)
  const names = Math.min(longest(shown.map(({ name }) => name)), Math.max(12, Math.floor(columns * NAME_SHARE)))
  const cells = shown.map((image) => {
    const { done, isEstimate, total } = amountOf(image)
    const rate = rateOf(image)
    const left = rate > 0 && total > done ? formatClock((total - done) / rate) : ""
    return {
      head: `${shortened(image.name, names).padEnd(names)}  ${countOf(image.tags)}`,
      done,
      total,
      bytes: total === 0 ? "" : formatAmount(done, total, isEstimate),
      rate: total === 0 ? "" : `${formatBytes(rate)}/s`,
      left: left === "" ? "" : `${isEstimate ? "~" : ""}${left}`
    }
  })
  const heads = longest(cells.map(({ head }) => head))
  const amounts = longest(cells.map(({ bytes }) => bytes))
  const rates = longest(cells.map(({ rate }) => rate))
  const lefts = longest(cells.map(({ left }) => left))
  const room = columns - 1 - heads - GAP - amounts
  const withRate = GAP + rates <= room
  const withLeft = withRate && lefts > 0 && 2 * GAP + rates + lefts <= room
  const bar = Math.min(MOST_BAR, room - GAP - (withRate ? GAP + rates : 0) - (withLeft ? GAP + lefts : 0))
  const lines = cells.map(({ bytes, done, head, left, rate, total }) =>
    [
      head.padEnd(heads),
      ...(bar < LEAST_BAR ? [] : [barOf(total === 0 ? 0 : done / total, bar)]),
      bytes.padStart(amounts),
      ...(withRate ? [rate.padStart(rates)] : []),
      ...(withLeft ? [left.padStart(lefts)] : [])
    ]
      .join(" ".repeat(GAP))
      .trimEnd()
  )
  return [...lines, ...restLine(copying.length - shown.length, images)].map((line) => shortened(line, columns - 1))
}

const MOST_LINES = 10
const GAP = 2
const LEAST_BAR = 8
const MOST_BAR = 40
/** The most of a line that a name takes. */
const NAME_SHARE = 0.3

const countOf = (tags: TagCounts | undefined): string => (tags === undefined ? "" : `${tags.copied}/${tags.selected}`)

/** The last line: the numbers of Images without a line and of waiting copies. */
const restLine = (hidden: number, images: ReadonlyArray<ImageProgress>): ReadonlyArray<string> => {
  const waiting = images.reduce((sum, image) => sum + waitingOf(image), 0)
  const parts = [
    ...(hidden > 0 ? [`${hidden} more ${hidden === 1 ? "Image is" : "Images are"} copied`] : []),
    ...(waiting > 0 ? [`${waiting} ${waiting === 1 ? "copy waits" : "copies wait"}`] : [])
  ]
  return parts.length === 0 ? [] : [`… ${parts.join(", ")}`]
}

/** Lines for an output without a cursor: the running copies that also ran at `before`, with the bytes and the rate since. */
export const plainLines = (before: Progress, now: Progress): ReadonlyArray<string> =>
  [...now.values()].flatMap((image) => {
    const earlier = before.get(image.name)
    const millis = (image.sent.at(-1)?.at ?? 0) - (earlier?.sent.at(-1)?.at ?? 0)
    return image.copies.filter(isRunning).flatMap((copy) => {
      const [then, total] = [earlier?.totals.copies.get(copy.id), image.totals.copies.get(copy.id)]
      if (then === undefined || total === undefined || millis <= 0) return []
      const rate = ((total.moved.sent - then.moved.sent) * 1_000) / millis
      const { progress } = total
      return [`${image.name}: ${copy.tag}: ${formatAmount(progress.done, progress.total)}, ${formatBytes(rate)}/s`]
    })
  })

const longest = (texts: ReadonlyArray<string>): number => texts.reduce((most, text) => Math.max(most, text.length), 0)

const shortened = (text: string, width: number): string =>
  text.length <= width ? text : width < 1 ? "" : `${text.slice(0, width - 1)}…`

export const barOf = (share: number, width: number): string => {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  return "━".repeat(filled) + "─".repeat(width - filled)
}
