/** Shows the progress of one copy: a redrawn line on a terminal, a line every 10 seconds elsewhere. */
import { Clock, Config, Effect, LogLevel, Schedule, Stdio } from "effect"
import type { CopyProgress } from "../domain/Copy.ts"
import { LiveArea } from "./LiveArea.ts"
import { formatAmount, formatBytes } from "./amounts.ts"
import { barOf } from "./progress.ts"

const REDRAWN = "200 millis"
const REPORTED = "10 seconds"
/** The columns of the amount and the rate at their longest. */
const WORDS = 40
const MOST_BAR = 40

/** Shows what `latest` gives until it is interrupted. Then the line is removed from the terminal. */
export const showCopyProgress = Effect.fnUntraced(function* (tag: string, latest: () => CopyProgress | undefined) {
  const area = yield* LiveArea
  const { stderrIsTerminal } = yield* Stdio.Stdio
  const start = yield* Clock.currentTimeMillis
  const amount = Effect.map(Clock.currentTimeMillis, (now) => {
    const progress = latest()
    if (progress === undefined || progress.total === 0) return undefined
    const rate = (progress.sent * 1_000) / Math.max(1, now - start)
    return { progress, text: `${formatAmount(progress.done, progress.total)}, ${formatBytes(rate)}/s` }
  })

  // Progress has the log level Info.
  if (!(yield* LogLevel.isEnabled("Info"))) return
  // `dumb` is the name of a terminal that cannot move its cursor.
  const isDumb = (yield* Config.String("TERM").pipe(Config.withDefault(""))) === "dumb"
  if ((yield* stderrIsTerminal) && !isDumb) {
    return yield* amount.pipe(
      Effect.map((shown) => {
        if (shown === undefined) return area.draw([])
        const { columns } = area.size()
        const room = Math.min(MOST_BAR, columns - 1 - WORDS)
        const bar = room < 8 ? "" : `${barOf(shown.progress.done / shown.progress.total, room)}  `
        area.draw([`${bar}${shown.text}`.slice(0, columns - 1)])
      }),
      Effect.repeat(Schedule.spaced(REDRAWN)),
      Effect.ensuring(Effect.sync(() => area.draw([])))
    )
  }
  return yield* amount.pipe(
    Effect.map((shown) => {
      if (shown !== undefined) area.print(`${tag}: ${shown.text}`)
    }),
    Effect.delay(REPORTED),
    Effect.forever
  )
})
