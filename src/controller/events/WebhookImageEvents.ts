/**
 * Posts the Events of Images to a receiver over HTTP, beside the {@link ImageEvents} below. An outbox sends them, so that a slow
 * receiver delays no reconcile. An Event that a stopped or killed process has not sent is lost, because no other process sends the
 * Event. A receiver whose answer was lost gets an Event again, with the same id.
 */
import { randomUUID } from "node:crypto"
import { Clock, Effect, Layer, Option, Redacted } from "effect"
import { type ImageKey, keyOf } from "../../domain/ImageKey.ts"
import { type HttpClientOptions, makeHttpClient } from "../../http/HttpClient.ts"
import { type Delivery, makeOutbox, type Sendable } from "../../http/Outbox.ts"
import { Metrics } from "../../metrics/Metrics.ts"
import { cloudEventOf, CONTENT_TYPE, signatureOf } from "./cloudEvent.ts"
import { EventSeries } from "./EventSeries.ts"
import { ImageEvents } from "./ImageEvents.ts"

/** At most 1,000 notifications of about 12 kB wait, each for 15 minutes. */
const BOUNDS = {
  capacity: 1_000,
  bytes: 16 * 1024 * 1024,
  attempts: 8,
  age: "15 minutes",
  timeout: "10 seconds",
  grace: "2 seconds"
} as const

/** The most notifications of one namespace that wait, so that its tenant leaves room for others. */
const OF_NAMESPACE = 900

export interface WebhookOptions extends Pick<HttpClientOptions, "certificates" | "proxies" | "userAgent"> {
  /** The URL may hold a secret. Messages have only its host. */
  readonly url: Redacted.Redacted<URL>
  /** The key of the signatures. Without a secret nothing is signed. */
  readonly secret: Option.Option<Redacted.Redacted<Uint8Array>>
  /** The `source` of the CloudEvents: this operator, as a URI reference. */
  readonly source: string
}

/** A notification as it waits: its document, and the facts of its log line. */
interface Waiting extends Sendable {
  readonly id: string
  readonly image: ImageKey
  readonly reason: string
}

const OUTCOMES = { Sent: "sent", Refused: "failed", Failed: "failed", Dropped: "dropped" } as const

const make = Effect.fnUntraced(function* ({ secret, source, url: redacted, ...http }: WebhookOptions) {
  const below = yield* ImageEvents
  const metrics = yield* Metrics
  const client = yield* makeHttpClient({ ...http, bulkReader: false })
  const url = Redacted.value(redacted)
  const series = new EventSeries()
  /** How many notifications of a namespace wait or are sent. */
  const held = new Map<string, number>()
  let isFailing = false

  const ended = ({ image, reason }: Pick<Waiting, "image" | "reason">, delivery: Delivery): Effect.Effect<void> =>
    Effect.suspend(() => {
      metrics.notified(OUTCOMES[delivery._tag])
      const wasFailing = isFailing
      isFailing = delivery._tag !== "Sent"
      if (!isFailing) return Effect.void
      const why = "error" in delivery ? delivery.error : "too many notifications wait, or the operator stops"
      // A receiver that is gone fails each notification.
      return (wasFailing ? Effect.logDebug("notification not sent") : Effect.logWarning("notification not sent")).pipe(
        Effect.annotateLogs({ image: keyOf(image), reason, error: `${url.host}: ${why}` })
      )
    })

  const outbox = yield* makeOutbox<Waiting>(BOUNDS, {
    request: ({ body, id }, now) => {
      const signature = Option.match(secret, {
        onNone: () => ({}),
        onSome: (key) => signatureOf(Redacted.value(key), id, now, body)
      })
      return { method: "POST", url, headers: { "content-type": CONTENT_TYPE, ...signature } }
    },
    // The operator's owner has named the receiver, which may have any address.
    send: (request) => client.send(request, { tlsVerify: true, scope: "any" }),
    ended: (waiting, delivery) => {
      const { namespace } = waiting.image
      const others = (held.get(namespace) ?? 0) - 1
      if (others > 0) held.set(namespace, others)
      else held.delete(namespace)
      return ended(waiting, delivery)
    }
  })

  return ImageEvents.of({
    report: Effect.fn("ImageEvents.report")(function* (image, events) {
      yield* below.report(image, events)
      const at = yield* Clock.currentTimeMillis
      const { name, namespace } = image
      for (const event of events) {
        const { reason } = event
        const found = series.add(`${image.uid} ${reason}`, event.note, at)
        if (found?.isDue === false) continue
        const ofNamespace = held.get(namespace) ?? 0
        if (found === undefined || ofNamespace >= OF_NAMESPACE) {
          yield* ended({ image, reason }, { _tag: "Dropped" })
          continue
        }
        const id = randomUUID()
        const document = cloudEventOf({ id, source, at, image, event, count: found.count })
        held.set(namespace, ofNamespace + 1)
        yield* outbox.offer({ id, image: { namespace, name }, reason, body: Buffer.from(JSON.stringify(document)) })
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
