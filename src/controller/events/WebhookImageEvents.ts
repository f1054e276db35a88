/**
 * Posts the Events of Images to a receiver over HTTP, beside the {@link ImageEvents} below. An outbox sends them, so that a slow
 * receiver delays no reconcile. An Event that a stopped or killed process has not sent is lost: no Event is sent twice.
 */
import { randomUUID } from "node:crypto"
import { Clock, Effect, Layer, Option, Redacted } from "effect"
import { type HttpClientOptions, makeHttpClient } from "../../http/HttpClient.ts"
import { type Delivery, makeOutbox } from "../../http/Outbox.ts"
import { Metrics } from "../../metrics/Metrics.ts"
import { cloudEventOf, CONTENT_TYPE, type Notification, signatureOf } from "./cloudEvent.ts"
import { EventSeries } from "./EventSeries.ts"
import { ImageEvents, type ReportedImage } from "./ImageEvents.ts"

/** At most 1,000 notifications of about 12 kB wait, each for 15 minutes. */
const BOUNDS = { capacity: 1_000, attempts: 8, age: "15 minutes", timeout: "10 seconds", grace: "2 seconds" } as const

export interface WebhookOptions extends Pick<HttpClientOptions, "certificates" | "proxies" | "userAgent"> {
  /** The URL may hold a secret. Messages have only its host. */
  readonly url: Redacted.Redacted<URL>
  /** The key of the signatures. Without a secret nothing is signed. */
  readonly secret: Option.Option<Redacted.Redacted<Uint8Array>>
  /** The `source` of the CloudEvents: this operator, as a URI reference. */
  readonly source: string
}

const OUTCOMES = { Sent: "sent", Refused: "failed", Failed: "failed", Dropped: "dropped" } as const

const make = Effect.fnUntraced(function* ({ secret, source, url: redacted, ...http }: WebhookOptions) {
  const below = yield* ImageEvents
  const metrics = yield* Metrics
  const client = yield* makeHttpClient({ ...http, bulkReader: false })
  const url = Redacted.value(redacted)
  const series = new EventSeries()
  let isFailing = false

  const ended = ({ event, image }: Notification, delivery: Delivery): Effect.Effect<void> =>
    Effect.suspend(() => {
      metrics.notified(OUTCOMES[delivery._tag])
      const wasFailing = isFailing
      isFailing = delivery._tag !== "Sent"
      if (!isFailing) return Effect.void
      const why = "error" in delivery ? delivery.error : "too many notifications wait, or the operator stops"
      // A receiver that is gone fails each notification.
      return (wasFailing ? Effect.logDebug("notification not sent") : Effect.logWarning("notification not sent")).pipe(
        Effect.annotateLogs({
          image: `${image.namespace}/${image.name}`,
          reason: event.reason,
          error: `${url.host}: ${why}`
        })
      )
    })

  const outbox = yield* makeOutbox<Notification>(BOUNDS, {
    request: (notification, now) => {
      const body = JSON.stringify(cloudEventOf(notification))
      const signature = Option.match(secret, {
        onNone: () => ({}),
        onSome: (key) => signatureOf(Redacted.value(key), notification.id, now, body)
      })
      return { method: "POST", url, headers: { "content-type": CONTENT_TYPE, ...signature }, body: Buffer.from(body) }
    },
    // The operator's owner has named the receiver, which may have any address.
    send: (request) => client.send(request, { tlsVerify: true, scope: "any" }),
    ended
  })

  return ImageEvents.of({
    report: Effect.fn("ImageEvents.report")(function* (image, events) {
      yield* below.report(image, events)
      const at = yield* Clock.currentTimeMillis
      // The queue must not keep whole Images with their status.
      const { destination, generation, name, namespace, source: from, uid } = image
      const reported: ReportedImage = {
        namespace,
        name,
        uid,
        generation,
        ...(from === undefined ? {} : { source: from }),
        ...(destination === undefined ? {} : { destination })
      }
      for (const event of events) {
        const found = series.add(`${uid} ${event.reason}`, event.note, at)
        if (found?.isDue === false) continue
        const notification = { id: randomUUID(), source, at, image: reported, event, count: found?.count ?? 1 }
        yield* found === undefined ? ended(notification, { _tag: "Dropped" }) : outbox.offer(notification)
      }
    })
  })
})

/**
 * Posts each Event that the layer below reports. An Event with the same text within six minutes is posted ten times at most, and
 * then once a minute with its count.
 *
 * @example
 * ```ts
 * import { Layer, Option, Redacted } from "effect"
 * import { ImageEvents, WebhookImageEvents } from "skopeo-operator"
 *
 * const live = WebhookImageEvents.layer({
 *   url: Redacted.make(new URL("https://receiver.example.com/skopeo")),
 *   secret: Option.none(),
 *   source: "/my-program",
 *   userAgent: "my-program/1.0"
 * }).pipe(Layer.provide(ImageEvents.layerNone))
 * ```
 */
export const layer = (options: WebhookOptions): Layer.Layer<ImageEvents, never, ImageEvents | Metrics> =>
  Layer.effect(ImageEvents, make(options))
