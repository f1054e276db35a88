/**
 * A keyed work queue. {@link QueueState} has the order of the keys; this file runs the work, a limited number of keys at once.
 * A failed key comes due again after a pause that grows with each failed retry.
 */
import { Clock, Duration, Effect, Exit, FiberSet, Option, PubSub, Random, type Scope, Stream } from "effect"
import { type Backoff, pauseAfter } from "../domain/backoff.ts"
import type { Due } from "./Due.ts"
import { type Lane, ONE_LANE, type Priority, QueueState } from "./QueueState.ts"

/** When a key is due again, in milliseconds of the Clock since the epoch. `undefined`: not before the key is added. */
export type Again = number | undefined

export interface WorkQueue<in K> {
  /** Adds a key. */
  readonly add: (key: K, priority: Priority) => Effect.Effect<void>
  /** Forgets how often a key has failed, because the key's object has changed. */
  readonly forget: (key: K) => Effect.Effect<void>
  /**
   * Whether no key waits and no key is worked on: the current value, then each change. Keys that are due later do not count.
   */
  readonly idle: Stream.Stream<boolean>
}

/** Counts the work of a queue. */
export interface QueueObserver {
  /** Called when the number of waiting keys changes. */
  readonly depth?: (depth: number) => void
  /** Called when work on a key begins, with how long the key has waited. */
  readonly taken?: (waitedMillis: number) => void
  /** Called when a key has failed, and will be due again after a pause. */
  readonly retried?: () => void
}

export interface WorkQueueOptions<K, E, R> {
  /**
   * Works on a key. A typed error, a defect, and an interrupt that does not come from the queue are each a failure of the key.
   */
  readonly work: (key: K) => Effect.Effect<Again, E, R>
  /**
   * Where the queue sets when a key is due again: at the time that the work gave, or after the pause of a failure. The caller
   * adds the keys that come due.
   */
  readonly due: Pick<Due<K>, "set" | "forget">
  /** The keys that a key shares its limits with. By default all keys share one lane. */
  readonly laneOf?: (key: K) => Effect.Effect<Lane>
  /** How many keys are worked on at once. */
  readonly concurrency: number
  /** The pause after the first failure, doubled after each more up to `maximum`. Default 750 ms and 15 minutes, as in Flux. */
  readonly backoff?: { readonly base: Duration.Input; readonly maximum: Duration.Input }
  /** Counts the work of the queue. Default: nothing is counted. */
  readonly observer?: QueueObserver
}

/** Makes a queue. When the scope closes, running work is interrupted and no more work starts. */
export const make = Effect.fnUntraced(function* <K, E, R>({
  backoff: { base, maximum } = { base: "750 millis", maximum: "15 minutes" },
  concurrency,
  due,
  laneOf = () => Effect.succeed(ONE_LANE),
  observer = {},
  work
}: WorkQueueOptions<K, E, R>): Effect.fn.Return<WorkQueue<K>, never, R | Scope.Scope> {
  const backoff: Backoff = {
    baseMillis: Duration.toMillis(Duration.fromInputUnsafe(base)),
    maximumMillis: Duration.toMillis(Duration.fromInputUnsafe(maximum))
  }
  const state = new QueueState<K>(concurrency)
  const failures = new Map<K, { readonly count: number; readonly until: number }>()
  const clock = yield* Clock.Clock
  /** When each waiting key was added. */
  const added = new Map<K, number>()
  const idle = yield* PubSub.unbounded<boolean>()
  // A closed FiberSet runs nothing more.
  const workers = yield* FiberSet.make<void, never>()
  const fork = yield* FiberSet.runtime(workers)<R>()

  /** Changes the state, and reports a change of depth or idleness. */
  const change = <A>(transition: () => A): A => {
    const { depth, isIdle } = state
    const value = transition()
    if (state.depth !== depth) observer.depth?.(state.depth)
    if (state.isIdle !== isIdle) PubSub.publishUnsafe(idle, state.isIdle)
    return value
  }

  const take = (): Option.Option<K> => {
    const key = change(() => state.take())
    if (Option.isSome(key)) {
      const now = clock.currentTimeMillisUnsafe()
      observer.taken?.(now - (added.get(key.value) ?? now))
      added.delete(key.value)
    }
    return key
  }

  /** Starts a worker for each key that may be worked on. */
  const begin = (): void => {
    for (let next = take(); Option.isSome(next); next = take()) {
      // Work may interrupt its own fiber. Then new workers take the waiting keys.
      fork(Effect.ensuring(worker(next.value), Effect.sync(begin)))
    }
  }

  /** Works on a key, then on each next key, until no key may be worked on. */
  const worker = (key: K): Effect.Effect<void, never, R> =>
    Effect.flatMap(workOn(key), () => Option.match(take(), { onNone: () => Effect.void, onSome: worker }))

  const workOn = (key: K): Effect.Effect<void, never, R> =>
    Effect.andThen(due.forget(key), work(key)).pipe(
      // A finalizer, because the fiber may be interrupted: the state must not keep a key whose work has ended.
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

  /**
   * The end of the pause. A key that was added during its pause may fail again. That failure does not count: each end of a copy
   * adds the key, so that many ends during a short outage would otherwise cause a long pause after the outage.
   */
  const retryOf = Effect.fnUntraced(function* (key: K) {
    const now = yield* Clock.currentTimeMillis
    const last = failures.get(key)
    observer.retried?.()
    if (last !== undefined && now < last.until) return last.until
    const count = (last?.count ?? 0) + 1
    const until = now + pauseAfter(backoff, count, yield* Random.next)
    failures.set(key, { count, until })
    return until
  })

  return {
    add: (key, priority) =>
      Effect.map(laneOf(key), (lane) => {
        change(() => state.add(key, priority, lane))
        if (!added.has(key)) added.set(key, clock.currentTimeMillisUnsafe())
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
