/** Candidates over one API server in memory, each by a network of its own, and a record of who acts as the leader. */
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

/** What becomes of one request. Each delay is in milliseconds. */
export interface Passage {
  /** Until the API server has the request; it is carried out then, though its sender may have given up. */
  readonly there: number
  /** Until its sender has the answer. */
  readonly back: number
  /** Fails before the API server has the request. */
  readonly fails?: boolean
  /** The request, or its answer, is never seen again. */
  readonly lost?: "request" | "answer"
}

const AT_ONCE: Passage = { there: 0, back: 0 }

const UNREACHABLE = new KubeError({ operation: "test", code: 0, reason: "Unreachable", detail: "no route" })

export interface Candidate {
  readonly identity: string
  /** What becomes of its next request. */
  passage: () => Passage
  /** How long what it does as the leader takes to end, in milliseconds; `Infinity`: it never does. */
  stopTakes: () => number
  /** Ends it as SIGTERM does, and waits for that. */
  readonly stop: Effect.Effect<void>
  /** Ends it as SIGKILL does: it sends nothing more, and acts no more. What it has sent may still arrive. */
  readonly kill: Effect.Effect<void>
  /** Whether it was ended by its own will because what it did could not be stopped. */
  readonly hasExited: () => boolean
  readonly exposition: Effect.Effect<string>
  /** Why it can start no copy. */
  readonly unavailable: Effect.Effect<Option.Option<string>>
}

export interface Reign {
  readonly identity: string
  readonly from: number
  to?: number
}

export const makeElectionWorld = () => {
  const store = new ApiServerStore()
  /** Each time that a candidate acted as the leader, in order. */
  const reigns: Array<Reign> = []
  const logs: Array<string> = []
  const acting = () => reigns.filter(({ to }) => to === undefined).map(({ identity }) => identity)

  const holder = (): string | undefined => {
    const spec = store.get(Leases, LEASE)?.["spec"] as { readonly holderIdentity?: string } | undefined
    return spec?.holderIdentity
  }

  /** `skew`: how far its clocks are from those of the others, in milliseconds. */
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

    /** A request that the network carries, whatever becomes of its sender. */
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
        Layer.provideMerge(Layer.fresh(Metrics.layer()))
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

/** What a leader does that does nothing, for as long as `running` does; with an engine that can start no copy. */
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

/** The same speed, and another time. */
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

/** What was written to the Lease, as `holder transitions`. */
export const leaseText = (store: ApiServerStore): string => {
  const spec = Option.fromUndefinedOr(store.get(Leases, LEASE)?.["spec"] as Record<string, unknown> | undefined)
  return Option.match(spec, {
    onNone: () => "",
    onSome: ({ holderIdentity, leaseTransitions }) => `${String(holderIdentity)} ${String(leaseTransitions)}`
  })
}
