/** Candidates over one API server in memory. Each candidate has its own faulty network. The world records which candidate leads. */
import { Clock, Deferred, Effect, Exit, Fiber, Layer, Logger, Option, Random, Stream } from "effect"
import { Controller } from "../../src/controller/Controller.ts"
import { LeaderElection } from "../../src/controller/LeaderElection.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import { KubeClient, KubeError } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Leases } from "../../src/kube/Resources.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"

export const LEASE = { namespace: "operators", name: "release.skopeo.io" }

/** The delays and faults of one request. Delays are in milliseconds. */
export interface Passage {
  /** The delay of the request. The API server carries out a late request even if its sender no longer waits. */
  readonly there: number
  /** The delay of the answer. */
  readonly back: number
  /** Whether the request fails before the API server gets it. */
  readonly fails?: boolean
  /** The part that never arrives. */
  readonly lost?: "request" | "answer"
}

const AT_ONCE: Passage = { there: 0, back: 0 }

const UNREACHABLE = new KubeError({ operation: "test", code: 0, reason: "Unreachable", detail: "no route" })

export interface Candidate {
  readonly identity: string
  /** Gives the delays and faults of the next request. */
  passage: () => Passage
  /** Gives the milliseconds that the work takes to stop; `Infinity` if it never stops. */
  stopTakes: () => number
  /** Stops the process as SIGTERM does, and waits for its end. */
  readonly stop: Effect.Effect<void>
  /** Kills the process as SIGKILL does. Requests that it has sent may still arrive. */
  readonly kill: Effect.Effect<void>
  /** Whether the process exited because its work did not stop in time. */
  readonly hasExited: () => boolean
  readonly exposition: Effect.Effect<string>
  /** Why the candidate cannot start copies. */
  readonly unavailable: Effect.Effect<Option.Option<string>>
}

/** A time in which a candidate led. Without `to` it still leads. */
export interface Reign {
  readonly identity: string
  readonly from: number
  to?: number
}

export const makeElectionWorld = () => {
  const store = new ApiServerStore()
  /** In the order of their beginnings. */
  const reigns: Array<Reign> = []
  const logs: Array<string> = []
  const acting = () => reigns.filter(({ to }) => to === undefined).map(({ identity }) => identity)

  const holder = (): string | undefined => {
    const spec = store.get(Leases, LEASE)?.["spec"] as { readonly holderIdentity?: string } | undefined
    return spec?.holderIdentity
  }

  /** Starts a candidate. `skew` is the difference of its clock in milliseconds. */
  const start = Effect.fnUntraced(function* (
    identity: string,
    options: { readonly skew?: number; readonly passage?: () => Passage; readonly seed?: number } = {}
  ) {
    const clock = yield* Clock.Clock
    const skewed = skewedClock(clock, options.skew ?? 0)
    let isAlive = true
    let hasExited = false
    const died = yield* Deferred.make<void>()
    const reignOf = () => reigns.find((reign) => reign.identity === identity && reign.to === undefined)
    const endReign = () => {
      const reign = reignOf()
      if (reign !== undefined) reign.to = clock.currentTimeMillisUnsafe()
    }
    const candidate: { passage: () => Passage; stopTakes: () => number } = {
      passage: options.passage ?? (() => AT_ONCE),
      stopTakes: () => 0
    }

    /** Sends a request through the candidate's network. The network carries on if the sender is interrupted. */
    const carried = <A>(request: Effect.Effect<A, KubeError>): Effect.Effect<A, KubeError> =>
      Effect.gen(function* () {
        if (!isAlive) return yield* Effect.never
        const { back, fails = false, lost, there } = candidate.passage()
        const answer = yield* Deferred.make<A, KubeError>()
        yield* Effect.forkDetach(
          Effect.gen(function* () {
            yield* Effect.sleep(there)
            if (lost === "request") return
            const exit = fails ? Exit.fail(UNREACHABLE) : yield* Effect.exit(request)
            yield* Effect.sleep(back)
            if (lost === undefined) yield* Deferred.done(answer, exit)
          }),
          { startImmediately: true }
        )
        return yield* Deferred.await(answer)
      })
    const network = Layer.effect(
      KubeClient,
      Effect.map(KubeClient, (kube) => ({
        ...kube,
        get: (resource, name) => carried(kube.get(resource, name)),
        create: (resource, object) => carried(kube.create(resource, object)),
        update: (resource, object) => carried(kube.update(resource, object))
      }))
    ).pipe(Layer.provide(KubeClientMemory.layer({ store })))

    const reign = Layer.effectDiscard(
      Effect.acquireRelease(
        Effect.sync(() => void reigns.push({ identity, from: clock.currentTimeMillisUnsafe() })),
        () =>
          Effect.sync(() => candidate.stopTakes()).pipe(
            Effect.flatMap((millis) => (Number.isFinite(millis) ? Effect.sleep(millis) : Effect.never)),
            Effect.raceFirst(Deferred.await(died)),
            Effect.andThen(Effect.sync(endReign))
          )
      )
    )
    const die = Effect.suspend(() => {
      isAlive = false
      endReign()
      return Deferred.succeed(died, undefined)
    })
    const exit = Effect.suspend(() => {
      hasExited = true
      return Effect.andThen(die, Effect.never)
    })
    const logger = Logger.make<unknown, void>(({ message }) => {
      logs.push(`${identity}: ${[message].flat().map(String).join(" ")}`)
    })
    const context = yield* Layer.build(
      LeaderElection.layer(Layer.provideMerge(idleWork(Effect.never), reign), { lease: LEASE, identity, exit }).pipe(
        Layer.provide(network),
        Layer.provideMerge(Layer.fresh(Metrics.layer))
      )
    )
    const process = yield* Effect.flatMap(LeaderElection, ({ lead }) => lead).pipe(
      Effect.provide(context),
      Effect.provideService(Clock.Clock, skewed),
      Random.withSeed(`${identity} ${options.seed ?? 0}`),
      Effect.provide(Logger.layer([logger])),
      Effect.forkDetach({ startImmediately: true })
    )
    const ended: Candidate = Object.assign(candidate, {
      identity,
      stop: Fiber.interrupt(process),
      kill: Effect.andThen(die, Effect.asVoid(Effect.forkDetach(Fiber.interrupt(process)))),
      hasExited: () => hasExited,
      unavailable: Effect.flatMap(LeaderElection, ({ unavailable }) => unavailable).pipe(Effect.provide(context)),
      exposition: Effect.flatMap(Metrics, ({ exposition }) => exposition).pipe(
        Effect.map(({ body }) => body),
        Effect.provide(context)
      )
    })
    return ended
  })

  return { store, reigns, logs, acting, holder, start }
}

/** Work that does nothing, with a controller that runs as long as `running`, and with an engine that cannot start copies. */
export const idleWork = (running: Controller["Service"]["running"]) =>
  Layer.merge(
    Layer.succeed(Controller, { synced: Effect.void, running, idle: Effect.void }),
    Layer.succeed(CopyEngine, {
      supports: { platforms: true, referrers: true, manifests: true },
      start: () => Effect.succeed(false),
      copies: () => Effect.succeed([]),
      cancel: () => Effect.void,
      release: () => Effect.void,
      changes: Stream.never,
      unavailable: Effect.succeedSome("this engine is idle")
    })
  )

/** A clock with the same speed and another time. */
const skewedClock = (clock: Clock.Clock, millis: number): Clock.Clock => {
  const nanos = BigInt(millis) * 1_000_000n
  const skewed = {
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + millis,
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + nanos,
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + nanos
  }
  return {
    ...skewed,
    currentTimeMillis: Effect.sync(skewed.currentTimeMillisUnsafe),
    currentTimeNanos: Effect.sync(skewed.currentTimeNanosUnsafe),
    monotonicTimeNanos: Effect.sync(skewed.monotonicTimeNanosUnsafe),
    sleep: (duration) => clock.sleep(duration)
  }
}

/** The holder and the number of transitions of the Lease, as `holder transitions`. */
export const leaseText = (store: ApiServerStore): string => {
  const spec = Option.fromUndefinedOr(store.get(Leases, LEASE)?.["spec"] as Record<string, unknown> | undefined)
  return Option.match(spec, {
    onNone: () => "",
    onSome: ({ holderIdentity, leaseTransitions }) => `${String(holderIdentity)} ${String(leaseTransitions)}`
  })
}
