/** The metrics of the operator for Prometheus: prom-client behind a service. */
import { Clock, Context, Effect, Layer } from "effect"
import * as prometheus from "prom-client"

/** The result of a reconcile in the metrics, by the names of controller-runtime. */
export type ReconcileResult = "success" | "error" | "requeue_after"

/** Counts the requests to registries. `registry` is the registry's name in Images. */
export interface RegistryMetrics {
  /** Called for each request. `code` is the HTTP status, or `none` without an answer. */
  readonly answered: (registry: string, method: string, code: string) => void
  /** Called with the remaining requests of a quota and the quota's size. */
  readonly quota: (registry: string, remaining: number, limit: number) => void
}

/**
 * Counts the work of the operator. The counters are plain functions: they take no time, cannot fail, and are called for each
 * chunk of bytes. Only the members that run work are effects.
 *
 * @example
 * ```ts
 * const text = Effect.gen(function* () {
 *   const { exposition } = yield* Metrics
 *   return (yield* exposition).body
 * }).pipe(Effect.provide(Metrics.layer()))
 * ```
 */
export class Metrics extends Context.Service<
  Metrics,
  {
    /** A copy was started. `image` is `name:version` of the Image's source. */
    readonly copyStarted: (image: string) => void
    /** A copy's outcome was recorded. */
    readonly copyFinished: (outcome: "succeeded" | "failed") => void
    /** A destination has more bytes of a copy: `sent` there, or `present` by a mount or from before. */
    readonly bytesCopied: (image: string, how: "sent" | "present", bytes: number) => void
    /**
     * Sets the effect that runs before each scrape, and replaces the one before. The effect gives the remaining bytes of running
     * copies, by image.
     */
    readonly sampling: (sample: Effect.Effect<ReadonlyMap<string, number>>) => void
    /** Runs a reconcile, and counts its result and its duration. */
    readonly reconciling: <A, E, R>(
      reconcile: Effect.Effect<A, E, R>,
      resultOf: (value: A) => ReconcileResult
    ) => Effect.Effect<A, E, R>
    /** Sets the number of keys that wait to be reconciled. */
    readonly queueDepth: (depth: number) => void
    /** A key was added to the queue. */
    readonly queueAdded: () => void
    /** An Event of an Image was not written: the API server refused the Event, or too many Events wait. */
    readonly eventDropped: () => void
    /** Sets whether this process leads, by the name of the Lease. */
    readonly leading: (lease: string, leads: boolean) => void
    /** The metrics of requests to registries. `RegistryClientHttp.layer` takes them as its `observer`. */
    readonly registries: RegistryMetrics
    /** The answer to a scrape, in the text format of Prometheus. */
    readonly exposition: Effect.Effect<{ readonly contentType: string; readonly body: string }>
  }
>()("skopeo-operator/Metrics") {
  /** The metrics of one operator and of the process. They are not registered in prom-client's global registry. */
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
    eventDropped: () => {},
    leading: () => {},
    registries: { answered: () => {}, quota: () => {} },
    exposition: Effect.succeed({ contentType: "text/plain", body: "" })
  })
}

/**
 * The most registries and images with a label of their own. Any writer of Images can name more; these are counted as `other`
 * until the process starts again.
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

/** The value of the label `controller`, by which dashboards for controllers select. */
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
    help: "Bytes of copies at destinations, by source image and version: sent, or present by a mount or from before.",
    labelNames: ["image", "how"],
    registers
  })
  const remaining = new prometheus.Gauge({
    name: "skopeo_operator_copy_bytes_remaining",
    help: "Bytes that remain of running copies, by source image and version.",
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
    help: "Duration of reconciles in seconds.",
    labelNames: ["controller"],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60],
    registers
  })
  const active = new prometheus.Gauge({
    name: "controller_runtime_active_workers",
    help: "Running reconciles.",
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
  const events = new prometheus.Counter({
    name: "skopeo_operator_events_dropped_total",
    help: "Events of Images that were not written: refused by the API server, or too many at once.",
    registers
  })
  const master = new prometheus.Gauge({
    name: "leader_election_master_status",
    help: "Whether this process leads, by the name of the Lease: 1 if it does, 0 if it is a candidate.",
    labelNames: ["name"],
    registers
  })
  const requests = new prometheus.Counter({
    name: "skopeo_operator_registry_requests_total",
    help: "Requests to registries, by registry, method and HTTP status; the code is none without an answer.",
    labelNames: ["registry", "method", "code"],
    registers
  })
  // The names of these two metrics are those of earlier releases.
  const quotaRemaining = new prometheus.Gauge({
    name: "skopeo_operator_registry_budget_remaining",
    help: "Requests that remain of a registry's quota, such as Docker Hub's pulls; the least of all credentials.",
    labelNames: ["registry"],
    registers
  })
  const quotaLimit = new prometheus.Gauge({
    name: "skopeo_operator_registry_budget_limit",
    help: "Size of a registry's quota, such as Docker Hub's pulls in six hours.",
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

  let sample: Effect.Effect<ReadonlyMap<string, number>> = Effect.succeed(new Map())

  return Metrics.of({
    copyStarted: (image) => reloads.inc({ image: imageLabel(image) }),
    copyFinished: (outcome) => copies.inc({ outcome }),
    bytesCopied: (image, how, count) => {
      if (count > 0) bytes.inc({ image: imageLabel(image), how }, count)
    },
    sampling: (next) => {
      sample = next
    },
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
    eventDropped: () => events.inc(),
    leading: (name, leads) => master.set({ name }, leads ? 1 : 0),
    registries: {
      answered: (name, method, code) => requests.inc({ registry: registryLabel(name), method, code }),
      quota: (name, remaining, limit) => {
        quotaRemaining.set({ registry: registryLabel(name) }, remaining)
        quotaLimit.set({ registry: registryLabel(name) }, limit)
      }
    },
    exposition: Effect.gen(function* () {
      const sampled = yield* sample
      // An image without running copies has no series.
      remaining.reset()
      for (const [image, count] of sampled) {
        remaining.inc({ image: imageLabel(image) }, count)
      }
      return yield* Effect.promise(async () => ({
        contentType: registry.contentType,
        body: await registry.metrics()
      }))
    })
  })
})
