/** Shows the progress of one copy. */
import { Clock, Effect } from "effect"
import type { CopyProgress } from "../domain/Copy.ts"
import { formatAmount, formatBytes } from "./amounts.ts"
import { barOf } from "./progress.ts"
import { showLive } from "./showLive.ts"

/** The columns of the amount and the rate at their longest. */
const WORDS = 40
const LEAST_BAR = 8
const MOST_BAR = 40

/** Shows what `latest` gives until it is interrupted. */
export const showCopyProgress = Effect.fnUntraced(function* (name: string, latest: () => CopyProgress | undefined) {
  const start = yield* Clock.currentTimeMillis
  const amount = Effect.map(Clock.currentTimeMillis, (now) => {
    const progress = latest()
    if (progress === undefined || progress.total === 0) return undefined
    const rate = (progress.sent * 1_000) / Math.max(1, now - start)
    return { progress, text: `${formatAmount(progress.done, progress.total)}, ${formatBytes(rate)}/s` }
  })
  return yield* showLive({
    bars: ({ columns }) =>
      Effect.map(amount, (shown) => {
        if (shown === undefined) return []
        const room = Math.min(MOST_BAR, columns - 1 - WORDS)
        const bar = room < LEAST_BAR ? "" : `${barOf(shown.progress.done / shown.progress.total, room)}  `
        return [`${bar}${shown.text}`.slice(0, columns - 1)]
      }),
    reports: Effect.map(amount, (shown) => (shown === undefined ? [] : [`${name}: ${shown.text}`]))
  })
})
