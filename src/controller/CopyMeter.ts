/** Counts the bytes of copies for the metrics: read off the engine when somebody asks, for chunks are many. */
import { Effect } from "effect"
import type { CopyEngine, ImageKey } from "../copy/CopyEngine.ts"
import { type Copy, type CopyProgress, isFinished, progressOf } from "../domain/Copy.ts"
import type { Metrics } from "../Metrics.ts"

/** An Image that has copies. */
interface Metered {
  readonly key: ImageKey
  /** What its bytes are counted under. */
  readonly label: string
  /** What has been counted of each of its copies. */
  readonly counted: Map<string, { readonly sent: number; readonly present: number }>
}

const nameOf = ({ name, namespace }: ImageKey): string => `${namespace}/${name}`

/** Without the bytes that were sent, as far as those are for what is there now. */
const presentOf = ({ done, sent }: CopyProgress): number => Math.max(0, done - sent)

export const make = Effect.fnUntraced(function* (engine: CopyEngine["Service"], metrics: Metrics["Service"]) {
  const images = new Map<string, Metered>()

  /** What a copy has moved since it was counted last; an attempt that is taken back counts no less. */
  const count = ({ counted, label }: Metered, copy: Copy): void => {
    const progress = progressOf(copy)
    if (progress === undefined) return
    const before = counted.get(copy.id) ?? { sent: 0, present: 0 }
    const now = {
      sent: Math.max(before.sent, progress.sent),
      present: Math.max(before.present, presentOf(progress))
    }
    metrics.bytesCopied(label, "sent", now.sent - before.sent)
    metrics.bytesCopied(label, "present", now.present - before.present)
    counted.set(copy.id, now)
  }

  const sample = Effect.gen(function* () {
    const remaining = new Map<string, number>()
    for (const [name, image] of images) {
      const copies = yield* Effect.orElseSucceed(engine.copies(image.key), () => undefined)
      if (copies === undefined) continue
      for (const copy of copies) {
        count(image, copy)
        const progress = progressOf(copy)
        if (progress === undefined || isFinished(copy)) continue
        remaining.set(image.label, (remaining.get(image.label) ?? 0) + progress.total - progress.done)
      }
      const known = new Set(copies.map(({ id }) => id))
      for (const id of image.counted.keys()) if (!known.has(id)) image.counted.delete(id)
      if (copies.length === 0) images.delete(name)
    }
    return remaining
  })
  yield* metrics.sampling(sample)

  return {
    /** An Image has copies from now on. */
    started: (key: ImageKey, label: string): void => {
      const known = images.get(nameOf(key))
      if (known?.label !== label) images.set(nameOf(key), { key, label, counted: known?.counted ?? new Map() })
    },
    /** A copy has ended and is about to be forgotten. */
    ended: (copy: Copy): void => {
      const image = images.get(nameOf(copy.image))
      if (image !== undefined) count(image, copy)
    },
    /** An Image has no more copies. */
    settled: (key: ImageKey): void => void images.delete(nameOf(key))
  }
})
