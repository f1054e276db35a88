/**
 * Limits how often the changes of one Image count. Each change by a user ends the running check of the Image and begins another
 * check, so a program that changes an Image all the time would cause requests without a limit, and no check would end.
 */
import { Clock, Effect, Stream } from "effect"
import { BoundedMap } from "../collections/BoundedMap.ts"
import type { StoreChange } from "../kube/Store.ts"
import * as Due from "./Due.ts"

/** The changes that count at once after a pause, and the milliseconds between later changes. */
const BURST = 5
const INTERVAL = 1_000

/** The most Images whose changes are remembered. */
const IMAGES = 10_000

export interface ChangeRate<A> {
  /**
   * Gives a change that counts now, together with the postponed changes of the same Image. `undefined` if the change is postponed:
   * {@link ChangeRate.postponed} gives the change later.
   */
  readonly limit: (change: StoreChange<A>) => Effect.Effect<StoreChange<A> | undefined>
  /** The postponed changes, when their times come. Further changes of an Image are part of its postponed change. */
  readonly postponed: Stream.Stream<StoreChange<A>>
}

export const make = Effect.fnUntraced(function* <A>(): Effect.fn.Return<ChangeRate<A>> {
  const due = yield* Due.make<string>()
  const later = new Map<string, StoreChange<A>>()
  /** By key: when the Image would have its whole burst again. Each change that counts moves this time by the interval. */
  const full = new BoundedMap<string, number>({ capacity: IMAGES })

  const limit = (change: StoreChange<A>) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { key } = change
      const whole = { ...change, before: (later.get(key) ?? change).before }
      const fullAt = Math.max(now, full.get(key) ?? now)
      const at = fullAt - (BURST - 1) * INTERVAL
      if (at > now) {
        later.set(key, whole)
        return Effect.as(due.set(key, at), undefined)
      }
      full.set(key, fullAt + INTERVAL)
      later.delete(key)
      return Effect.as(due.forget(key), whole)
    })

  return {
    limit,
    postponed: due.keys.pipe(
      Stream.map((key) => later.get(key)),
      Stream.filter((change) => change !== undefined)
    )
  }
})
