/** One registry and one credential: the state of the rate limit, and the queue of requests that wait for it. */
import { type Clock, Deferred, Effect, Exit } from "effect"
import type { HttpHead } from "../../http/Http.ts"
import type { RequestKind } from "./Quota.ts"
import {
  admittedAt,
  afterAnswer,
  afterSend,
  initial,
  judge,
  type Permit,
  queueTooLong,
  type RateLimit,
  type Refused
} from "./RateLimit.ts"
import type { RegistryLimit } from "./configured.ts"
import { RequestedFor } from "./RegistryLimits.ts"

/** A request that would wait longer is refused, with the time. */
const LONGEST_WAIT = 5 * 60_000
const SHORTEST_WAIT = 1_000

interface Waiter {
  readonly kind: RequestKind
  readonly owner: string
  /** Which round it goes in: each owner has one request a round. */
  readonly round: number
  readonly since: number
  readonly admission: Deferred.Deferred<Permit, Refused>
  /** Set when it may go. */
  permit?: Permit
}

type Interruptible = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Does something after some milliseconds, in the place of what was to be done before. */
type SetTimer = (action: () => void, millis: number) => void

export class Account {
  /** The name that Images use. */
  readonly registry: string
  readonly limit: RegistryLimit
  readonly #clock: Clock.Clock
  readonly #setTimer: SetTimer
  #state: RateLimit
  #queue: Array<Waiter> = []
  #round = 0

  constructor(registry: string, limit: RegistryLimit, clock: Clock.Clock, setTimer: SetTimer) {
    this.registry = registry
    this.limit = limit
    this.#clock = clock
    this.#setTimer = setTimer
    this.#state = initial(limit, clock.currentTimeMillisUnsafe())
  }

  get state(): RateLimit {
    return this.#state
  }

  /** Whether nothing would be lost with it: no request is in flight or waits, and the registry has said nothing. */
  get isIdle(): boolean {
    const { heldUntil, inFlight, quota, reservations } = this.#state
    return (
      this.#queue.length === 0 &&
      inFlight === 0 &&
      quota === undefined &&
      reservations.length === 0 &&
      heldUntil <= this.#clock.currentTimeMillisUnsafe()
    )
  }

  /** Changes the state by a rule of the limit. */
  update(change: (state: RateLimit, now: number) => RateLimit): void {
    this.#state = change(this.#state, this.#clock.currentTimeMillisUnsafe())
  }

  /**
   * Waits until a request may go. Only waiting is interruptible. Once a permit is granted it must be used, or returned
   * with {@link land}: nothing else returns it.
   */
  admit(kind: RequestKind, interruptible: Interruptible): Effect.Effect<Permit, Refused> {
    const now = this.#clock.currentTimeMillisUnsafe()
    return this.#queue.length === 0 && judge(this.#state, this.limit, kind, now)._tag === "Go"
      ? Effect.succeed(this.#grant(kind, now))
      : Effect.flatMap(RequestedFor, (owner) => this.#wait(kind, owner, interruptible))
  }

  /** A request was answered, or came to nothing. */
  land(permit: Permit, head: HttpHead | undefined): void {
    this.update((state, now) => afterAnswer(state, permit, head, now))
    if (this.#queue.length > 0) this.#proceed()
  }

  #wait(kind: RequestKind, owner: string, interruptible: Interruptible): Effect.Effect<Permit, Refused> {
    return Effect.suspend(() => {
      const waiter = this.#enqueue(kind, owner)
      if ("_tag" in waiter) return Effect.fail(waiter)
      return Effect.onInterrupt(interruptible(Deferred.await(waiter.admission)), () =>
        Effect.sync(() => {
          if (waiter.permit !== undefined) this.land(waiter.permit, undefined)
          else this.#queue = this.#queue.filter((other) => other !== waiter)
        })
      )
    })
  }

  #grant(kind: RequestKind, now: number): Permit {
    this.#state = afterSend(this.#state, this.limit, kind, now)
    return { kind, sentAt: now }
  }

  #enqueue(kind: RequestKind, owner: string): Waiter | Refused {
    const now = this.#clock.currentTimeMillisUnsafe()
    const verdict = judge(this.#state, this.limit, kind, now)
    if (verdict._tag === "Refused") return verdict
    const { position, round } = this.#positionOf(owner)
    if (admittedAt(this.#state, this.limit, position, now) - now > LONGEST_WAIT) return this.#tooLong(position, now)
    const waiter: Waiter = { kind, owner, round, since: now, admission: Deferred.makeUnsafe() }
    this.#queue.splice(position, 0, waiter)
    this.#proceed()
    return waiter
  }

  /** The round that a request of an owner goes in, and its position in the queue. */
  #positionOf(owner: string): { readonly round: number; readonly position: number } {
    const last = this.#queue.findLast((waiter) => waiter.owner === owner)?.round ?? this.#round
    const round = Math.max(this.#round, last) + 1
    const before = this.#queue.findIndex((other) => other.round > round)
    return { round, position: before === -1 ? this.#queue.length : before }
  }

  #tooLong(position: number, now: number): Refused {
    const at = admittedAt(this.#state, this.limit, position, now)
    return queueTooLong(position, Math.max(now + SHORTEST_WAIT, at))
  }

  /**
   * Admits the requests in the queue that may go, and refuses those that would wait too long. All is decided before any
   * of them goes on: what they do at once, such as to send another request or to leave the queue, calls this again.
   */
  #proceed(): void {
    const now = this.#clock.currentTimeMillisUnsafe()
    let wake = Number.POSITIVE_INFINITY
    const still: Array<Waiter> = []
    const decided: Array<readonly [Waiter, Exit.Exit<Permit, Refused>]> = []
    for (const waiter of this.#queue) {
      const verdict = judge(this.#state, this.limit, waiter.kind, now)
      if (verdict._tag === "Go") {
        this.#round = waiter.round
        waiter.permit = this.#grant(waiter.kind, now)
        decided.push([waiter, Exit.succeed(waiter.permit)])
      } else if (verdict._tag === "Refused") {
        decided.push([waiter, Exit.fail(verdict)])
      } else if (now - waiter.since >= LONGEST_WAIT) {
        decided.push([waiter, Exit.fail(this.#tooLong(still.length, now))])
      } else {
        still.push(waiter)
        wake = Math.min(wake, verdict.at, waiter.since + LONGEST_WAIT)
      }
    }
    this.#queue = still
    if (still.length > 0) this.#setTimer(() => this.#proceed(), Math.max(1, wake - now))
    for (const [{ admission }, exit] of decided) Deferred.doneUnsafe(admission, exit)
  }
}
