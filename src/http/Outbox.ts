/**
 * Sends requests in the order of their offers from a bounded queue, and retries a request that may succeed later. One request is
 * sent at a time. An offer never waits, so a slow receiver delays no work.
 */
import { type Cause, Clock, Duration, Effect, Fiber, Latch, Queue, Random, type Scope } from "effect"
import { retryAfterMillis } from "../text/retryAfter.ts"
import { ConnectionError } from "./ConnectionError.ts"
import type { HttpRequest, HttpResponse } from "./Http.ts"

/** The bounds of an outbox. */
export interface OutboxOptions {
  /** The most items that wait. A further item is dropped. */
  readonly capacity: number
  /** The most bytes of the bodies that wait or are sent. An item that would exceed them is dropped. */
  readonly bytes: number
  /** The most attempts to send one item. */
  readonly attempts: number
  /** The longest time from the offer of an item to its last attempt. */
  readonly age: Duration.Input
  /** The time limit of an attempt, with the answer. */
  readonly timeout: Duration.Input
  /** How long items are sent on after the scope is closed. An item then gets one attempt. */
  readonly grace: Duration.Input
}

/**
 * The end of an item.
 *
 * - `Sent`: the receiver has answered 2xx
 * - `Refused`: the receiver has answered with a status that another attempt would not change
 * - `Failed`: the attempts or the time of the item are used up
 * - `Dropped`: no room was left for the item, or the process stopped before the item was sent
 */
export type Delivery =
  | { readonly _tag: "Sent" }
  | { readonly _tag: "Refused" | "Failed"; readonly error: string }
  | { readonly _tag: "Dropped" }

/** An item of an outbox: the body of its requests, and what its owner adds. */
export interface Sendable {
  readonly body: Uint8Array
}

export interface OutboxParts<A extends Sendable> {
  /** The request of one attempt, which gets the body of the item. `now` is in milliseconds since the epoch. */
  readonly request: (item: A, now: number) => Omit<HttpRequest, "body" | "reads">
  readonly send: (request: HttpRequest) => Effect.Effect<HttpResponse, ConnectionError>
  /** Called at the end of each item. */
  readonly ended: (item: A, delivery: Delivery) => Effect.Effect<void>
}

export interface Outbox<A> {
  /** Adds an item to the queue. Returns at once. */
  readonly offer: (item: A) => Effect.Effect<void>
}

/** The first pause between two attempts. Each further pause is twice as long. */
const FIRST_PAUSE = 1_000
/** The longest pause that the outbox chooses itself. A receiver may ask for a longer one with Retry-After. */
const LONGEST_PAUSE = 60_000
/** With these answers, and with all of 5xx, the receiver may take the same request later. */
const RETRIED: ReadonlySet<number> = new Set([408, 425, 429])
/** The most bytes that are read of an answer. No byte of an answer is used. */
const ANSWER_BYTES = 1_024

/** An item, and the time of its offer. */
interface Entry<A> {
  readonly item: A
  readonly at: number
}

/** Makes an outbox. When the scope is closed, the waiting items are sent until the grace ends, and the rest is dropped. */
export const makeOutbox = Effect.fnUntraced(function* <A extends Sendable>(
  options: OutboxOptions,
  { ended, request, send }: OutboxParts<A>
): Effect.fn.Return<Outbox<A>, never, Scope.Scope> {
  const age = Duration.toMillis(options.age)
  const queue = yield* Queue.dropping<Entry<A>, Cause.Done>(options.capacity)
  const closing = yield* Latch.make()
  /** The bytes of the bodies that wait or are sent. */
  let held = 0

  const end = (item: A, delivery: Delivery): Effect.Effect<void> =>
    Effect.suspend(() => {
      held -= item.body.length
      return ended(item, delivery)
    })

  const attempt = Effect.fnUntraced(function* (item: A) {
    const now = yield* Clock.currentTimeMillis
    return yield* send({ ...request(item, now), body: item.body, reads: ANSWER_BYTES }).pipe(
      Effect.timeoutOrElse({ duration: options.timeout, orElse: () => Effect.fail(ConnectionError.timedOut()) }),
      Effect.match({ onSuccess: judge, onFailure: ({ message }): Judged => ({ _tag: "Retry", error: message }) })
    )
  })

  const deliver = Effect.fnUntraced(function* ({ at, item }: Entry<A>): Effect.fn.Return<Delivery> {
    for (let made = 1; ; made++) {
      const judged = yield* attempt(item)
      if (judged._tag !== "Retry") return judged
      const { error } = judged
      const now = yield* Clock.currentTimeMillis
      const own = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (made - 1)) * (1 + 0.2 * (yield* Random.next))
      const pause = Math.ceil(Math.max(own, retryAfterMillis(judged.retryAfter, now) ?? 0))
      if (made >= options.attempts || now + pause > at + age || closing.isOpen()) return { _tag: "Failed", error }
      yield* Effect.raceFirst(Effect.sleep(pause), closing.await)
    }
  })

  const worker = yield* Queue.take(queue).pipe(
    Effect.flatMap((entry) =>
      deliver(entry).pipe(
        // A defect must not end the fiber that sends.
        Effect.catchDefect((defect) => Effect.succeed<Delivery>({ _tag: "Failed", error: String(defect) })),
        Effect.onInterrupt(() => end(entry.item, { _tag: "Dropped" })),
        Effect.flatMap((delivery) => end(entry.item, delivery))
      )
    ),
    Effect.forever,
    Effect.ignore,
    Effect.forkScoped
  )

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      closing.openUnsafe()
      yield* Queue.end(queue)
      yield* Fiber.await(worker).pipe(Effect.interruptible, Effect.timeoutOption(options.grace))
      yield* Fiber.interrupt(worker)
      const left = yield* Effect.orElseSucceed(Queue.clear(queue), () => [])
      yield* Effect.forEach(left, ({ item }) => end(item, { _tag: "Dropped" }), { discard: true })
    })
  )

  return {
    offer: (item) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => {
        const size = item.body.length
        if (held + size > options.bytes || !Queue.offerUnsafe(queue, { item, at })) {
          return ended(item, { _tag: "Dropped" })
        }
        held += size
        return Effect.void
      })
  }
})

type Judged =
  | Exclude<Delivery, { readonly _tag: "Failed" | "Dropped" }>
  | { readonly _tag: "Retry"; readonly error: string; readonly retryAfter?: string }

const judge = ({ headers, status }: HttpResponse): Judged => {
  if (status >= 200 && status < 300) return { _tag: "Sent" }
  const error = `answered ${status}`
  if (status < 500 && !RETRIED.has(status)) return { _tag: "Refused", error }
  const retryAfter = headers["retry-after"]
  return { _tag: "Retry", error, ...(retryAfter === undefined ? {} : { retryAfter }) }
}
