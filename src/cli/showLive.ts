/** Shows what changes while a command runs: redrawn lines on a terminal, a line now and then elsewhere. */
import { Config, Effect, LogLevel, Schedule, Stdio } from "effect"
import { LiveArea, type Size } from "./LiveArea.ts"

const REDRAWN = "200 millis"
const REPORTED = "10 seconds"

/** The lines of a progress. Each is formatted anew each time. */
export interface Live {
  /** The lines for a terminal of a size. */
  readonly bars: (size: Size) => Effect.Effect<ReadonlyArray<string>>
  /** The lines for a file or a pipe. */
  readonly reports: Effect.Effect<ReadonlyArray<string>>
}

/** Shows progress until it is interrupted. Then the lines are removed from the terminal. */
export const showLive = Effect.fnUntraced(function* ({ bars, reports }: Live) {
  // Progress has the log level Info.
  if (!(yield* LogLevel.isEnabled("Info"))) return
  const area = yield* LiveArea
  const { stderrIsTerminal } = yield* Stdio.Stdio
  // `dumb` is the name of a terminal that cannot move its cursor.
  const isDumb = (yield* Config.String("TERM").pipe(Config.withDefault(""))) === "dumb"
  if ((yield* stderrIsTerminal) && !isDumb) {
    return yield* Effect.suspend(() => bars(area.size())).pipe(
      Effect.map((lines) => area.draw(lines)),
      Effect.repeat(Schedule.spaced(REDRAWN)),
      Effect.ensuring(Effect.sync(() => area.draw([])))
    )
  }
  return yield* reports.pipe(
    Effect.map((lines) => lines.forEach((line) => area.print(line))),
    Effect.repeat(Schedule.spaced(REPORTED))
  )
})
