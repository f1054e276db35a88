/** The operator's processes. They are started, killed, stopped and started again over the same API server and registries. */
import { Cause, Context, Effect, Exit, Fiber, Layer, Logger, Option, Redacted, References, Scope } from "effect"
import { ImageEvents } from "../../src/controller/events/ImageEvents.ts"
import { ImageStore } from "../../src/controller/ImageStore.ts"
import { LeaderElection, type Work } from "../../src/controller/LeaderElection.ts"
import * as Operators from "../../src/controller/Operator.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import { CopyLimits } from "../../src/copy/CopyLimits.ts"
import * as DirectEngine from "../../src/copy/DirectEngine.ts"
import * as JobEngine from "../../src/copy/job/JobEngine.ts"
import { DEFAULT_TEMPLATE } from "../../src/copy/job/JobTemplate.ts"
import * as ConfiguredCredentials from "../../src/credentials/ConfiguredCredentials.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import { Policy } from "../../src/credentials/Policy.ts"
import type { KubeClient } from "../../src/kube/KubeClient.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import type { RegistryLimits } from "../../src/registry/limits/RegistryLimits.ts"
import type { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { memoryFile } from "../support/policyFile.ts"
import type { EngineLayer } from "../support/world.ts"
import * as faultyApiServer from "./faultyApiServer.ts"
import * as faultyRegistries from "./faultyRegistries.ts"
import { OperatorProcess } from "./OperatorProcess.ts"
import { BRAKE } from "./oracles/reconciles.ts"
import type { Oracles } from "./oracles/Oracles.ts"
import { JOBS, PASSWORD, REGISTRIES, type World } from "./World.ts"

/** Parts that replace those of the product, so that a test can show that the simulation finds a fault. */
export interface Parts {
  readonly engine?: (engine: EngineLayer) => EngineLayer
  readonly kube?: (kube: Layer.Layer<KubeClient>) => Layer.Layer<KubeClient>
  readonly images?: (images: ImagesLayer) => ImagesLayer
  readonly writers?: (engine: EngineLayer) => WritersLayer
  readonly policy?: (policy: Layer.Layer<Policy>) => Layer.Layer<Policy>
}

const IMAGES = ImageStore.layer()
export type ImagesLayer = typeof IMAGES

/** The layers that the leader runs. */
export type WritersLayer = Work<
  KubeClient | RegistryClient | RegistryLimits | Credentials | Policy | CopyLimits | Metrics | ImageStore | ImageEvents
>

const ENGINES = {
  direct: DirectEngine.layer,
  job: JobEngine.layer({
    namespace: JOBS,
    image: "quay.io/containers/skopeo:v1.9.3",
    instance: "release",
    template: { ...DEFAULT_TEMPLATE, startSeconds: 60 }
  })
}

const robot = Credentials.layer(
  Effect.all([
    ConfiguredCredentials.make({
      source: Option.none(),
      destination: Option.some({
        username: "robot",
        password: Redacted.make(PASSWORD),
        registries: [REGISTRIES.corp]
      })
    })
  ])
)

/** The policy of the world's administrator. */
const policyOf = (world: World): Layer.Layer<Policy> => {
  if (!world.shape.hasPolicy) return Policy.layerNone
  const file = memoryFile(() => world.policy)
  return Layer.orDie(Policy.layerFile("/etc/policy.yaml").pipe(Layer.provide(file)))
}

/** Metrics that count in the world's counters, without prom-client. */
const metrics = (world: World, oracles: Oracles) =>
  Layer.effect(
    Metrics,
    Effect.map(Metrics, (inner) => ({
      ...inner,
      queue: {
        ...inner.queue,
        depth: (depth: number) => {
          world.counters.queueDepth = depth
        }
      },
      reconciling: <A, E, R>(reconcile: Effect.Effect<A, E, R>) =>
        Effect.flatMap(References.CurrentLogAnnotations, (annotations) => {
          const image = String(annotations["image"])
          const isTooOften = oracles.reconciled(image)
          world.counters.reconciling.set(image, world.now)
          return (isTooOften ? Effect.delay(reconcile, BRAKE) : reconcile).pipe(
            Effect.ensuring(Effect.sync(() => world.counters.reconciling.delete(image)))
          )
        })
    }))
  ).pipe(Layer.provide(Metrics.layerNoop))

/** Events are searched for secrets, and not written: the API server keeps its history of changes for other objects. */
const events = (oracles: Oracles) =>
  Layer.succeed(ImageEvents, { report: (_, events) => Effect.sync(() => oracles.events(events)) })

/** A logger that searches log lines for secrets and crashes. */
const logger = (world: World, oracles: Oracles) =>
  Logger.layer([
    Logger.make(({ cause, fiber, logLevel, message }) => {
      const annotations = fiber.getRef(References.CurrentLogAnnotations)
      const text = `${JSON.stringify(message)} ${JSON.stringify(annotations)}`
      const isCrash = cause.reasons.some(Cause.isDieReason)
      const words = cause.reasons.length === 0 ? "" : Cause.pretty(cause)
      oracles.log(text + words)
      if (isCrash || logLevel === "Error" || logLevel === "Fatal")
        world.chronicle.report("crash", `${text} ${words.slice(0, 2_000)}`)
      else world.chronicle.log(text)
    })
  ])

/** The Lease of the operator's processes. */
const LEASE = { namespace: "operators", name: "release.skopeo.io" }

/** What the operator's processes show to oracles. */
export interface Operator {
  /** The method `copies` of the working process's engine. Absent while no process works. */
  copies: CopyEngine["Service"]["copies"] | undefined
}

/** Reports the engine of the process that works. */
const shown = (world: World, operator: Operator, process: OperatorProcess, engine: EngineLayer): EngineLayer =>
  Layer.effect(
    CopyEngine,
    Effect.acquireRelease(
      Effect.tap(CopyEngine, ({ copies }) =>
        Effect.sync(() => {
          world.chronicle.note(`${process.identity} works`)
          if (world.now > 0) world.lastTrouble = world.now
          operator.copies = copies
        })
      ),
      ({ copies }) =>
        Effect.sync(() => {
          if (operator.copies === copies) operator.copies = undefined
        })
    )
  ).pipe(Layer.provide(engine))

const layerOf = (world: World, oracles: Oracles, parts: Parts, operator: Operator, process: OperatorProcess) => {
  const { engine = (own) => own, images = (own) => own, kube = (own) => own } = parts
  const { policy = (own) => own, writers = (own) => Operators.writers(own) } = parts
  const work = writers(shown(world, operator, process, engine(ENGINES[world.shape.engine])))
  const exit = Effect.andThen(
    Effect.sync(() => world.endProcess(process, "Kill", "because its work does not stop")),
    Effect.never
  )
  const election =
    world.shape.processes === 1
      ? LeaderElection.layerAlone(work)
      : LeaderElection.layer(work, { lease: LEASE, identity: process.identity, exit })
  return election.pipe(
    Layer.provideMerge(images(IMAGES)),
    Layer.provideMerge(
      Layer.mergeAll(
        faultyRegistries.layer(world, oracles, process),
        robot,
        policy(policyOf(world)),
        CopyLimits.layer(world.shape.limits),
        metrics(world, oracles),
        events(oracles)
      )
    ),
    Layer.provideMerge(kube(faultyApiServer.layer(world, process))),
    Layer.provideMerge(Layer.merge(logger(world, oracles), Layer.succeed(References.TracerEnabled, false)))
  )
}

/** Keeps the operator's processes running: starts another process some time after a process has ended. */
export const supervise = Effect.fnUntraced(function* (world: World, oracles: Oracles, parts: Parts = {}) {
  const operator: Operator = { copies: undefined }
  const scope = yield* Effect.scope

  const live = Effect.fnUntraced(function* (process: OperatorProcess) {
    const own = yield* Scope.make()
    world.chronicle.note(`${process.identity} starts`)
    world.processes.add(process)
    if (world.now > 0) world.lastTrouble = world.now
    const context = yield* Layer.buildWithScope(Layer.fresh(layerOf(world, oracles, parts, operator, process)), own)
    const lead = yield* Context.get(context, LeaderElection).lead.pipe(
      Effect.tapCause((cause) =>
        Effect.sync(() => {
          if (!Cause.hasInterruptsOnly(cause)) world.chronicle.report("crash", Cause.pretty(cause).slice(0, 2_000))
        })
      ),
      Effect.provide(context),
      Effect.forkIn(own)
    )
    if ((yield* process.ending) === "Stop") yield* Fiber.interrupt(lead)
    world.processes.delete(process)
    // A killed process waits in vain for answers of its last requests.
    yield* Effect.forkIn(Scope.close(own, Exit.void), scope, { startImmediately: true })
    world.lastTrouble = world.now
  })

  const keep = Effect.fnUntraced(function* (index: number) {
    const chance = world.chance(`process ${index}`)
    for (let life = 1; ; life += 1) {
      yield* live(new OperatorProcess(`operator-${index}.${life}`))
      yield* Effect.sleep(world.isStormy ? chance.between(100, 40_000) : 100)
    }
  })
  for (let index = 1; index <= world.shape.processes; index += 1) yield* Effect.forkScoped(keep(index))
  return operator
})
