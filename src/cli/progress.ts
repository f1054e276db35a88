/** Formats the progress of copies as lines for people. Pure: from the states of copies to lines. */
import { type Copy, isFinished } from "../domain/Copy.ts"
import { type CopyTotals, movedIn, NO_COPIES, progressIn, withCopies } from "../domain/CopyTotals.ts"

/** An Image and its copies at one time. */
export interface Sample {
  readonly name: string
  /** Copied tags and selected tags, such as `12/14`. */
  readonly tags: string | undefined
  readonly copies: ReadonlyArray<Copy>
}

interface ImageProgress extends Sample {
  /** The bytes of all copies of the run, including released ones. */
  readonly totals: CopyTotals
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
      return [sample.name, { ...sample, totals, sent: [...recent, { at: now, bytes: movedIn(totals).sent }] }]
    })
  )

const isRunning = ({ state }: Copy): boolean => state._tag === "Running"

const rateOf = ({ sent }: ImageProgress): number => {
  const [first, last] = [sent[0], sent.at(-1)]
  return first === undefined || last === undefined || last.at <= first.at
    ? 0
    : ((last.bytes - first.bytes) * 1_000) / (last.at - first.at)
}

/** One line for each Image with running copies: at most as many lines as fit, each shorter than `columns`. */
export const barLines = (
  progress: Progress,
  { columns, rows }: { readonly columns: number; readonly rows: number }
): ReadonlyArray<string> => {
  const images = [...progress.values()]
  const copying = images.filter(({ copies }) => copies.some(isRunning))
  const most = Math.max(1, Math.min(MOST_LINES, rows - 2))
  const shown = copying.slice(0, most)
  const names = Math.min(longest(shown.map(({ name }) => name)), Math.max(12, Math.floor(columns * 0.4)))
  const cells = shown.map((image) => {
    const { done, total } = progressIn(image.totals)
    return {
      head: `${shortened(image.name, names).padEnd(names)}  ${image.tags ?? ""}`,
      done,
      total,
      bytes: total === 0 ? "" : formatAmount(done, total),
      rate: total === 0 ? "" : `${formatBytes(rateOf(image))}/s`
    }
  })
  const heads = longest(cells.map(({ head }) => head))
  const amounts = longest(cells.map(({ bytes }) => bytes))
  const rates = longest(cells.map(({ rate }) => rate))
  const withRate = heads + amounts + rates + 3 * GAP <= columns - 1
  const bar = Math.min(MOST_BAR, columns - 1 - heads - amounts - rates - 3 * GAP)
  const lines = cells.map(({ bytes, done, head, rate, total }) =>
    [
      head.padEnd(heads),
      ...(bar < LEAST_BAR ? [] : [barOf(total === 0 ? 0 : done / total, bar)]),
      bytes.padStart(amounts),
      ...(withRate ? [rate.padStart(rates)] : [])
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

/** The last line: the numbers of Images without a line and of waiting copies. */
const restLine = (hidden: number, images: ReadonlyArray<ImageProgress>): ReadonlyArray<string> => {
  const waiting = images.flatMap(({ copies }) => copies).filter((copy) => !isFinished(copy) && !isRunning(copy)).length
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

const UNITS = ["B", "kB", "MB", "GB", "TB"]

const unitOf = (bytes: number): number =>
  Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)))

const inUnit = (bytes: number, unit: number): string => (bytes / 1_000 ** unit).toFixed(unit === 0 ? 0 : 1)

/** `12.5 MB`. */
export const formatBytes = (bytes: number): string => `${inUnit(bytes, unitOf(bytes))} ${UNITS[unitOf(bytes)] ?? ""}`

/** `12.5 of 100.0 MB`: both numbers in the unit of the total. */
export const formatAmount = (done: number, total: number): string =>
  `${inUnit(done, unitOf(total))} of ${inUnit(total, unitOf(total))} ${UNITS[unitOf(total)] ?? ""}`
