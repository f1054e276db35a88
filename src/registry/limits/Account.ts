/** The rate limit of one registry and credential: its state, and the queue of requests that wait for it. */
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

/** A request that would wait longer is refused, with the time of the next request. */
const LONGEST_WAIT = 5 * 60_000
const SHORTEST_WAIT = 1_000

interface Waiter {
  readonly kind: RequestKind
  readonly owner: string
  /** The round of the request. Each owner has one request per round. */
  readonly round: number
  readonly since: number
  readonly admission: Deferred.Deferred<Permit, Refused>
  /** Set once the request is admitted. */
  permit?: Permit
}

type Interruptible = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Runs an action after some milliseconds. Replaces the action of the previous call. */
type SetTimer = (action: () => void, millis: number) => void

export class Account {
  /** The registry's name in Images. */
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

  /** When the rate admits the next request, if requests wait for that. */
  get nextAdmission(): number | undefined {
    const waiting = this.#queue.some(({ permit }) => permit === undefined)
    return waiting ? admittedAt(this.#state, this.limit, 0, this.#clock.currentTimeMillisUnsafe()) : undefined
  }

  /** Whether a request is in flight or queued, or pulls are reserved. */
  get isInUse(): boolean {
    const { inFlight, reservations } = this.#state
    return this.#queue.length > 0 || inFlight > 0 || reservations.some(({ open }) => open)
  }

  /** Applies a rule of {@link RateLimit} to the state. */
  update(change: (state: RateLimit, now: number) => RateLimit): void {
    this.#state = change(this.#state, this.#clock.currentTimeMillisUnsafe())
  }

  /**
   * Waits until a request is admitted. Only waiting is interruptible. The caller must use a granted permit, or return
   * the permit with {@link land}: nothing else returns it.
   */
  admit(kind: RequestKind, interruptible: Interruptible): Effect.Effect<Permit, Refused> {
    const now = this.#clock.currentTimeMillisUnsafe()
    return this.#queue.length === 0 && judge(this.#state, this.limit, kind, now)._tag === "Go"
      ? Effect.succeed(this.#grant(kind, now))
      : Effect.flatMap(RequestedFor, (owner) => this.#wait(kind, owner, interruptible))
  }

  /** Returns the permit of a request that was answered or failed. */
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

  /** The round and the position in the queue of an owner's next request. */
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
   * Admits queued requests that may be sent, and refuses requests that would wait too long. All decisions are made
   * before any request continues, because a request that continues may send another or leave the queue, which calls
   * this method again.
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
