/** Shows the progress of copies: redrawn lines on a terminal, a line every 10 seconds elsewhere. */
import { Clock, Config, Effect, LogLevel, Schedule, Stdio } from "effect"
import { CopyEngine } from "../copy/CopyEngine.ts"
import { keyOf } from "../domain/ImageKey.ts"
import type { ImageHeader } from "../domain/Image.ts"
import { LiveArea } from "./LiveArea.ts"
import { advance, barLines, NO_PROGRESS, plainLines, type Sample } from "./progress.ts"

const REDRAWN = "200 millis"
const REPORTED = "10 seconds"

/** Shows progress until it is interrupted. Then the lines are removed from the terminal. */
export const showProgress = Effect.fnUntraced(function* (images: Effect.Effect<ReadonlyArray<ImageHeader>>) {
  const engine = yield* CopyEngine
  const area = yield* LiveArea
  const { stderrIsTerminal } = yield* Stdio.Stdio
  let progress = NO_PROGRESS

  const sample = Effect.gen(function* () {
    const samples = yield* Effect.forEach(yield* images, (image) =>
      engine.copies(image).pipe(
        Effect.orElseSucceed(() => []),
        Effect.map((copies): Sample => {
          return { name: keyOf(image), tags: image.status.tags, copies }
        })
      )
    )
    const before = progress
    progress = advance(before, samples, yield* Clock.currentTimeMillis)
    return before
  })

  // Progress has the log level Info.
  if (!(yield* LogLevel.isEnabled("Info"))) return
  // `dumb` is the name of a terminal that cannot move its cursor.
  const isDumb = (yield* Config.String("TERM").pipe(Config.withDefault(""))) === "dumb"
  if ((yield* stderrIsTerminal) && !isDumb) {
    return yield* sample.pipe(
      Effect.map(() => area.draw(barLines(progress, area.size()))),
      Effect.repeat(Schedule.spaced(REDRAWN)),
      Effect.ensuring(Effect.sync(() => area.draw([])))
    )
  }
  return yield* sample.pipe(
    Effect.map((before) => plainLines(before, progress).forEach((line) => area.print(line))),
    Effect.repeat(Schedule.spaced(REPORTED))
  )
})
