/**
 * Work on several items at once, of which a registry's limit may hold some back. After the first of those no more are
 * started, but running ones go on to their end: their requests are already paid for, and at a slow rate no work ends that
 * throws away what it has paid.
 */
import { Clock, Effect, Result } from "effect"

/** How a limit shows in an error. */
export interface Limited<E> {
  readonly isRateLimited: (error: E) => boolean
  /**
   * The error, with a time that is later by some milliseconds. What went on to its end before the error was told has used
   * what the registry allowed meanwhile.
   */
  readonly postponed: (error: E, millis: number) => E
}

interface HeldBack<E> {
  readonly error: E
  readonly at: number
}

type Outcome<A, E> = Result.Result<A, HeldBack<E>>

/** An item that is rate limited is no failure yet. */
const attempt = <A, E, R>(
  work: Effect.Effect<A, E, R>,
  { isRateLimited }: Limited<E>
): Effect.Effect<Outcome<A, E>, E, R> =>
  work.pipe(
    Effect.map((value): Outcome<A, E> => Result.succeed(value)),
    Effect.catchIf(isRateLimited, (error) =>
      Effect.map(Clock.currentTimeMillis, (at): Outcome<A, E> => Result.fail({ error, at }))
    )
  )

/** What comes of it, now that all that was running has ended. */
const settled = <A, E>(outcome: Outcome<A, E>, { postponed }: Limited<E>): Effect.Effect<A, E> =>
  Result.match(outcome, {
    onSuccess: Effect.succeed,
    onFailure: ({ at, error }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(postponed(error, Math.max(0, now - at))))
  })

/** All items, in order. */
export const drainOnLimit = <A, B, E, R>(
  items: ReadonlyArray<A>,
  work: (item: A) => Effect.Effect<B, E, R>,
  options: { readonly concurrency: number; readonly limited: Limited<E> }
): Effect.Effect<Array<B>, E, R> =>
  Effect.suspend(() => {
    const { concurrency, limited } = options
    let first: Result.Result<never, HeldBack<E>> | undefined
    return Effect.forEach(
      items,
      (item) =>
        first === undefined
          ? Effect.map(attempt(work(item), limited), (outcome) => {
              if (Result.isFailure(outcome)) first ??= Result.fail(outcome.failure)
              return outcome
            })
          : Effect.succeed(first),
      { concurrency }
    ).pipe(Effect.flatMap((outcomes) => settled(Result.all(outcomes), limited)))
  })

/** Two that do not wait for each other. */
export const bothDraining = <A, B, E, R, S>(
  one: Effect.Effect<A, E, R>,
  other: Effect.Effect<B, E, S>,
  limited: Limited<E>
): Effect.Effect<[A, B], E, R | S> =>
  Effect.flatMap(Effect.all([attempt(one, limited), attempt(other, limited)], { concurrency: 2 }), (outcomes) =>
    settled(Result.all(outcomes), limited)
  )
