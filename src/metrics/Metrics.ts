/** The metrics of the operator: a service, whose layer for Prometheus is in a module that only a scraped process loads. */
import { Context, Effect, Layer } from "effect"
import type { CopyMetrics } from "./copyMetrics.ts"
import type { ImageMetrics } from "./imageMetrics.ts"
import type { ReconcileMetrics } from "./reconcileMetrics.ts"
import type { ApiServerMetrics, RegistryMetrics } from "./requestMetrics.ts"

/** The options of {@link Metrics.layerWith}. */
export interface MetricsOptions {
  /**
   * Whether single Images have series of their own: at most 1,000 Images, those that are not ready or not fresh first. Default
   * true. Without them the totals of all Images remain.
   */
  readonly perImage?: boolean
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
 * }).pipe(Effect.provide(Metrics.layer))
 * ```
 */
export class Metrics extends Context.Service<
  Metrics,
  {
    readonly copies: CopyMetrics
    readonly images: ImageMetrics
    readonly queue: ReconcileMetrics["queue"]
    readonly reconciling: ReconcileMetrics["reconciling"]
    /** An Event of an Image was not written: the API server refused the Event, or too many Events wait. */
    readonly eventDropped: () => void
    /** A notification was sent, has failed, or was dropped because too many waited or the process stopped. */
    readonly notified: (outcome: "sent" | "failed" | "dropped") => void
    /** The file of the policy was read. `isValid`: the rules of the file apply. Otherwise those of its last valid version do. */
    readonly policyRead: (path: string, isValid: boolean) => void
    /** Sets whether this process leads, by the name of the Lease. */
    readonly leading: (lease: string, leads: boolean) => void
    /** The metrics of requests to registries. `RegistryClientHttp.layer` takes them as its `observer`. */
    readonly registries: RegistryMetrics
    /** The metrics of requests to the API server. `KubeClientHttp.layer` reports to them. */
    readonly apiServer: ApiServerMetrics
    /** The answer to a scrape, in the text format of Prometheus. */
    readonly exposition: Effect.Effect<{ readonly contentType: string; readonly body: string }>
  }
>()("skopeo-operator/metrics/Metrics") {
  /** The metrics of one operator and of the process. They are not registered in prom-client's global registry. */
  static readonly layerWith = (options: MetricsOptions): Layer.Layer<Metrics> =>
    Layer.unwrap(Effect.promise(async () => (await import("./prometheus.ts")).layer(options)))

  /** {@link Metrics.layerWith} with the default options. */
  static readonly layer: Layer.Layer<Metrics> = Metrics.layerWith({})

  /** Counts nothing. */
  static readonly layerNoop: Layer.Layer<Metrics> = Layer.succeed(Metrics, {
    copies: { started: () => {}, finished: () => {}, bytes: () => {}, gone: () => {}, sampling: () => {} },
    images: { sampling: () => {} },
    queue: { depth: () => {}, added: () => {}, taken: () => {}, retried: () => {}, concurrency: () => {} },
    reconciling: (reconcile) => reconcile,
    eventDropped: () => {},
    notified: () => {},
    policyRead: () => {},
    leading: () => {},
    registries: { answered: () => {}, quota: () => {}, held: () => {} },
    apiServer: { answered: () => {}, watchFailed: () => {} },
    exposition: Effect.succeed({ contentType: "text/plain", body: "" })
  })
}
