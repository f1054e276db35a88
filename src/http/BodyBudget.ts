/**
 * The memory for the bodies of answers, in bytes, which all requests of a client share. A body that is read as a stream takes
 * none.
 *
 * - The first {@link FREE_BYTES} of a body need no reservation, so that no small body ever waits.
 * - A larger body reserves all bytes that it may have, before its next byte is read.
 * - {@link holding} keeps the reservation until the work with the bodies ends.
 * - Work that holds bytes never waits for more bytes, so that nothing can wait for ever.
 */
import { Context, Effect, Exit, RcMap, Scope } from "effect"
import { type Bytes, makeBytes } from "./Bytes.ts"
import { waitingForMemory } from "./MemoryWait.ts"

/** Some hundred requests at once take less than 20 MiB in all. Nearly all manifests and pages are smaller. */
export const FREE_BYTES = 64 * 1024

/**
 * The bytes of all larger bodies. Bodies are outside of the heap. Of the chart's default memory limit of 384 MiB, Node.js gives
 * half to the heap, and its program takes 65 MB.
 */
const TOTAL_BYTES = 48 * 1024 * 1024

/**
 * The most bytes of one owner, such as a namespace: twice the largest body. A registry that sends slowly keeps a reservation for a
 * minute. Two owners that have all of theirs leave room for a third.
 */
export const OWNER_BYTES = 16 * 1024 * 1024

/** What work that keeps its bodies has read. */
interface Held {
  readonly bytes: number
  readonly scope: Scope.Scope
  /** The bytes that were read without a reservation. */
  unreserved: number
  isReserved: boolean
}

/** The reservation of the work around a request. */
const CurrentHeld = Context.Reference<Held | undefined>("skopeo-operator/http/Held", { defaultValue: () => undefined })

/**
 * Work that keeps what it reads. Once its bodies have more than {@link FREE_BYTES} in all, it reserves `bytes` until the work
 * ends. They must suffice for all that the work reads and makes of it: its further bodies reserve nothing. The work makes one
 * request after the other, and has no such work within.
 */
export const holding =
  (bytes: number) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.scopedWith((scope) =>
      Effect.provideService(work, CurrentHeld, { bytes, scope, unreserved: 0, isReserved: false })
    )

/** The memory of one body. */
export interface BodyMemory {
  /** The bytes of the body that need no reservation. */
  readonly free: number
  /** Called with the length of a body that needed no reservation. */
  readonly keepFree: (bytes: number) => void
  /** Reads the rest of the body, which has at most so many bytes in all, once they are reserved. */
  readonly reserving: (bytes: number) => <A, E, R>(reading: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export interface BodyBudget {
  /** The memory of the next body that the owner reads. */
  readonly memoryOf: (owner: string) => Effect.Effect<BodyMemory>
}

export const makeBodyBudget: Effect.Effect<BodyBudget, never, Scope.Scope> = Effect.gen(function* () {
  const total = makeBytes(TOTAL_BYTES)
  const owners = yield* RcMap.make({ lookup: (_owner: string) => Effect.sync((): Bytes => makeBytes(OWNER_BYTES)) })

  /** Takes the owner's bytes first: an owner that has too many holds none of the others back. */
  const take = Effect.fnUntraced(function* (owner: string, desired: number) {
    const bytes = Math.min(desired, OWNER_BYTES)
    const own = yield* RcMap.get(owners, owner)
    yield* own.take(bytes)
    yield* total.take(bytes)
  }, waitingForMemory)

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

  /** Of work that keeps its bodies, many small bodies need a reservation too. */
  const kept = (owner: string, held: Held): BodyMemory => ({
    free: Math.max(0, FREE_BYTES - held.unreserved),
    keepFree: (bytes) => void (held.unreserved += bytes),
    reserving: () => (reading) => (held.isReserved ? reading : Effect.andThen(reserve(owner, held), reading))
  })

  const passing = (owner: string): BodyMemory => ({
    free: FREE_BYTES,
    keepFree: () => {},
    reserving: (bytes) => (reading) => Effect.scoped(Effect.andThen(take(owner, bytes), reading))
  })

  return {
    memoryOf: (owner) => Effect.map(CurrentHeld, (held) => (held === undefined ? passing(owner) : kept(owner, held)))
  }
})
