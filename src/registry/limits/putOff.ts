/**
 * Work on several things at once, some of which a registry may put off. Those that are under way then go on to their end:
 * they have had their turn, and where a registry is asked seldom, no work comes to an end that throws away its turns.
 */
import { Effect, Result } from "effect"

type IsPutOff<E> = (error: E) => boolean

/** A thing that was put off is no failure yet. */
const kept = <A, E, R>(work: Effect.Effect<A, E, R>, isPutOff: IsPutOff<E>): Effect.Effect<Result.Result<A, E>, E, R> =>
  work.pipe(
    Effect.map((value): Result.Result<A, E> => Result.succeed(value)),
    Effect.catchIf(isPutOff, (error) => Effect.succeed(Result.fail(error)))
  )

/** All of them, in order. After the first that is put off no more are begun. */
export const each = <A, B, E, R>(
  items: ReadonlyArray<A>,
  work: (item: A) => Effect.Effect<B, E, R>,
  options: { readonly concurrency: number; readonly isPutOff: IsPutOff<E> }
): Effect.Effect<Array<B>, E, R> =>
  Effect.suspend(() => {
    let first: Result.Result<never, E> | undefined
    return Effect.forEach(
      items,
      (item) =>
        first === undefined
          ? Effect.map(kept(work(item), options.isPutOff), (result) => {
              if (Result.isFailure(result)) first ??= Result.fail(result.failure)
              return result
            })
          : Effect.succeed(first),
      { concurrency: options.concurrency }
    ).pipe(Effect.flatMap((results) => Effect.fromResult(Result.all(results))))
  })

/** Two that do not wait for each other. */
export const both = <A, B, E, R, S>(
  one: Effect.Effect<A, E, R>,
  other: Effect.Effect<B, E, S>,
  isPutOff: IsPutOff<E>
): Effect.Effect<[A, B], E, R | S> =>
  Effect.flatMap(Effect.all([kept(one, isPutOff), kept(other, isPutOff)], { concurrency: 2 }), (results) =>
    Effect.fromResult(Result.all(results))
  )
