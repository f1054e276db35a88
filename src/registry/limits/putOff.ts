/**
 * Work on several things at once, some of which a registry may put off. Those that are under way then go on to their end:
 * they have had their turn, and where a registry is asked seldom, no work comes to an end that throws away its turns.
 */
import { Clock, Effect, Result } from "effect"

/** How a limit shows in an error. */
export interface Limited<E> {
  readonly isPutOff: (error: E) => boolean
  /**
   * The error, with a time that is later by some milliseconds. What was under way while the error waited to be told has
   * used what the registry allowed meanwhile.
   */
  readonly postponed: (error: E, millis: number) => E
}

interface PutOff<E> {
  readonly error: E
  readonly at: number
}

/** A thing that was put off is no failure yet. */
const kept = <A, E, R>(
  work: Effect.Effect<A, E, R>,
  { isPutOff }: Limited<E>
): Effect.Effect<Result.Result<A, PutOff<E>>, E, R> =>
  work.pipe(
    Effect.map((value): Result.Result<A, PutOff<E>> => Result.succeed(value)),
    Effect.catchIf(isPutOff, (error) =>
      Effect.map(Clock.currentTimeMillis, (at): Result.Result<A, PutOff<E>> => Result.fail({ error, at }))
    )
  )

/** Now that all that was under way has ended. */
const told = <A, E>(result: Result.Result<A, PutOff<E>>, { postponed }: Limited<E>): Effect.Effect<A, E> =>
  Result.match(result, {
    onSuccess: Effect.succeed,
    onFailure: ({ at, error }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(postponed(error, Math.max(0, now - at))))
  })

/** All of them, in order. After the first that is put off no more are begun. */
export const each = <A, B, E, R>(
  items: ReadonlyArray<A>,
  work: (item: A) => Effect.Effect<B, E, R>,
  options: { readonly concurrency: number; readonly limited: Limited<E> }
): Effect.Effect<Array<B>, E, R> =>
  Effect.suspend(() => {
    const { concurrency, limited } = options
    let first: Result.Result<never, PutOff<E>> | undefined
    return Effect.forEach(
      items,
      (item) =>
        first === undefined
          ? Effect.map(kept(work(item), limited), (result) => {
              if (Result.isFailure(result)) first ??= Result.fail(result.failure)
              return result
            })
          : Effect.succeed(first),
      { concurrency }
    ).pipe(Effect.flatMap((results) => told(Result.all(results), limited)))
  })

/** Two that do not wait for each other. */
export const both = <A, B, E, R, S>(
  one: Effect.Effect<A, E, R>,
  other: Effect.Effect<B, E, S>,
  limited: Limited<E>
): Effect.Effect<[A, B], E, R | S> =>
  Effect.flatMap(Effect.all([kept(one, limited), kept(other, limited)], { concurrency: 2 }), (results) =>
    told(Result.all(results), limited)
  )
