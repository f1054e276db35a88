/** The metrics of the controller and of its queue. The names are those of controller-runtime, for which dashboards exist. */
import { Clock, Effect } from "effect"
import * as prometheus from "prom-client"

/** The result of a reconcile in the metrics, by the names of controller-runtime. */
export type ReconcileResult = "success" | "error" | "requeue_after"

/** Counts the work of the queue. */
export interface QueueMetrics {
  /** Sets the number of keys that wait to be reconciled. */
  readonly depth: (depth: number) => void
  /** A key was added to the queue. */
  readonly added: () => void
  /** A key is taken from the queue, for which it has waited so many milliseconds. */
  readonly taken: (waitedMillis: number) => void
  /** A key has failed and will be added again after a pause. */
  readonly retried: () => void
  /** Sets how many keys may be reconciled at once. */
  readonly concurrency: (keys: number) => void
}

export interface ReconcileMetrics {
  readonly queue: QueueMetrics
  /** Runs a reconcile, and counts its result and its duration. */
  readonly reconciling: <A, E, R>(
    reconcile: Effect.Effect<A, E, R>,
    resultOf: (value: A) => ReconcileResult
  ) => Effect.Effect<A, E, R>
  /** Measures the reconciles that have not ended. Called before each scrape. */
  readonly sample: Effect.Effect<void>
}

/** The value of the labels `controller` and `name`, by which dashboards for controllers select. */
const CONTROLLER = "image"

const RECONCILE_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60]
const QUEUE_BUCKETS = [0.001, 0.01, 0.1, 1, 10, 60, 600, 3_600]

export const reconcileMetrics = (registry: prometheus.Registry): ReconcileMetrics => {
  const registers = [registry]
  const ofController = { labelNames: ["controller"], registers }
  const ofQueue = { labelNames: ["name"], registers }
  const controller = { controller: CONTROLLER }
  const name = { name: CONTROLLER }

  const reconciles = new prometheus.Counter({
    name: "controller_runtime_reconcile_total",
    help: "Reconciles, by controller and result.",
    labelNames: ["controller", "result"],
    registers
  })
  const errors = new prometheus.Counter({
    name: "controller_runtime_reconcile_errors_total",
    help: "Reconciles that failed, by controller.",
    ...ofController
  })
  const seconds = new prometheus.Histogram({
    name: "controller_runtime_reconcile_time_seconds",
    help: "Duration of reconciles in seconds.",
    buckets: RECONCILE_BUCKETS,
    ...ofController
  })
  const active = new prometheus.Gauge({
    name: "controller_runtime_active_workers",
    help: "Running reconciles.",
    ...ofController
  })
  const most = new prometheus.Gauge({
    name: "controller_runtime_max_concurrent_reconciles",
    help: "The most reconciles at once.",
    ...ofController
  })
  const depth = new prometheus.Gauge({
    name: "workqueue_depth",
    help: "Keys that wait to be reconciled.",
    ...ofQueue
  })
  const adds = new prometheus.Counter({
    name: "workqueue_adds_total",
    help: "Keys added to the work queue.",
    ...ofQueue
  })
  const retries = new prometheus.Counter({
    name: "workqueue_retries_total",
    help: "Keys that failed and are added again after a pause.",
    ...ofQueue
  })
  const waited = new prometheus.Histogram({
    name: "workqueue_queue_duration_seconds",
    help: "How long keys wait in the work queue, in seconds.",
    buckets: QUEUE_BUCKETS,
    ...ofQueue
  })
  const worked = new prometheus.Histogram({
    name: "workqueue_work_duration_seconds",
    help: "How long the work on a key lasts, in seconds.",
    buckets: RECONCILE_BUCKETS,
    ...ofQueue
  })
  const unfinished = new prometheus.Gauge({
    name: "workqueue_unfinished_work_seconds",
    help: "How long all running reconciles together have lasted, in seconds. A growing number shows reconciles that do not end.",
    ...ofQueue
  })
  const longest = new prometheus.Gauge({
    name: "workqueue_longest_running_processor_seconds",
    help: "How long the longest running reconcile has lasted, in seconds.",
    ...ofQueue
  })
  for (const result of ["success", "error", "requeue_after"]) reconciles.inc({ ...controller, result }, 0)
  for (const counter of [adds, retries]) counter.inc(name, 0)
  for (const gauge of [depth, unfinished, longest]) gauge.set(name, 0)
  for (const gauge of [active, most]) gauge.set(controller, 0)
  errors.inc(controller, 0)
  seconds.zero(controller)
  for (const histogram of [waited, worked]) histogram.zero(name)

  /** When each running reconcile began. */
  const running = new Set<{ readonly since: number }>()

  return {
    queue: {
      depth: (value) => depth.set(name, value),
      added: () => adds.inc(name),
      taken: (waitedMillis) => waited.observe(name, waitedMillis / 1_000),
      retried: () => retries.inc(name),
      concurrency: (keys) => most.set(controller, keys)
    },
    reconciling: (reconcile, resultOf) =>
      Effect.gen(function* () {
        const run = { since: yield* Clock.currentTimeMillis }
        running.add(run)
        active.set(controller, running.size)
        const value = yield* reconcile.pipe(
          Effect.tapCause(() =>
            Effect.sync(() => {
              errors.inc(controller)
              reconciles.inc({ ...controller, result: "error" })
            })
          ),
          Effect.ensuring(
            Effect.map(Clock.currentTimeMillis, (end) => {
              running.delete(run)
              active.set(controller, running.size)
              seconds.observe(controller, (end - run.since) / 1_000)
              worked.observe(name, (end - run.since) / 1_000)
            })
          )
        )
        reconciles.inc({ ...controller, result: resultOf(value) })
        return value
      }),
    sample: Effect.map(Clock.currentTimeMillis, (now) => {
      const durations = [...running].map(({ since }) => (now - since) / 1_000)
      unfinished.set(
        name,
        durations.reduce((sum, duration) => sum + duration, 0)
      )
      longest.set(name, Math.max(0, ...durations))
    })
  }
}
