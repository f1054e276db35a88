/** Waits until a run has finished its Images. */
import { Effect, Stream } from "effect"
import { isFinishedIn, type RunEnd } from "../domain/settled.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import { ImageStore } from "./ImageStore.ts"

/**
 * Completes when all Images of the given keys are finished at once: a change may open a finished Image again. `onChange` is called
 * for each change of these Images.
 */
export const untilFinished = Effect.fn("untilFinished")(function* (
  keys: ReadonlySet<string>,
  end: RunEnd,
  onChange: (key: string, image: StoredImage) => Effect.Effect<void> = () => Effect.void
) {
  const store = yield* ImageStore
  const open = new Set(keys)
  if (open.size === 0) return
  yield* store.changes.pipe(
    Stream.filter(({ key }) => keys.has(key)),
    Stream.tap(({ after, key }) => (after === undefined ? Effect.void : onChange(key, after))),
    Stream.takeUntil(({ after, key }) => {
      if (after !== undefined && isFinishedIn(after, end)) open.delete(key)
      else open.add(key)
      return open.size === 0
    }),
    Stream.runDrain
  )
})
