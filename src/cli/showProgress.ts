/** Shows how far copies are: lines that are drawn again on a terminal, a line now and then elsewhere. */
import { Clock, Config, Effect, LogLevel, Schedule, Stdio } from "effect"
import { CopyEngine } from "../copy/CopyEngine.ts"
import { keyOf } from "../domain/ImageKey.ts"
import type { ImageHeader } from "../domain/Image.ts"
import { LiveArea } from "./LiveArea.ts"
import { advance, barLines, NO_PROGRESS, plainLines, type Sample } from "./progress.ts"

const REDRAWN = "200 millis"
const REPORTED = "10 seconds"

/** Until it is interrupted; then nothing of it is left on a terminal. */
export const showProgress = Effect.fnUntraced(function* (images: Effect.Effect<ReadonlyArray<ImageHeader>>) {
  const engine = yield* CopyEngine
  const area = yield* LiveArea
  const { stderrIsTerminal } = yield* Stdio.Stdio
  let progress = NO_PROGRESS

  const look = Effect.gen(function* () {
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

  // A terminal that cannot move its cursor says so by this name.
  const isDumb = (yield* Config.String("TERM").pipe(Config.withDefault(""))) === "dumb"
  if ((yield* stderrIsTerminal) && !isDumb) {
    return yield* look.pipe(
      Effect.map(() => area.draw(barLines(progress, area.size()))),
      Effect.repeat(Schedule.spaced(REDRAWN)),
      Effect.ensuring(Effect.sync(() => area.draw([])))
    )
  }
  // Who asks for warnings alone asks for no progress.
  if (!(yield* LogLevel.isEnabled("Info"))) return
  return yield* look.pipe(
    Effect.map((before) => plainLines(before, progress).forEach((line) => area.print(`${line}\n`))),
    Effect.repeat(Schedule.spaced(REPORTED))
  )
})
