/**
 * Asks registries gently: every request of a client passes here and goes when its registry's budget allows it. A part
 * of the client rather than a service beside it: so there is one budget for each registry and credential, whoever asks,
 * and nobody can wire two. {@link BudgetState} decides, this waits and keeps the account.
 */
import { Clock, Context, Deferred, Effect, Exit, FiberMap, Option, type Scope } from "effect"
import { registryHost } from "../../oci/Reference.ts"
import {
  answered,
  type BudgetState,
  holdLonger,
  initial,
  isHeld,
  judge,
  promise,
  type Refused,
  sent,
  settle,
  shortageOf,
  type Ticket,
  tooFar,
  turnAfter
} from "./RateLimit.ts"
import type { Asked, Head } from "./Quota.ts"
import type { Allowance, RepositoryAccess } from "../RegistryClient.ts"
import { RegistryError } from "../RegistryError.ts"
import { limitOf, type RegistryLimit, type RegistryLimits } from "./RegistryLimits.ts"
import { leftOut } from "../pipeline/Waits.ts"

/** On whose behalf a registry is asked, such as a namespace: where requests wait, each has its turn. */
export const RequestedFor = Context.Reference<string>("skopeo-operator/registry/RequestedFor", {
  defaultValue: () => ""
})

/** Told of requests as they are answered; `registry` is the name that Images use. */
export interface RegistryObserver {
  /** `code` is the status, or `none` if there was no answer. */
  readonly answered: (registry: string, method: string, code: string) => void
  /** What the registry says is left; of several credentials' the least. */
  readonly quota: (registry: string, remaining: number, limit: number) => void
}

export interface BudgetOptions {
  /** In the place of what is known of public registries. */
  readonly limits?: RegistryLimits
  readonly observer?: RegistryObserver
}

/** What waits longer for its turn is told to come again later. */
const LONGEST_WAIT = 5 * 60_000
const SHORTEST_PUT_OFF = 1_000

interface Waiter {
  readonly asked: Asked
  readonly owner: string
  /** Which round it goes in: each owner has one a round. */
  readonly round: number
  readonly since: number
  readonly turn: Deferred.Deferred<Ticket, Refused>
  /** Set when it may go. */
  ticket?: Ticket
}

type Interruptible = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

interface Account {
  readonly key: string
  readonly registry: string
  /** As a URL has it, without the port that goes without saying. */
  readonly hosts: ReadonlyArray<string>
  readonly limit: RegistryLimit
  state: BudgetState
  waiting: Array<Waiter>
  round: number
}

export const make = Effect.fnUntraced(function* (options: BudgetOptions) {
  const clock = yield* Clock.Clock
  const setTimer = yield* FiberMap.runtime(yield* FiberMap.make<string, void, never>())()
  const accounts = new Map<string, Account>()
  const limits: RegistryLimits = options.limits ?? new Map()
  const { observer } = options
  let promises = 0

  const accountOf = (access: RepositoryAccess): Account => {
    const { registry } = access.repository
    const username = Option.match(access.credential, { onNone: () => "", onSome: (found) => found.username })
    const key = `${registry} ${Option.isNone(access.credential) ? "" : `as ${username}`}`
    const known = accounts.get(key)
    if (known !== undefined) return known
    const limit = limitOf(limits, registry, Option.isNone(access.credential))
    const hosts = ["http", "https"].map((scheme) => URL.parse(`${scheme}://${registryHost(registry)}`)?.host ?? "")
    const state = initial(limit, clock.currentTimeMillisUnsafe())
    const account: Account = { key, registry, hosts, limit, state, waiting: [], round: 0 }
    accounts.set(key, account)
    return account
  }

  const go = (account: Account, asked: Asked, now: number): Ticket => {
    account.state = sent(account.state, account.limit, asked, now)
    return { asked, sentAt: now }
  }

  /**
   * Lets everyone go whose turn it is, and sends away who would wait too long. They are told when all is decided: what
   * they do then, at once, such as asking for more or leaving the queue with others, comes here again.
   */
  const proceed = (account: Account): void => {
    const now = clock.currentTimeMillisUnsafe()
    let wake = Number.POSITIVE_INFINITY
    const still: Array<Waiter> = []
    const told: Array<readonly [Waiter, Exit.Exit<Ticket, Refused>]> = []
    for (const waiter of account.waiting) {
      const verdict = judge(account.state, account.limit, waiter.asked, now)
      if (verdict._tag === "Go") {
        account.round = waiter.round
        waiter.ticket = go(account, waiter.asked, now)
        told.push([waiter, Exit.succeed(waiter.ticket)])
      } else if (verdict._tag === "Refused") {
        told.push([waiter, Exit.fail(verdict)])
      } else if (now - waiter.since >= LONGEST_WAIT) {
        told.push([waiter, Exit.fail(putOff(account, still.length, now))])
      } else {
        still.push(waiter)
        wake = Math.min(wake, verdict.at, waiter.since + LONGEST_WAIT)
      }
    }
    account.waiting = still
    if (still.length > 0)
      setTimer(
        account.key,
        Effect.delay(
          Effect.sync(() => proceed(account)),
          Math.max(1, wake - now)
        )
      )
    for (const [{ turn }, exit] of told) Deferred.doneUnsafe(turn, exit)
  }

  const putOff = ({ limit, state }: Account, ahead: number, now: number): Refused =>
    tooFar(ahead, Math.max(now + SHORTEST_PUT_OFF, turnAfter(state, limit, ahead, now)))

  /** The round that a request of an owner goes in, and before whom of those that wait. */
  const placeOf = ({ round: current, waiting }: Account, owner: string) => {
    const last = waiting.findLast((waiter) => waiter.owner === owner)?.round ?? current
    const round = Math.max(current, last) + 1
    const before = waiting.findIndex((other) => other.round > round)
    return { round, place: before === -1 ? waiting.length : before }
  }

  const enqueue = (account: Account, asked: Asked, owner: string): Waiter | Refused => {
    const now = clock.currentTimeMillisUnsafe()
    const verdict = judge(account.state, account.limit, asked, now)
    if (verdict._tag === "Refused") return verdict
    const { place, round } = placeOf(account, owner)
    if (turnAfter(account.state, account.limit, place, now) - now > LONGEST_WAIT) return putOff(account, place, now)
    const waiter: Waiter = { asked, owner, round, since: now, turn: Deferred.makeUnsafe() }
    account.waiting.splice(place, 0, waiter)
    proceed(account)
    return waiter
  }

  const land = (account: Account, ticket: Ticket, head: Head | undefined): void => {
    account.state = answered(account.state, ticket, head, clock.currentTimeMillisUnsafe())
    if (account.waiting.length > 0) proceed(account)
  }

  const limited = (access: RepositoryAccess, { until, why }: Refused): RegistryError => {
    const soonest = clock.currentTimeMillisUnsafe() + 1
    return RegistryError.of({ _tag: "RateLimited", until: Math.max(soonest, until) }, access.repository, why)
  }

  /**
   * Who must wait: a fiber that is interrupted leaves the queue, or gives back its turn. Only the wait is `interruptible`:
   * between a turn and its request nobody else gives it back.
   */
  const waitForTurn = (account: Account, access: RepositoryAccess, asked: Asked, interruptible: Interruptible) =>
    Effect.flatMap(RequestedFor, (owner) => {
      const waiter = enqueue(account, asked, owner)
      if ("_tag" in waiter) return Effect.fail(limited(access, waiter))
      return leftOut(interruptible(Deferred.await(waiter.turn))).pipe(
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            if (waiter.ticket !== undefined) land(account, waiter.ticket, undefined)
            else account.waiting = account.waiting.filter((other) => other !== waiter)
          })
        ),
        Effect.mapError((refused) => limited(access, refused))
      )
    })

  const take = (
    account: Account,
    access: RepositoryAccess,
    asked: Asked,
    interruptible: Interruptible
  ): Effect.Effect<Ticket, RegistryError> => {
    const now = clock.currentTimeMillisUnsafe()
    if (account.waiting.length === 0 && judge(account.state, account.limit, asked, now)._tag === "Go") {
      return Effect.succeed(go(account, asked, now))
    }
    return waitForTurn(account, access, asked, interruptible)
  }

  const tell = (account: Account, method: string, head: Head | undefined): void => {
    if (observer === undefined) return
    observer.answered(account.registry, method, head === undefined ? "none" : String(head.status))
    if (account.state.quota === undefined) return
    const quotas = [...accounts.values()].flatMap(({ registry, state }) =>
      registry === account.registry && state.quota !== undefined ? [state.quota] : []
    )
    const least = quotas.reduce((least, quota) => (quota.remaining < least.remaining ? quota : least))
    observer.quota(account.registry, least.remaining, least.limit)
  }

  const spend = <A extends Head>(
    access: RepositoryAccess,
    asked: Asked,
    send: Effect.Effect<A, RegistryError>,
    method = asked === "Look" ? "HEAD" : "GET"
  ): Effect.Effect<A, RegistryError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const account = accountOf(access)
        return Effect.flatMap(take(account, access, asked, restore), (ticket) =>
          Effect.onExit(restore(send), (exit) =>
            Effect.sync(() => {
              const head = Exit.isSuccess(exit) ? exit.value : undefined
              land(account, ticket, head)
              tell(account, method, head)
            })
          )
        )
      })
    )

  return {
    /** Sends a request when its registry's budget allows it. */
    spend,

    /** The same for a URL: what goes elsewhere, such as to a store of blobs, is free. */
    spendAt: <A extends Head>(
      access: RepositoryAccess,
      method: string,
      url: URL | undefined,
      send: Effect.Effect<A, RegistryError>
    ): Effect.Effect<A, RegistryError> =>
      url === undefined || !accountOf(access).hosts.includes(url.host)
        ? send
        : spend(access, askedBy(method, url.pathname), send, method),

    /** Whether a request that was refused for asking too often may go again within it. */
    isShortlyHeld: (access: RepositoryAccess): boolean => {
      const { limit, state } = accountOf(access)
      const now = clock.currentTimeMillisUnsafe()
      return isHeld(state, now) && judge(state, limit, "Other", now)._tag === "Later"
    },

    /** A registry's refusal, with the time until which it is left alone; its words may have named a longer one. */
    explain: (access: RepositoryAccess, error: RegistryError): RegistryError => {
      if (error.reason._tag !== "RateLimited") return error
      const account = accountOf(access)
      const now = clock.currentTimeMillisUnsafe()
      account.state = holdLonger(account.state, (error.reason.until ?? now) - now, now)
      const shortage = shortageOf(account.state, now)
      return shortage === undefined
        ? error
        : limited(access, { _tag: "Refused", until: shortage.until, why: `${error.detail}; ${shortage.why}` })
    },

    allowance: (access: RepositoryAccess): Effect.Effect<Allowance> =>
      Effect.sync(() => {
        const { registry, state } = accountOf(access)
        const { heardOfManifests, quota } = state
        const shortage = shortageOf(state, clock.currentTimeMillisUnsafe())
        return {
          metered: quota === undefined ? registry === METERED && !heardOfManifests : true,
          ...(quota === undefined ? {} : { quota }),
          ...(shortage === undefined ? {} : { until: shortage.until })
        }
      }),

    reserve: (access: RepositoryAccess, pulls: number): Effect.Effect<void, RegistryError, Scope.Scope> =>
      Effect.suspend(() => {
        const account = accountOf(access)
        const id = (promises += 1)
        return Effect.acquireRelease(
          Effect.suspend(() => {
            const next = promise(account.state, id, pulls, clock.currentTimeMillisUnsafe())
            if ("_tag" in next) return Effect.fail(limited(access, next))
            account.state = next
            return Effect.void
          }),
          () =>
            Effect.sync(() => {
              account.state = settle(account.state, id)
            })
        )
      })
  }
})

export type RateLimiter = Effect.Success<ReturnType<typeof make>>

/** Docker Hub counts pulls, and says so only once it has been asked for something. */
const METERED = "docker.io"

const MANIFEST = /\/manifests\/[^/]+$/u

const askedBy = (method: string, path: string): Asked => {
  if (!MANIFEST.test(path)) return "Other"
  return method === "GET" ? "Pull" : method === "HEAD" ? "Look" : "Other"
}
