/**
 * A keyed work queue: {@link QueueState} says which key is next, and work on it is begun here, so many at once. A key that
 * fails comes due again after a pause, which is longer each time.
 */
import { Clock, Duration, Effect, Exit, FiberSet, Option, PubSub, Random, type Scope, Stream } from "effect"
import { type Backoff, pauseAfter } from "../domain/backoff.ts"
import type { Due } from "./Due.ts"
import { type Lane, ONE_LANE, type Priority, QueueState } from "./QueueState.ts"

/** When a key is due again without being added; `undefined`: not before it is. Milliseconds of the Clock since the epoch. */
export type Again = number | undefined

export interface WorkQueue<in K> {
  /** Adds a key to be worked on as soon as there is room. */
  readonly add: (key: K, priority: Priority) => Effect.Effect<void>
  /** Forgets how often a key has failed: it is not what it was. */
  readonly forget: (key: K) => Effect.Effect<void>
  /** Whether nothing waits and nothing is worked on: how that is now, then each change. Keys that are due later do not count. */
  readonly idle: Stream.Stream<boolean>
}

export interface WorkQueueOptions<K, E, R> {
  /**
   * Works on a key. Whatever ends it but a success is a failure of the key: a typed error, a defect, or an interrupt that the
   * queue did not ask for.
   */
  readonly work: (key: K) => Effect.Effect<Again, E, R>
  /**
   * Where the queue says when a key is due again: what its last work has answered, or the end of a pause. It is for the caller
   * to add what comes due.
   */
  readonly due: Pick<Due<K>, "set" | "forget">
  /** Among which other keys a key waits. Default all of them. */
  readonly laneOf?: (key: K) => Effect.Effect<Lane>
  /** Keys at once. Default 10. */
  readonly concurrency?: number
  /** The pause after the first failure, doubled up to `maximum`. Default 750 ms and 15 min, Flux's pair. */
  readonly backoff?: { readonly base: Duration.Input; readonly maximum: Duration.Input }
  /** Called whenever the number of keys that wait has changed. */
  readonly onDepth?: (depth: number) => void
}

/** A pause is shorter by up to this part of it, so that keys that failed together are not tried again together. */
const JITTER = 0.2

/** Ends with its scope: what is worked on is interrupted, and nothing is begun. */
export const make = Effect.fnUntraced(function* <K, E, R>({
  backoff: { base, maximum } = { base: "750 millis", maximum: "15 minutes" },
  concurrency = 10,
  due,
  laneOf = () => Effect.succeed(ONE_LANE),
  onDepth = () => {},
  work
}: WorkQueueOptions<K, E, R>): Effect.fn.Return<WorkQueue<K>, never, R | Scope.Scope> {
  const backoff: Backoff = {
    baseMillis: Duration.toMillis(Duration.fromInputUnsafe(base)),
    maximumMillis: Duration.toMillis(Duration.fromInputUnsafe(maximum))
  }
  const state = new QueueState<K>(concurrency)
  const failures = new Map<K, number>()
  const idle = yield* PubSub.unbounded<boolean>()
  // Once its scope is closed, it runs nothing.
  const workers = yield* FiberSet.make<void, never>()
  const fork = yield* FiberSet.runtime(workers)<R>()

  /** Changes the state, and says what is different. */
  const change = <A>(transition: () => A): A => {
    const { depth, isIdle } = state
    const answer = transition()
    if (state.depth !== depth) onDepth(state.depth)
    if (state.isIdle !== isIdle) PubSub.publishUnsafe(idle, state.isIdle)
    return answer
  }

  const take = () => change(() => state.take())

  /** Starts workers for the keys that may be worked on. */
  const begin = (): void => {
    for (let next = take(); Option.isSome(next); next = take()) {
      // Work may interrupt the fiber that it runs in: other workers then take over what waits.
      fork(Effect.ensuring(worker(next.value), Effect.sync(begin)))
    }
  }

  /** Works on a key, then on the next ones, until none may be worked on. */
  const worker = (key: K): Effect.Effect<void, never, R> =>
    Effect.flatMap(workOn(key), () => Option.match(take(), { onNone: () => Effect.void, onSome: worker }))

  const workOn = (key: K): Effect.Effect<void, never, R> =>
    Effect.andThen(due.forget(key), work(key)).pipe(
      // A finalizer, for the fiber may be interrupted: a key whose work has ended must not stay one that is worked on.
      Effect.onExit((exit) => end(key, exit)),
      Effect.exit,
      Effect.asVoid
    )

  const end = Effect.fnUntraced(function* (key: K, exit: Exit.Exit<Again, E>) {
    const again = Exit.isSuccess(exit) ? exit.value : yield* retryOf(key)
    if (Exit.isSuccess(exit)) failures.delete(key)
    if (again !== undefined) yield* due.set(key, again)
    change(() => state.done(key))
  })

  const retryOf = Effect.fnUntraced(function* (key: K) {
    const count = (failures.get(key) ?? 0) + 1
    failures.set(key, count)
    const pause = pauseAfter(backoff, count)
    return (yield* Clock.currentTimeMillis) + Math.round(pause * (1 - JITTER * (yield* Random.next)))
  })

  return {
    add: (key, priority) =>
      Effect.map(laneOf(key), (lane) => {
        change(() => state.add(key, priority, lane))
        begin()
      }),
    forget: (key) => Effect.sync(() => void failures.delete(key)),
    idle: Stream.unwrap(
      Effect.map(PubSub.subscribe(idle), (changes) =>
        Stream.concat(
          Stream.sync(() => state.isIdle),
          Stream.fromSubscription(changes)
        )
      )
    )
  }
})
