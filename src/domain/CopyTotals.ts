/** The bytes that the copies of one Image have moved, including copies that the engine has released. Pure. */
import { type Copy, type CopyProgress, progressOf } from "./Copy.ts"

/** Bytes at destinations that were not counted before. The numbers do not decrease when an attempt starts over. */
export interface MovedBytes {
  readonly sent: number
  /** Mounted, or at the destination before. */
  readonly present: number
}

interface CopyTotal {
  /** The last report of the engine. */
  readonly progress: CopyProgress
  /** The highest numbers that the engine has ever reported. */
  readonly moved: MovedBytes
}

export interface CopyTotals {
  /** The copies that the engine has and reports progress of, by id. */
  readonly copies: ReadonlyMap<string, CopyTotal>
  /** The sum of the copies that the engine has released. */
  readonly gone: CopyTotal
}

const NONE: CopyTotal = { progress: { done: 0, total: 0, sent: 0 }, moved: { sent: 0, present: 0 } }

export const NO_COPIES: CopyTotals = { copies: new Map(), gone: NONE }

/** Adds the reports of an engine about all copies of the Image. */
export const withCopies = (totals: CopyTotals, copies: ReadonlyArray<Copy>): CopyTotals => {
  const current = new Map<string, CopyTotal>()
  for (const copy of copies) {
    const total = totalOf(totals.copies.get(copy.id), copy)
    if (total !== undefined) current.set(copy.id, total)
  }
  const ids = new Set(copies.map(({ id }) => id))
  const gone = [...totals.copies].flatMap(([id, total]) => (ids.has(id) ? [] : [ended(total)]))
  return { copies: current, gone: gone.reduce(plus, totals.gone) }
}

/** Adds the report of an engine about one copy. */
export const withCopy = (totals: CopyTotals, copy: Copy): CopyTotals => {
  const total = totalOf(totals.copies.get(copy.id), copy)
  return total === undefined ? totals : { ...totals, copies: new Map(totals.copies).set(copy.id, total) }
}

const totalOf = (before: CopyTotal | undefined, copy: Copy): CopyTotal | undefined => {
  const progress = progressOf(copy)
  if (progress === undefined) return before
  const { done, sent } = progress
  const { moved } = before ?? NONE
  const { shared = { done: 0, total: 0 } } = progress
  const own = { done: done - shared.done, total: progress.total - shared.total, sent }
  // A copy that starts over still counts the bytes that it sent before. These may be more than the bytes at the destination.
  return { progress: own, moved: { sent: Math.max(moved.sent, sent), present: Math.max(moved.present, done - sent) } }
}

/**
 * All bytes that the copies have to move, and the bytes of these at the destination. Released copies are included. A blob that
 * several copies need counts once.
 */
export const progressIn = (totals: CopyTotals): CopyProgress => sumOf(totals).progress

/** All bytes that the copies have moved. The numbers never decrease. */
export const movedIn = (totals: CopyTotals): MovedBytes => sumOf(totals).moved

const sumOf = ({ copies, gone }: CopyTotals): CopyTotal => [...copies.values()].reduce(plus, gone)

const plus = (a: CopyTotal, b: CopyTotal): CopyTotal => ({
  progress: {
    done: a.progress.done + b.progress.done,
    total: a.progress.total + b.progress.total,
    sent: a.progress.sent + b.progress.sent
  },
  moved: { sent: a.moved.sent + b.moved.sent, present: a.moved.present + b.moved.present }
})

/** A copy that an engine has no more has ended since it was seen last. */
const ended = ({ moved, progress }: CopyTotal): CopyTotal => ({
  moved,
  progress: { ...progress, done: progress.total }
})
