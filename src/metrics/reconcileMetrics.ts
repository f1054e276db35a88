/** The metrics of the controller and of its queue. The names are those of controller-runtime, for which dashboards exist. */
import { Clock, Effect } from "effect"
import type { Instruments } from "./instruments.ts"

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

export const reconcileMetrics = ({ counter, gauge, histogram }: Instruments): ReconcileMetrics => {
  const controller = { controller: CONTROLLER }
  const name = { name: CONTROLLER }
  const reconciles = counter("controller_runtime_reconcile_total")
  const errors = counter("controller_runtime_reconcile_errors_total")
  const seconds = histogram("controller_runtime_reconcile_time_seconds")
  const active = gauge("controller_runtime_active_workers")
  const most = gauge("controller_runtime_max_concurrent_reconciles")
  const depth = gauge("workqueue_depth")
  const adds = counter("workqueue_adds_total")
  const retries = counter("workqueue_retries_total")
  const waited = histogram("workqueue_queue_duration_seconds")
  const worked = histogram("workqueue_work_duration_seconds")
  const unfinished = gauge("workqueue_unfinished_work_seconds")
  const longest = gauge("workqueue_longest_running_processor_seconds")
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
