/**
 * Reports the Events of Images to the API server (`events.k8s.io/v1`). One fiber sends what a bounded queue holds, so that a
 * slow API server delays no reconcile.
 */
import { hash } from "node:crypto"
import { Clock, Effect, Layer, Queue } from "effect"
import type { ImageIdentity } from "../../domain/Copy.ts"
import { API_VERSION, KIND } from "../../domain/Image.ts"
import type { ImageEvent } from "../../domain/plan/events.ts"
import { KubeClient, type Written } from "../../kube/KubeClient.ts"
import { type ReportedEvent, ReportedEvents } from "../../kube/Resources.ts"
import { Metrics } from "../../metrics/Metrics.ts"
import { innermostCause } from "../../text/Cause.ts"
import { EventSeries, type Series } from "./EventSeries.ts"
import { ImageEvents } from "./ImageEvents.ts"

/** The name of the operator in its Events, and the manager of their fields. */
const CONTROLLER = "skopeo-operator"

/** The most Events that wait for the API server. */
const WAITING = 1_000

export interface KubeImageEventsOptions {
  /** The name of this process in Events: the name of its pod. */
  readonly instance: string
}

const make = Effect.fnUntraced(function* ({ instance }: KubeImageEventsOptions) {
  const kube = yield* KubeClient
  const metrics = yield* Metrics
  const series = new EventSeries()
  const queue = yield* Queue.dropping<Written<ReportedEvent>>(WAITING)
  let isFailing = false

  const failed = Effect.fnUntraced(function* (error: unknown) {
    metrics.eventDropped()
    // Without a permission each Event fails.
    if (!isFailing) {
      yield* Effect.annotateLogs(Effect.logWarning("event not written"), { error: innermostCause(error) })
    }
    isFailing = true
  })
  const send = (event: Written<ReportedEvent>) =>
    kube.apply(ReportedEvents, event, CONTROLLER).pipe(
      Effect.matchEffect({
        onSuccess: () => Effect.sync(() => (isFailing = false)),
        onFailure: failed
      }),
      // A defect must not end the fiber that sends.
      Effect.catchDefect(failed)
    )
  yield* Queue.take(queue).pipe(Effect.flatMap(send), Effect.forever, Effect.forkScoped)

  return ImageEvents.of({
    report: Effect.fn("ImageEvents.report")(function* (image, events) {
      const now = yield* Clock.currentTimeMillis
      for (const event of events) {
        const found = series.add(`${image.uid} ${event.reason}`, event.note, now)
        if (found?.isDue === false) continue
        const isQueued = found !== undefined && Queue.offerUnsafe(queue, objectOf(image, event, found, instance))
        if (!isQueued) metrics.eventDropped()
      }
    })
  })
})

/**
 * Reports Events to the API server. An Event of the same reason and note within six minutes extends the series.
 *
 * @example
 * ```ts
 * KubeImageEvents.layer({ instance: "skopeo-operator-7c9f-x2x4q" })
 * ```
 */
export const layer = (options: KubeImageEventsOptions): Layer.Layer<ImageEvents, never, KubeClient | Metrics> =>
  Layer.effect(ImageEvents, make(options))

/** A time with microseconds, as Kubernetes writes the times of Events. */
const microTime = (millis: number): string => new Date(millis).toISOString().replace("Z", "000Z")

/** A name for a series. All reports of the series write the object of this name. */
const nameOf = ({ name, uid }: ImageIdentity, reason: string, { first, note }: Series): string => {
  const series = hash("sha256", [uid, reason, note, first].join("\n"), "hex").slice(0, 16)
  return `${name.slice(0, 200).replace(/[^a-z0-9]+$/u, "")}.${series}`
}

const objectOf = (
  image: ImageIdentity,
  { action, note, reason, type }: ImageEvent,
  series: Series,
  instance: string
): Written<ReportedEvent> => ({
  metadata: { namespace: image.namespace, name: nameOf(image, reason, series) },
  eventTime: microTime(series.first),
  reportingController: CONTROLLER,
  reportingInstance: instance.slice(0, 128),
  type,
  reason,
  action,
  note,
  regarding: { apiVersion: API_VERSION, kind: KIND, namespace: image.namespace, name: image.name, uid: image.uid },
  ...(series.count === 1 ? {} : { series: { count: series.count, lastObservedTime: microTime(series.last) } })
})
