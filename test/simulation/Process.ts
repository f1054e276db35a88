/** The operator's process. It is started, killed and started again over the same API server and registries. */
import { Cause, Context, Effect, Exit, Layer, Logger, Option, Redacted, References, Scope } from "effect"
import { ImageEvents } from "../../src/controller/events/ImageEvents.ts"
import * as Operator from "../../src/controller/Operator.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import { CopyLimits, type Limits } from "../../src/copy/CopyLimits.ts"
import * as DirectEngine from "../../src/copy/DirectEngine.ts"
import * as JobEngine from "../../src/copy/job/JobEngine.ts"
import { DEFAULT_TEMPLATE } from "../../src/copy/job/JobTemplate.ts"
import * as ConfiguredCredentials from "../../src/credentials/ConfiguredCredentials.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import type { KubeClient } from "../../src/kube/KubeClient.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import type { EngineLayer } from "../support/world.ts"
import * as faultyApiServer from "./faultyApiServer.ts"
import * as faultyRegistries from "./faultyRegistries.ts"
import { BRAKE } from "./oracles/reconciles.ts"
import type { Oracles } from "./oracles/Oracles.ts"
import { JOBS, PASSWORD, REGISTRIES, type World } from "./World.ts"

/** Parts that replace those of the product, so that a test can show that the simulation finds a fault. */
export interface Parts {
  readonly engine?: (engine: EngineLayer) => EngineLayer
  readonly kube?: (kube: Layer.Layer<KubeClient>) => Layer.Layer<KubeClient>
  readonly limits?: Limits
}

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

const layerOf = (world: World, oracles: Oracles, parts: Parts) => {
  const { engine = (own) => own, kube = (own) => own, limits = world.shape.limits } = parts
  return Operator.layer(engine(ENGINES[world.shape.engine])).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        faultyRegistries.layer(world, oracles),
        robot,
        CopyLimits.layer(limits),
        metrics(world, oracles),
        events(oracles)
      )
    ),
    Layer.provideMerge(kube(faultyApiServer.layer(world))),
    Layer.provideMerge(Layer.merge(logger(world, oracles), Layer.succeed(References.TracerEnabled, false)))
  )
}

/** The method `copies` of the running process's engine. Absent while no process runs. */
export interface Process {
  copies: CopyEngine["Service"]["copies"] | undefined
}

/** Keeps an operator running: starts another process some time after a process was killed. */
export const supervise = Effect.fnUntraced(function* (world: World, oracles: Oracles, parts: Parts = {}) {
  const chance = world.chance("process")
  const process: Process = { copies: undefined }
  const life = Effect.gen(function* () {
    const scope = yield* Scope.make()
    world.chronicle.note("the operator starts")
    if (world.now > 0) world.lastTrouble = world.now
    const context = yield* Layer.buildWithScope(Layer.fresh(layerOf(world, oracles, parts)), scope)
    process.copies = Context.get(context, CopyEngine).copies
    yield* world.killed.await
    process.copies = undefined
    yield* Scope.close(scope, Exit.void)
    world.killed.closeUnsafe()
    world.lastTrouble = world.now
    yield* Effect.sleep(world.isStormy ? chance.between(100, 40_000) : 100)
  })
  yield* Effect.forkScoped(Effect.forever(life))
  return process
})
