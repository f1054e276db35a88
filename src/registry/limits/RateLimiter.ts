/**
 * Every request of a client passes the rate limiter, and is sent when the limit of its registry allows it. There is
 * one {@link Account} for each registry and credential. {@link RateLimit} has the rules.
 */
import { Clock, Effect, Exit, FiberMap, Option, type Scope } from "effect"
import type { HttpHead } from "../../http/Http.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import { RegistryError } from "../RegistryError.ts"
import { identity } from "../RepositoryAccess.ts"
import { isMetered } from "../vendors.ts"
import { Account } from "./Account.ts"
import { Accounts } from "./Accounts.ts"
import type { RequestKind } from "./Quota.ts"
import { commit, holdUntil, isHeld, judge, type Permit, type Refused, reserve, shortageOf } from "./RateLimit.ts"
import { type ConfiguredLimits, limitOf } from "./configured.ts"
import type { RegistryLimits, RegistryObserver } from "./RegistryLimits.ts"

type RegistryLimitsService = RegistryLimits["Service"]

export interface RateLimiterOptions {
  /** Replaces the published limits of public registries. */
  readonly limits?: ConfiguredLimits
  readonly observer?: RegistryObserver
}

export interface RateLimiter extends RegistryLimitsService {
  /** Sends a request when its limit allows it. Fails with `RateLimited` if the wait would be too long. */
  readonly run: <A extends HttpHead>(
    access: RepositoryAccess,
    kind: RequestKind,
    method: string,
    send: Effect.Effect<A, RegistryError>
  ) => Effect.Effect<A, RegistryError>
  /** Whether the registry's hold is short enough for a refused request to wait for it. */
  readonly isShortlyHeld: (access: RepositoryAccess) => boolean
  /** Adds the time of the next request to a registry's refusal. The text of the refusal may name a longer hold. */
  readonly explain: (access: RepositoryAccess, error: RegistryError) => RegistryError
}

export const makeRateLimiter = Effect.fnUntraced(function* ({
  limits = new Map(),
  observer
}: RateLimiterOptions): Effect.fn.Return<RateLimiter, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const setTimer = yield* FiberMap.runtime(yield* FiberMap.make<string, void, never>())()
  const accounts = new Accounts()
  let reservations = 0

  const accountOf = (access: RepositoryAccess): Account => {
    const { registry } = access.repository
    const key = `${registry} ${identity(access)}`
    return accounts.get(key, () => {
      const limit = limitOf(limits, registry, Option.isNone(access.credential))
      return new Account(registry, limit, clock, (action, millis) =>
        setTimer(key, Effect.delay(Effect.sync(action), millis))
      )
    })
  }

  const limited = (access: RepositoryAccess, { until, why }: Refused): RegistryError => {
    const soonest = clock.currentTimeMillisUnsafe() + 1
    return RegistryError.of({ _tag: "RateLimited", until: Math.max(soonest, until) }, access.repository, why)
  }

  const reportHold = ({ registry, state }: Account): void => {
    const shortage = shortageOf(state, clock.currentTimeMillisUnsafe())
    if (shortage !== undefined) observer?.held(registry, shortage.until)
  }

  const report = (account: Account, method: string, { sentAt }: Permit, head: HttpHead | undefined): void => {
    if (observer === undefined) return
    const seconds = Math.max(0, clock.currentTimeMillisUnsafe() - sentAt) / 1_000
    observer.answered(account.registry, method, head === undefined ? "none" : String(head.status), seconds)
    const least = accounts.leastQuota(account)
    if (least !== undefined) observer.quota(account.registry, least.remaining, least.limit)
    reportHold(account)
  }

  return {
    run: (access, kind, method, send) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          const account = accountOf(access)
          return account.admit(kind, restore).pipe(
            Effect.mapError((refused) => limited(access, refused)),
            Effect.flatMap((permit) =>
              Effect.onExit(restore(send), (exit) =>
                Effect.sync(() => {
                  const head = Exit.isSuccess(exit) ? exit.value : undefined
                  account.land(permit, head)
                  report(account, method, permit, head)
                })
              )
            )
          )
        })
      ),

    isShortlyHeld: (access) => {
      const { limit, state } = accountOf(access)
      const now = clock.currentTimeMillisUnsafe()
      return isHeld(state, now) && judge(state, limit, "Other", now)._tag === "Later"
    },

    explain: (access, error) => {
      if (error.reason._tag !== "RateLimited") return error
      const account = accountOf(access)
      const { until = 0 } = error.reason
      account.update((state, now) => holdUntil(state, until, now))
      reportHold(account)
      const shortage = shortageOf(account.state, clock.currentTimeMillisUnsafe())
      return shortage === undefined
        ? error
        : limited(access, { _tag: "Refused", until: shortage.until, why: `${error.detail}; ${shortage.why}` })
    },

    allowance: (access) =>
      Effect.sync(() => {
        const { nextAdmission, registry, state } = accountOf(access)
        const { hasSeenManifest, quota } = state
        const until = shortageOf(state, clock.currentTimeMillisUnsafe())?.until ?? nextAdmission
        return {
          metered: quota === undefined ? isMetered(registry) && !hasSeenManifest : true,
          ...(quota === undefined ? {} : { quota }),
          ...(until === undefined ? {} : { until })
        }
      }).pipe(spanOf("allowance", access)),

    reserve: (access, pulls) =>
      Effect.suspend(() => {
        const account = accountOf(access)
        const id = (reservations += 1)
        const taking = Effect.suspend(() => {
          const next = reserve(account.state, id, pulls, clock.currentTimeMillisUnsafe())
          if ("_tag" in next) return Effect.fail(limited(access, next))
          account.update(() => next)
          return Effect.void
        })
        return Effect.acquireRelease(taking, () => Effect.sync(() => account.update((state) => commit(state, id))))
      }).pipe(spanOf("reserve", access))
  }
})

/** The span of a method. Effect's capture of the call's source line would cost more than an allowance. */
const spanOf = (method: string, { repository }: RepositoryAccess) =>
  Effect.withSpan(
    `RegistryLimits.${method}`,
    { attributes: { registry: repository.registry } },
    { captureStackTrace: false }
  )
