/** Counts copies, their bytes and their durations for the metrics. The engine is read before each scrape, because chunks are many. */
import { Effect } from "effect"
import type { CopyEngine } from "../copy/CopyEngine.ts"
import { type ImageKey, keyOf } from "../domain/ImageKey.ts"
import { type Copy, type CopyTask, isFinished, progressOf } from "../domain/Copy.ts"
import { type CopyTotals, movedIn, NO_COPIES, withCopies, withCopy } from "../domain/CopyTotals.ts"
import type { Metrics } from "../metrics/Metrics.ts"

/** Reports the bytes that copies move to the metrics. An Image is metered from `started` to `settled`. */
export interface CopyMeter {
  /** A copy was started. The copies of the Image are counted under `label`. `now` is in milliseconds since the epoch. */
  readonly started: (task: CopyTask, label: string, now: number) => void
  /** A copy has ended and is about to be released. */
  readonly ended: (copy: Copy) => void
  /** An Image has no more copies. */
  readonly settled: (key: ImageKey) => void
  /** An Image is deleted. The series of its label end with the last Image of the label. */
  readonly removed: (key: ImageKey) => void
}

/** An Image that has copies. */
interface Metered {
  readonly key: ImageKey
  readonly label: string
  readonly totals: CopyTotals
  /** When the copy of each tag was started, in milliseconds since the epoch. */
  readonly since: Map<string, number>
}

/** The bytes that the running copies have not moved yet. */
const remainingOf = (copies: ReadonlyArray<Copy>): number | undefined => {
  const open = copies.flatMap((copy) => (isFinished(copy) ? [] : (progressOf(copy) ?? [])))
  return open.length === 0 ? undefined : open.reduce((sum, { done, total }) => sum + total - done, 0)
}

/** How long a finished copy has lasted, if this process has started the copy. */
const secondsOf = ({ state, tag }: Copy, since: ReadonlyMap<string, number> = new Map()): number | undefined => {
  const start = since.get(tag)
  return start === undefined || !("at" in state) ? undefined : Math.max(0, state.at - start) / 1_000
}

export const make = (engine: CopyEngine["Service"], metrics: Metrics["Service"]): CopyMeter => {
  const images = new Map<string, Metered>()
  /** The label of each Image that has had copies, and the number of Images with a label. */
  const labels = new Map<string, string>()
  const sharing = new Map<string, number>()

  const relabel = (key: string, label: string | undefined): void => {
    const before = labels.get(key)
    if (before === label) return
    if (label === undefined) labels.delete(key)
    else {
      labels.set(key, label)
      sharing.set(label, (sharing.get(label) ?? 0) + 1)
    }
    if (before === undefined) return
    const others = (sharing.get(before) ?? 1) - 1
    if (others > 0) return void sharing.set(before, others)
    sharing.delete(before)
    metrics.copies.gone(before)
  }

  const count = (image: Metered, totals: CopyTotals): void => {
    const [before, now] = [movedIn(image.totals), movedIn(totals)]
    metrics.copies.bytes(image.label, "sent", now.sent - before.sent)
    metrics.copies.bytes(image.label, "present", now.present - before.present)
    images.set(keyOf(image.key), { ...image, totals })
  }

  /** Counts the bytes that were moved since the last scrape. Gives the bytes that remain, by label. */
  const sample = Effect.map(engine.begun ?? Effect.succeed([]), (begun) => {
    const remaining = new Map<string, number>()
    for (const [key, copies] of Map.groupBy(begun, ({ image }) => keyOf(image))) {
      const image = images.get(key)
      if (image === undefined) continue
      count(image, withCopies(image.totals, copies))
      const bytes = remainingOf(copies)
      if (bytes !== undefined) remaining.set(image.label, (remaining.get(image.label) ?? 0) + bytes)
    }
    return remaining
  })
  metrics.copies.sampling(sample)

  return {
    started: ({ image: key, tag }, label, now) => {
      const { since, totals } = images.get(keyOf(key)) ?? { since: new Map<string, number>(), totals: NO_COPIES }
      images.set(keyOf(key), { key, label, totals, since: since.set(tag, now) })
      relabel(keyOf(key), label)
      metrics.copies.started(label)
    },
    ended: (copy) => {
      const image = images.get(keyOf(copy.image))
      const seconds = secondsOf(copy, image?.since)
      if (copy.state._tag === "Failed") metrics.copies.finished("failed", seconds, copy.state.reason)
      else metrics.copies.finished("succeeded", seconds)
      if (image === undefined) return
      image.since.delete(copy.tag)
      count(image, withCopy(image.totals, copy))
    },
    settled: (key) => void images.delete(keyOf(key)),
    removed: (key) => {
      images.delete(keyOf(key))
      relabel(keyOf(key), undefined)
    }
  }
}
