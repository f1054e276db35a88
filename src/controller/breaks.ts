/** Lets other fibers run during long work. */
import { Clock, Effect } from "effect"

/** The longest work between two breaks. */
const MILLIS = 10

/**
 * Makes an effect that work runs after each of its parts. The effect lets other fibers run if the parts since the last break have
 * taken too long.
 */
export const makeBreaks: Effect.Effect<Effect.Effect<void>> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  let since = clock.currentTimeMillisUnsafe()
  return Effect.suspend(() => {
    if (clock.currentTimeMillisUnsafe() - since < MILLIS) return Effect.void
    return Effect.map(Effect.yieldNow, () => void (since = clock.currentTimeMillisUnsafe()))
  })
})
