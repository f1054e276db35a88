/**
 * Works on several items at once, some of which may be rate limited. After the first rate-limited item no more items are
 * started, but running items finish, because their requests already count. At a slow rate, interrupted work would never finish.
 */
import { Clock, Effect, Result } from "effect"

/** How an error says that its item was rate limited. */
export interface Limited<E> {
  readonly isRateLimited: (error: E) => boolean
  /**
   * The error with a time that is some milliseconds later. Items that finished before the error is raised have used
   * the requests that the registry allowed meanwhile.
   */
  readonly delayed: (error: E, millis: number) => E
}

interface HeldBack<E> {
  readonly error: E
  readonly at: number
}

type Outcome<A, E> = Result.Result<A, HeldBack<E>>

/** Works on an item. A rate-limited item is an outcome, so that it does not interrupt the other items. */
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

/** Raises the error of a rate-limited item once all running items have finished. */
const settled = <A, E>(outcome: Outcome<A, E>, { delayed }: Limited<E>): Effect.Effect<A, E> =>
  Result.match(outcome, {
    onSuccess: Effect.succeed,
    onFailure: ({ at, error }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(delayed(error, Math.max(0, now - at))))
  })

/** Works on all items and gives their results in order. */
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

/** Runs two effects at once. If one is rate limited, the other still finishes. */
export const bothDraining = <A, B, E, R, S>(
  one: Effect.Effect<A, E, R>,
  other: Effect.Effect<B, E, S>,
  limited: Limited<E>
): Effect.Effect<[A, B], E, R | S> =>
  Effect.flatMap(Effect.all([attempt(one, limited), attempt(other, limited)], { concurrency: 2 }), (outcomes) =>
    settled(Result.all(outcomes), limited)
  )
