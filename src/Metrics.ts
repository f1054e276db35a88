/** What Prometheus may ask: prom-client behind a service. */
import { Clock, Context, Effect, Layer } from "effect"
import * as prometheus from "prom-client"

export type ReconcileResult = "success" | "error" | "requeue_after"

/** By the registry's name as Images have it. */
export interface RegistryMetrics {
  readonly answered: (registry: string, method: string, code: string) => void
  readonly quota: (registry: string, remaining: number, limit: number) => void
}

/**
 * What is counted is told by plain functions: a count takes no time and cannot fail, and some of it is told from callbacks
 * for each chunk of bytes. Only what runs something is an effect.
 */
export class Metrics extends Context.Service<
  Metrics,
  {
    /** A copy was started; `image` is the source's name and version as the Image has them. */
    readonly copyStarted: (image: string) => void
    /** A copy's outcome was recorded. */
    readonly copyFinished: (outcome: "succeeded" | "failed") => void
    /**
     * Bytes are at a destination that were not before: `sent` there, or `present` because they were mounted or there
     * already.
     */
    readonly bytesCopied: (image: string, how: "sent" | "present", bytes: number) => void
    /** Has an effect run before each scrape; it answers with the bytes to come of the copies under way, by image. */
    readonly sampling: (sample: Effect.Effect<ReadonlyMap<string, number>>) => void
    /** Runs a reconcile and counts it, with its duration. */
    readonly reconciling: <A, E, R>(
      reconcile: Effect.Effect<A, E, R>,
      resultOf: (value: A) => ReconcileResult
    ) => Effect.Effect<A, E, R>
    /** Keys that wait to be reconciled. */
    readonly queueDepth: (depth: number) => void
    /** A key was added to the queue. */
    readonly queueAdded: () => void
    /** What registries are asked, and what they say is left to ask: told by the client of registries. */
    readonly registries: RegistryMetrics
    /** What a scrape is answered with. */
    readonly exposition: Effect.Effect<{ readonly contentType: string; readonly body: string }>
  }
>()("skopeo-operator/Metrics") {
  /** A registry of its own with the process's metrics; nothing is registered globally. */
  static readonly layer = (): Layer.Layer<Metrics> => Layer.effect(Metrics, makeMetrics)

  /** Counts nothing. */
  static readonly layerNoop: Layer.Layer<Metrics> = Layer.succeed(Metrics, {
    copyStarted: () => {},
    copyFinished: () => {},
    bytesCopied: () => {},
    sampling: () => {},
    reconciling: (reconcile) => reconcile,
    queueDepth: () => {},
    queueAdded: () => {},
    registries: { answered: () => {}, quota: () => {} },
    exposition: Effect.succeed({ contentType: "text/plain", body: "" })
  })
}

/**
 * Users write Images, and with them the names of registries and images: no more than this many become labels of their own.
 * All others share the label `other`, until the process starts again.
 */
const LABELS = { registries: 100, images: 1_000 }

/** The labels of a metric for names that users write. */
const labelsOf = (most: number): ((name: string) => string) => {
  const labels = new Set<string>()
  return (name) => {
    if (labels.size < most) labels.add(name)
    return labels.has(name) ? name : "other"
  }
}

/** The label dashboards for controllers select by. */
const CONTROLLER = "image"

const makeMetrics = Effect.sync(() => {
  const registry = new prometheus.Registry()
  const registers = [registry]
  prometheus.collectDefaultMetrics({ register: registry })
  const reloads = new prometheus.Counter({
    name: "skopeo_operator_reload_total",
    help: "Number of reloads processed: copies started, by source image and version.",
    labelNames: ["image"],
    registers
  })
  const copies = new prometheus.Counter({
    name: "skopeo_operator_copies_total",
    help: "Copies that have ended, by outcome.",
    labelNames: ["outcome"],
    registers
  })
  const bytes = new prometheus.Counter({
    name: "skopeo_operator_copy_bytes_total",
    help: "Bytes at destinations, by source image and version: sent there, or present by a mount or from before.",
    labelNames: ["image", "how"],
    registers
  })
  const remaining = new prometheus.Gauge({
    name: "skopeo_operator_copy_bytes_remaining",
    help: "Bytes to come of the copies under way, by source image and version.",
    labelNames: ["image"],
    registers
  })
  const reconciles = new prometheus.Counter({
    name: "controller_runtime_reconcile_total",
    help: "Reconciles, by controller and result.",
    labelNames: ["controller", "result"],
    registers
  })
  const errors = new prometheus.Counter({
    name: "controller_runtime_reconcile_errors_total",
    help: "Reconciles that failed, by controller.",
    labelNames: ["controller"],
    registers
  })
  const seconds = new prometheus.Histogram({
    name: "controller_runtime_reconcile_time_seconds",
    help: "How long a reconcile took.",
    labelNames: ["controller"],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60],
    registers
  })
  const active = new prometheus.Gauge({
    name: "controller_runtime_active_workers",
    help: "Reconciles that run now.",
    labelNames: ["controller"],
    registers
  })
  const depth = new prometheus.Gauge({
    name: "workqueue_depth",
    help: "Keys that wait to be reconciled.",
    labelNames: ["name"],
    registers
  })
  const adds = new prometheus.Counter({
    name: "workqueue_adds_total",
    help: "Keys added to the work queue.",
    labelNames: ["name"],
    registers
  })
  const requests = new prometheus.Counter({
    name: "skopeo_operator_registry_requests_total",
    help: "Requests to registries, by the status of the answer; none if there was no answer.",
    labelNames: ["registry", "method", "code"],
    registers
  })
  const budgetRemaining = new prometheus.Gauge({
    name: "skopeo_operator_registry_budget_remaining",
    help: "What a registry says is left of its limit, such as Docker Hub's of pulls; of several credentials' the least.",
    labelNames: ["registry"],
    registers
  })
  const budgetLimit = new prometheus.Gauge({
    name: "skopeo_operator_registry_budget_limit",
    help: "The limit a registry says it has, such as Docker Hub's of pulls in six hours.",
    labelNames: ["registry"],
    registers
  })
  const registryLabel = labelsOf(LABELS.registries)
  const imageLabel = labelsOf(LABELS.images)
  for (const result of ["success", "error", "requeue_after"]) reconciles.inc({ controller: CONTROLLER, result }, 0)
  for (const outcome of ["succeeded", "failed"]) copies.inc({ outcome }, 0)
  errors.inc({ controller: CONTROLLER }, 0)
  active.set({ controller: CONTROLLER }, 0)
  depth.set({ name: CONTROLLER }, 0)
  adds.inc({ name: CONTROLLER }, 0)

  const samples: Array<Effect.Effect<ReadonlyMap<string, number>>> = []

  return Metrics.of({
    copyStarted: (image) => reloads.inc({ image: imageLabel(image) }),
    copyFinished: (outcome) => copies.inc({ outcome }),
    bytesCopied: (image, how, count) => {
      if (count > 0) bytes.inc({ image: imageLabel(image), how }, count)
    },
    sampling: (sample) => void samples.push(sample),
    reconciling: (reconcile, resultOf) =>
      Effect.gen(function* () {
        const start = yield* Clock.currentTimeMillis
        active.inc({ controller: CONTROLLER })
        const value = yield* reconcile.pipe(
          Effect.tapCause(() =>
            Effect.sync(() => {
              errors.inc({ controller: CONTROLLER })
              reconciles.inc({ controller: CONTROLLER, result: "error" })
            })
          ),
          Effect.ensuring(
            Effect.map(Clock.currentTimeMillis, (end) => {
              active.dec({ controller: CONTROLLER })
              seconds.observe({ controller: CONTROLLER }, (end - start) / 1_000)
            })
          )
        )
        reconciles.inc({ controller: CONTROLLER, result: resultOf(value) })
        return value
      }),
    queueDepth: (value) => depth.set({ name: CONTROLLER }, value),
    queueAdded: () => adds.inc({ name: CONTROLLER }),
    registries: {
      answered: (name, method, code) => requests.inc({ registry: registryLabel(name), method, code }),
      quota: (name, remaining, limit) => {
        budgetRemaining.set({ registry: registryLabel(name) }, remaining)
        budgetLimit.set({ registry: registryLabel(name) }, limit)
      }
    },
    exposition: Effect.gen(function* () {
      const sampled = yield* Effect.all(samples)
      // An Image that copies nothing has no series.
      remaining.reset()
      for (const [image, count] of sampled.flatMap((images) => [...images])) {
        remaining.inc({ image: imageLabel(image) }, count)
      }
      return yield* Effect.promise(async () => ({
        contentType: registry.contentType,
        body: await registry.metrics()
      }))
    })
  })
})
