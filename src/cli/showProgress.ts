/** Shows the progress of the copies of Images. */
import { Clock, Effect } from "effect"
import { CopyEngine } from "../copy/CopyEngine.ts"
import { type ImageKey, keyOf } from "../domain/ImageKey.ts"
import { shownName } from "./imageName.ts"
import { advance, barLines, NO_PROGRESS, plainLines, type Sample } from "./progress.ts"
import { showLive } from "./showLive.ts"

/** An Image, and what has become of its tags so far. */
export interface ImageTags extends ImageKey, Pick<Sample, "tags"> {}

/** Shows progress until it is interrupted. */
export const showProgress = Effect.fnUntraced(function* (images: Effect.Effect<ReadonlyArray<ImageTags>>) {
  const engine = yield* CopyEngine
  let progress = NO_PROGRESS

  const sample = Effect.gen(function* () {
    const samples = yield* Effect.forEach(yield* images, (image) =>
      engine.copies(image).pipe(
        Effect.orElseSucceed(() => []),
        Effect.map((copies): Sample => {
          return { name: shownName(keyOf(image)), tags: image.tags, copies }
        })
      )
    )
    const before = progress
    progress = advance(before, samples, yield* Clock.currentTimeMillis)
    return before
  })

  return yield* showLive({
    bars: (size) => Effect.map(sample, () => barLines(progress, size)),
    reports: Effect.map(sample, (before) => plainLines(before, progress))
  })
})
