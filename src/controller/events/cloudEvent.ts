/** A notification: an Event of an Image as a CloudEvent 1.0 in JSON, and its signature by Standard Webhooks 1.0. Pure. */
import { createHmac } from "node:crypto"
import type { ImageEvent } from "../../domain/plan/events.ts"
import type { ReportedImage } from "./ImageEvents.ts"

/** What a CloudEvent of an Image says. */
export interface Notification {
  /** Unique, and the same in each attempt. */
  readonly id: string
  /** The operator, as a URI reference. */
  readonly source: string
  /** The time of the report, in milliseconds of the Clock since the epoch. */
  readonly at: number
  readonly image: ReportedImage
  readonly event: ImageEvent
  /** How many reports with this text there were within the last minutes. */
  readonly count: number
}

/** The content type of a CloudEvent in the structured mode of its HTTP binding. */
export const CONTENT_TYPE = "application/cloudevents+json"

/** The type of the CloudEvents of a reason. */
export const typeOf = (reason: string): string => `io.skopeo.image.${reason}`

/** The document of a notification. */
export const cloudEventOf = ({ at, count, event, id, image, source }: Notification) => ({
  specversion: "1.0",
  id,
  source,
  type: typeOf(event.reason),
  subject: `${image.namespace}/${image.name}`,
  time: new Date(at).toISOString(),
  datacontenttype: "application/json",
  data: {
    namespace: image.namespace,
    name: image.name,
    uid: image.uid,
    generation: image.generation,
    type: event.type,
    reason: event.reason,
    ...(event.cause === undefined ? {} : { cause: event.cause }),
    message: event.note,
    count,
    ...(image.source === undefined ? {} : { source: image.source }),
    ...(image.destination === undefined ? {} : { destination: image.destination }),
    ...(event.tags === undefined ? {} : { tags: event.tags, tagCount: event.tagCount })
  }
})

/**
 * The headers with which a receiver verifies a body: the HMAC-SHA256 of `id.timestamp.body`. The timestamp is that of the attempt,
 * in seconds, so that a receiver may refuse an old request.
 */
export const signatureOf = (secret: Uint8Array, id: string, now: number, body: Uint8Array) => {
  const timestamp = String(Math.floor(now / 1_000))
  const signature = createHmac("sha256", secret).update(`${id}.${timestamp}.`).update(body).digest("base64")
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${signature}` }
}
