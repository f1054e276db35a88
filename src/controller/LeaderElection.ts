/**
 * Leader election: of several processes, only the leader runs the layer that writes. `LeaseProtocol` decides each action. This
 * service carries out the actions. It builds the layer when this process starts to lead, and closes the layer when this
 * process stops leading.
 */
import { Clock, Context, Deferred, Effect, Fiber, Layer, Option, Random } from "effect"
import { CopyEngine } from "../copy/CopyEngine.ts"
import { KubeClient, KubeError } from "../kube/KubeClient.ts"
import { type LeaseObject, Leases } from "../kube/Resources.ts"
import { Metrics } from "../metrics/Metrics.ts"
import { Controller, type ControllerStopped } from "./Controller.ts"
import {
  type Action,
  type Candidacy,
  heldSpec,
  holderOf,
  isLeading,
  Observation,
  releasedSpec,
  step,
  TIMING
} from "./LeaseProtocol.ts"

export interface LeaderElectionOptions {
  /** The Lease of one installation. All processes of the installation use it, and no other process does. */
  readonly lease: { readonly namespace: string; readonly name: string }
  /** The unique name of this process. A restarted process of the same pod has another name. */
  readonly identity: string
  /**
   * Ends the process at once and does not release the Lease. The election runs this effect if the leader's work does not stop
   * before another process may lead.
   */
  readonly exit: Effect.Effect<never>
}

/** The layer that only the leader runs. */
export type Work<R> = Layer.Layer<Controller | CopyEngine, never, R>

export class LeaderElection extends Context.Service<
  LeaderElection,
  {
    /**
     * Takes part in the election until it is interrupted. An interruption stops the work and then releases the Lease. A leader
     * that gets no answer from the API server stops leading, and takes part again. Fails if the controller stops while this
     * process leads.
     */
    readonly lead: Effect.Effect<never, ControllerStopped>
    /** Never completes, and fails as `lead` does. */
    readonly running: Effect.Effect<never, ControllerStopped>
    /** Why the engine cannot start copies now. `None` if it can, or if this process does not lead. */
    readonly unavailable: Effect.Effect<Option.Option<string>>
  }
>()("skopeo-operator/controller/LeaderElection") {
  /** Takes part in the election of a Lease. Builds the work anew each time this process starts to lead. */
  static readonly layer = <R>(
    work: Work<R>,
    options: LeaderElectionOptions
  ): Layer.Layer<LeaderElection, never, KubeClient | Metrics | R> => Layer.effect(LeaderElection, make(work, options))

  /** Leads without a Lease, for an installation of a single process. */
  static readonly layerAlone = <R>(work: Work<R>): Layer.Layer<LeaderElection, never, R> =>
    Layer.effect(
      LeaderElection,
      Effect.map(makeRunner(work), ({ run, running, unavailable }) => ({
        lead: Effect.andThen(run, running),
        running,
        unavailable
      }))
    )
}

/** Runs the work, as often as this process starts to lead. */
const makeRunner = Effect.fnUntraced(function* <R>(work: Work<R>) {
  const context = yield* Effect.context<R>()
  const stopped = yield* Deferred.make<never, ControllerStopped>()
  /** Present while the work runs. */
  let engine: CopyEngine["Service"] | undefined
  return {
    /** Runs the work until an interruption, or until the controller stops. `running` then fails. */
    run: Layer.build(Layer.fresh(work)).pipe(
      Effect.flatMap((built) => {
        engine = Context.get(built, CopyEngine)
        return Context.get(built, Controller).running
      }),
      Effect.ensuring(
        Effect.sync(() => {
          engine = undefined
        })
      ),
      Effect.scoped,
      Effect.catch((error) => Deferred.fail(stopped, error)),
      Effect.catchDefect((defect) => Deferred.die(stopped, defect)),
      Effect.asVoid,
      Effect.provide(context)
    ),
    running: Deferred.await(stopped),
    unavailable: Effect.suspend(() => engine?.unavailable ?? Effect.succeedNone)
  }
})

/** The time limit of a request. A leader can send a second request before its deadline. */
const REQUEST_TIMEOUT = "5 seconds"

/** The time limit of stopping the work. No other process leads before it has passed. */
const STOP_TIMEOUT = TIMING.leaseMillis - TIMING.renewMillis

/** How often the same error is logged. */
const REPORT_MILLIS = 60_000

const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/** Whether a write was refused because the Lease has changed. NotFound of a create means a missing namespace instead. */
const isOutdated = (action: "Create" | "Hold", { reason }: KubeError): boolean =>
  action === "Create" ? reason === "AlreadyExists" : reason === "Conflict" || reason === "NotFound"

const make = Effect.fnUntraced(function* <R>(work: Work<R>, { exit, identity, lease: name }: LeaderElectionOptions) {
  const kube = yield* KubeClient
  const metrics = yield* Metrics
  const { run, running, unavailable } = yield* makeRunner(work)
  metrics.leading(name.name, false)

  const within = <A>(request: Effect.Effect<A, KubeError>): Effect.Effect<A, KubeError> =>
    Effect.timeoutOrElse(request, {
      duration: REQUEST_TIMEOUT,
      orElse: () =>
        Effect.fail(
          new KubeError({
            operation: `lease ${name.namespace}/${name.name}`,
            code: 0,
            reason: "Unreachable",
            detail: `no answer within ${REQUEST_TIMEOUT}`
          })
        )
    }).pipe(
      // A renewal every few seconds is no work of an Image, and would fill a collector with traces.
      Effect.withTracerEnabled(false)
    )

  const write = (action: Extract<Action, { readonly _tag: "Create" | "Hold" }>) =>
    Effect.flatMap(Clock.currentTimeMillis, (wall) => {
      if (action._tag === "Create") {
        return kube.create(Leases, { metadata: name, spec: heldSpec(identity, Option.none(), wall, TIMING) })
      }
      const { metadata } = action.lease
      const spec = heldSpec(identity, Option.some(action.lease), wall, TIMING)
      return kube.update(Leases, { metadata: replacing(metadata), spec })
    })

  const reporter = makeReporter(name)

  /** Carries out an action, and gives its result. */
  const perform = Effect.fnUntraced(function* (action: Action): Effect.fn.Return<Observation> {
    const sentAt = yield* monotonicMillis
    const failed = (error: KubeError): Effect.Effect<Observation> =>
      Effect.as(reporter.failed(error, sentAt), Observation.Failed({ sentAt }))
    switch (action._tag) {
      case "Pause":
        return yield* Effect.as(Effect.sleep(action.until - sentAt), Observation.Woken())
      case "Read":
        return yield* within(kube.get(Leases, name)).pipe(
          Effect.map((lease) => Observation.Read({ lease })),
          Effect.catch(failed)
        )
      case "Create":
      case "Hold":
        return yield* within(write(action)).pipe(
          Effect.map((lease) => Observation.Written({ lease, sentAt })),
          Effect.catch((error) =>
            isOutdated(action._tag, error) ? Effect.succeed(Observation.Refused({ sentAt })) : failed(error)
          )
        )
    }
  })

  /** Carries out an action. Gives `Expired` if this process's leadership ends first. */
  const performInTime = Effect.fnUntraced(function* ({ leadsUntil }: Candidacy, action: Action) {
    if (leadsUntil === undefined) return yield* perform(action)
    return yield* Effect.timeoutOrElse(perform(action), {
      duration: leadsUntil - (yield* monotonicMillis),
      orElse: () => Effect.succeed(Observation.Expired())
    })
  })

  /** Starts the work in its own fiber, so that renewals do not wait for the work. */
  const begin = Effect.gen(function* () {
    metrics.leading(name.name, true)
    yield* reporter.leads(identity)
    return yield* Effect.forkDetach(run)
  })

  /** Stops the work. Ends the process if the work does not stop in time. */
  const stop = Effect.fnUntraced(function* (working: Fiber.Fiber<void>) {
    metrics.leading(name.name, false)
    // The interruption has its own fiber, because it waits for the work, which may be uninterruptible.
    yield* Effect.forkDetach(Fiber.interrupt(working), { startImmediately: true })
    yield* Effect.timeoutOrElse(Fiber.await(working), {
      duration: STOP_TIMEOUT,
      orElse: () => Effect.andThen(reporter.stuck, exit)
    })
  })

  const release = Effect.gen(function* () {
    const lease = yield* kube.get(Leases, name)
    if (Option.isNone(lease) || holderOf(lease.value) !== identity) return
    const wall = yield* Clock.currentTimeMillis
    yield* kube.update(Leases, { metadata: replacing(lease.value.metadata), spec: releasedSpec(lease.value, wall) })
  }).pipe(
    // The API server may have stored a late renewal between the read and the update.
    Effect.retry({ times: 1, while: ({ reason }) => reason === "Conflict" }),
    within,
    Effect.catch(reporter.notReleased)
  )

  const lead = Effect.gen(function* () {
    let candidacy: Candidacy = { identity }
    /** Present while this process leads. */
    let working: Fiber.Fiber<void> | undefined

    /** Takes one step, and starts or stops the work accordingly. No interruption comes between the two. */
    const take = Effect.fnUntraced(function* (observation: Observation) {
      const now = yield* monotonicMillis
      const next = step(candidacy, observation, { now, random: yield* Random.next, timing: TIMING })
      candidacy = next.candidacy
      if (working === undefined && isLeading(candidacy)) working = yield* begin
      if (working !== undefined && !isLeading(candidacy)) {
        yield* reporter.lost(observation)
        yield* stop(working)
        working = undefined
      }
      if (!isLeading(candidacy)) yield* reporter.follows(candidacy)
      return next.action
    }, Effect.uninterruptible)

    const follow = Effect.gen(function* () {
      let action = yield* take(Observation.Woken())
      while (true) action = yield* take(yield* performInTime(candidacy, action))
    })
    const end = Effect.suspend(() => Effect.andThen(working === undefined ? Effect.void : stop(working), release))
    return yield* Effect.ensuring(Effect.raceFirst(follow, running), end)
  })

  return LeaderElection.of({ lead, running, unavailable })
})

const replacing = (metadata: LeaseObject["metadata"]) => ({
  ...metadata,
  // Every object of an API server has a version.
  resourceVersion: metadata.resourceVersion ?? ""
})

/** Logs each change of the leader once, and a repeated error once a minute. */
const makeReporter = ({ name, namespace }: LeaderElectionOptions["lease"]) => {
  const resource = `leases ${namespace}/${name}`
  let leader = ""
  let trouble = ""
  let reportedAt = 0

  return {
    leads: (identity: string) => {
      leader = identity
      trouble = ""
      return Effect.annotateLogs(Effect.logInfo("this process leads"), { resource })
    },

    lost: (observation: Observation) => {
      const holder =
        observation._tag === "Read" ? Option.match(observation.lease, { onNone: () => "", onSome: holderOf }) : ""
      const taken = holder === "" ? "released by another client" : `held by ${holder}`
      const reason = observation._tag === "Expired" ? "not renewed in time" : taken
      leader = ""
      return Effect.annotateLogs(Effect.logWarning("this process no longer leads"), { resource, reason })
    },

    follows: ({ identity, seen }: Candidacy) => {
      const holder = seen === undefined ? "" : holderOf(seen.lease)
      if (holder === leader || holder === "" || holder === identity) return Effect.void
      leader = holder
      return Effect.annotateLogs(Effect.logInfo("another process leads"), { resource, reason: `held by ${holder}` })
    },

    failed: (error: KubeError, now: number) => {
      if (error.message === trouble && now - reportedAt < REPORT_MILLIS) return Effect.void
      trouble = error.message
      reportedAt = now
      return Effect.annotateLogs(Effect.logWarning("lease not read or written"), {
        resource,
        error: error.message,
        ...(error.code === 403 || error.code === 404 ? { reason: REMEDY } : {})
      })
    },

    notReleased: (error: KubeError) =>
      Effect.annotateLogs(Effect.logWarning("lease not released; it will expire"), {
        resource,
        error: error.message
      }),

    stuck: Effect.annotateLogs(Effect.logFatal("the leader's work has not stopped in time; the process exits"), {
      resource
    })
  }
}

const REMEDY =
  "allow this process to get, create and update Leases in the namespace, set LEADER_ELECTION_NAMESPACE to another namespace, or set LEADER_ELECTION=false if no other process of the operator runs"
