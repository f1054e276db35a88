/** Time that a request waits for its registry's budget is no silence of the registry's: limits of time leave it out. */
import { Clock, Context, Duration, Effect } from "effect"

interface Account {
  /** How many wait now. */
  waiting: number
  /** Milliseconds that were waited. */
  waited: number
}

/** Where the waits of what runs within a limit of time are written down. */
const Waits = Context.Reference<Account | undefined>("skopeo-operator/registry/Waits", {
  defaultValue: () => undefined
})

/** A wait that is left out of the limits of time around it. */
export const leftOut = <A, E, R>(wait: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Waits, (account) => {
    if (account === undefined) return wait
    return Effect.flatMap(Clock.currentTimeMillis, (start) => {
      account.waiting += 1
      return Effect.ensuring(
        wait,
        Effect.map(Clock.currentTimeMillis, (end) => {
          account.waiting -= 1
          account.waited += Math.max(0, end - start)
        })
      )
    })
  })

/** Fails what has made no step, besides waiting for a budget, for as long as that may take. */
export const whileMoving = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: {
    readonly duration: Duration.Duration
    /** A number that is another one after each step; without it the whole may take no longer. */
    readonly moved?: () => number
    /** Told that no step was made; whether something is done about it, so that it is worth waiting on. */
    readonly revive?: (() => boolean) | undefined
    readonly orElse: () => E
  }
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const { duration, moved = () => 0, orElse, revive } = options
    const account: Account = { waiting: 0, waited: 0 }
    const watch = Effect.gen(function* () {
      let allowance = duration
      while (true) {
        const [before, waitedBefore] = [moved(), account.waited]
        yield* Effect.sleep(allowance)
        allowance = duration
        if (account.waiting > 0 || moved() !== before) continue
        const waited = account.waited - waitedBefore
        if (waited > 0) allowance = Duration.millis(waited)
        else if (revive?.() !== true) return yield* Effect.fail(orElse())
      }
    })
    return Effect.raceFirst(Effect.provideService(effect, Waits, account), watch)
  })
