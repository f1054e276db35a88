/** Counts the bytes of copies for the metrics: read off the engine before each scrape, for chunks are many. */
import { Effect } from "effect"
import type { CopyEngine, ImageKey } from "../copy/CopyEngine.ts"
import { type Copy, isFinished, progressOf } from "../domain/Copy.ts"
import { type CopyTotals, movedIn, NO_COPIES, withCopies, withCopy } from "../domain/CopyTotals.ts"
import type { Metrics } from "../Metrics.ts"

/** Tells the metrics what the copies of Images move. An Image is metered from `started` to `settled`. */
export interface CopyMeter {
  /** An Image has copies from now on; `label` is what its bytes are counted under. */
  readonly started: (key: ImageKey, label: string) => void
  /** A copy has ended and is about to be released. */
  readonly ended: (copy: Copy) => void
  /** An Image has no more copies. */
  readonly settled: (key: ImageKey) => void
}

/** An Image that has copies. */
interface Metered {
  readonly key: ImageKey
  readonly label: string
  readonly totals: CopyTotals
}

const nameOf = ({ name, namespace }: ImageKey): string => `${namespace}/${name}`

/** The bytes that are to come of the copies under way. */
const remainingOf = (copies: ReadonlyArray<Copy>): number | undefined => {
  const open = copies.flatMap((copy) => (isFinished(copy) ? [] : (progressOf(copy) ?? [])))
  return open.length === 0 ? undefined : open.reduce((sum, { done, total }) => sum + total - done, 0)
}

export const make = (engine: CopyEngine["Service"], metrics: Metrics["Service"]): CopyMeter => {
  const images = new Map<string, Metered>()

  const count = (image: Metered, totals: CopyTotals): void => {
    const [before, now] = [movedIn(image.totals), movedIn(totals)]
    metrics.bytesCopied(image.label, "sent", now.sent - before.sent)
    metrics.bytesCopied(image.label, "present", now.present - before.present)
    images.set(nameOf(image.key), { ...image, totals })
  }

  /** Counts what has been moved since the last scrape; answers with what is to come, by label. */
  const sample = Effect.gen(function* () {
    const remaining = new Map<string, number>()
    for (const { key } of [...images.values()]) {
      const copies = yield* Effect.orElseSucceed(engine.copies(key), () => undefined)
      // A copy may have ended while the engine was asked.
      const image = images.get(nameOf(key))
      if (copies === undefined || image === undefined) continue
      count(image, withCopies(image.totals, copies))
      const bytes = remainingOf(copies)
      if (bytes !== undefined) remaining.set(image.label, (remaining.get(image.label) ?? 0) + bytes)
      if (copies.length === 0) images.delete(nameOf(key))
    }
    return remaining
  })
  metrics.sampling(sample)

  return {
    started: (key, label) => {
      const totals = images.get(nameOf(key))?.totals ?? NO_COPIES
      images.set(nameOf(key), { key, label, totals })
    },
    ended: (copy) => {
      const image = images.get(nameOf(copy.image))
      if (image !== undefined) count(image, withCopy(image.totals, copy))
    },
    settled: (key) => void images.delete(nameOf(key))
  }
}
