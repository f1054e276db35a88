/**
 * The memory for the bodies of answers, in bytes, which all requests of a client share. A body that is read as a stream takes
 * none.
 *
 * - The first {@link FREE_BYTES} of a body need no reservation, so that no small body ever waits.
 * - A larger body reserves all bytes that it may have, before its next byte is read.
 * - {@link holding} keeps the reservation until the work with the body ends.
 * - Work that holds bytes never waits for more bytes, so that nothing can wait for ever.
 */
import { Context, Effect, Exit, PartitionedSemaphore, RcMap, Scope, Semaphore } from "effect"

/** Some hundred requests at once take less than 20 MiB in all. Nearly all manifests and pages are smaller. */
export const FREE_BYTES = 64 * 1024

/**
 * The bytes of all larger bodies. Bodies are outside of the heap. Of the chart's default memory limit of 384 MiB, Node.js gives
 * half to the heap, and its program takes 65 MB.
 */
const TOTAL_BYTES = 48 * 1024 * 1024

/** The most bytes of one owner, such as a namespace. A registry that sends slowly keeps a reservation for a minute. */
export const OWNER_BYTES = 32 * 1024 * 1024

interface Held {
  readonly bytes: number
  readonly scope: Scope.Scope
  isReserved: boolean
}

/** The reservation of the work around a request. */
const CurrentHeld = Context.Reference<Held | undefined>("skopeo-operator/http/Held", { defaultValue: () => undefined })

/**
 * Work that keeps what it reads. Its first large body reserves `bytes` until the work ends. They must suffice for all that the
 * work reads and makes of it: its further bodies reserve nothing. The work makes one request after the other, and has no such
 * work within.
 */
export const holding =
  (bytes: number) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.scopedWith((scope) => Effect.provideService(work, CurrentHeld, { bytes, scope, isReserved: false }))

export interface BodyBudget {
  /** Reads a body of at most so many bytes once they are reserved. */
  readonly reserving: (
    owner: string,
    bytes: number
  ) => <A, E, R>(reading: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const makeBodyBudget: Effect.Effect<BodyBudget, never, Scope.Scope> = Effect.gen(function* () {
  const total = yield* PartitionedSemaphore.make<string>({ permits: TOTAL_BYTES })
  const owners = yield* RcMap.make({ lookup: (_owner: string) => Semaphore.make(OWNER_BYTES) })

  /** Takes the owner's bytes first: an owner that has too many holds none of the others back. */
  const take = Effect.fnUntraced(function* (owner: string, asked: number) {
    const bytes = Math.min(asked, OWNER_BYTES)
    const own = yield* RcMap.get(owners, owner)
    yield* Effect.acquireRelease(own.take(bytes), () => own.release(bytes), { interruptible: true })
    yield* Effect.acquireRelease(total.take(owner, bytes), () => total.release(bytes), { interruptible: true })
  })

  /** Takes all bytes or none: a request that gave up waiting may be repeated. */
  const reserve = (owner: string, held: Held): Effect.Effect<void> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Scope.fork(held.scope), (scope) =>
        restore(Scope.provide(take(owner, held.bytes), scope)).pipe(
          Effect.onError(() => Scope.close(scope, Exit.void)),
          Effect.map(() => void (held.isReserved = true))
        )
      )
    )

  return {
    reserving: (owner, bytes) => (reading) =>
      Effect.flatMap(CurrentHeld, (held) => {
        if (held === undefined) return Effect.scoped(Effect.andThen(take(owner, bytes), reading))
        if (held.isReserved) return reading
        return Effect.andThen(reserve(owner, held), reading)
      })
  }
})
