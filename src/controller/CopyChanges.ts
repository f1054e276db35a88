/**
 * Limits how often the changes of an Image's copies count while copies of the Image are under way. Each change that counts is a
 * reconcile and a write of the status: an Image with a thousand small images would be written a thousand times within seconds.
 */
import { Clock, Effect, Stream } from "effect"
import { BoundedMap } from "../collections/BoundedMap.ts"
import type { CopyEngine } from "../copy/CopyEngine.ts"
import { isFinished } from "../domain/Copy.ts"
import { type ImageKey, keyOf } from "../domain/ImageKey.ts"
import * as Due from "./Due.ts"

/** The milliseconds between two changes of one Image that count. */
const INTERVAL = 250

/** The most Images whose last change is remembered. */
const IMAGES = 10_000

export interface CopyChanges {
  /**
   * The keys of the Images whose copies have changed, for the changes that count at once: the first after a pause, and each after which
   * no copy of the Image waits or runs.
   */
  readonly counted: Stream.Stream<string>
  /** The keys of the Images with other changes, when the interval has passed. Further changes of an Image are part of the first. */
  readonly postponed: Stream.Stream<string>
}

export const make = Effect.fnUntraced(function* (
  engine: Pick<CopyEngine["Service"], "changes" | "copies">
): Effect.fn.Return<CopyChanges> {
  const due = yield* Due.make<string>()
  /** When the last change of an Image counted, by key. */
  const last = new BoundedMap<string, number>({ capacity: IMAGES })

  /** An engine that cannot list the copies fails the reconcile too, which is retried. */
  const isUnderWay = (image: ImageKey): Effect.Effect<boolean> =>
    engine.copies(image).pipe(
      Effect.map((copies) => !copies.every(isFinished)),
      Effect.orElseSucceed(() => false)
    )

  const counts = Effect.fnUntraced(function* (image: ImageKey) {
    const key = keyOf(image)
    const now = yield* Clock.currentTimeMillis
    const at = (last.get(key) ?? -Infinity) + INTERVAL
    if (at > now && (yield* isUnderWay(image))) return yield* Effect.as(due.set(key, at), false)
    last.set(key, now)
    return yield* Effect.as(due.forget(key), true)
  })

  return {
    counted: engine.changes.pipe(Stream.filterEffect(counts), Stream.map(keyOf)),
    postponed: Stream.tap(due.keys, (key) => Effect.map(Clock.currentTimeMillis, (now) => last.set(key, now)))
  }
})
