/**
 * The export of spans by OTLP over HTTP. Effect's exporter encodes batches of spans. An outbox sends the batches: a collector that
 * is slow or gone costs a bounded amount of memory, and delays no work.
 */
import { hostname } from "node:os"
import { ConfigProvider, Effect, Layer, Option, Redacted, Tracer } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { OtlpSerialization, OtlpTracer } from "effect/observability"
import { makeHttpClient, type HttpClientOptions } from "./http/HttpClient.ts"
import { makeOutbox, type Sendable } from "./http/Outbox.ts"
import type { TracingOptions } from "./TracingConfig.ts"
import { version } from "./version.ts"

/** The batches of spans: the most spans of one, and the longest time until the next. */
const BATCH = { spans: 512, every: "5 seconds" } as const

/**
 * At most 8 batches wait. The span of a failure has its message and its stack, so that the size of a batch varies: most are
 * below 300 kB, and one of failures alone may have some MB. The specification of OTLP retries 429 and some of 5xx, with a growing
 * pause.
 */
const BOUNDS = { capacity: 8, bytes: 16 * 1024 * 1024, attempts: 4, age: "1 minute", grace: "2 seconds" } as const

/** A batch of spans, as the exporter has encoded it. */
interface Batch extends Sendable {
  readonly contentType: string
}

/** What the exporter shares with the operator's requests to registries. */
export type TracingHttpOptions = Pick<HttpClientOptions, "certificates" | "proxies">

/** The HTTP client of the exporter, which only adds a batch to the outbox. */
const handover = (options: TracingOptions, { certificates = [], ...http }: TracingHttpOptions) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function* () {
      const client = yield* makeHttpClient({
        ...http,
        certificates: [...certificates, ...options.certificates],
        userAgent: `skopeo-operator/${version}`,
        bulkReader: false
      })
      const url = Redacted.value(options.url)
      let isFailing = false
      const outbox = yield* makeOutbox<Batch>(
        { ...BOUNDS, timeout: options.timeoutMillis },
        {
          request: ({ contentType }) => ({
            method: "POST",
            url,
            headers: { ...Redacted.value(options.headers), "content-type": contentType }
          }),
          // The operator's owner has named the collector, which may have any address.
          send: (request) => client.send(request, { tlsVerify: true, scope: "any" }),
          ended: (_, delivery) => {
            const wasFailing = isFailing
            isFailing = delivery._tag !== "Sent"
            if (!isFailing || wasFailing) return Effect.void
            const why = "error" in delivery ? delivery.error : "too many spans wait"
            return Effect.annotateLogs(Effect.logWarning("traces not sent"), { error: `${url.host}: ${why}` })
          }
        }
      )
      return HttpClient.make((request) => {
        const { body } = request
        const answered = HttpClientResponse.fromWeb(request, new Response(null, { status: 202 }))
        if (body._tag !== "Uint8Array") return Effect.succeed(answered)
        return Effect.as(outbox.offer({ contentType: body.contentType, body: body.body }), answered)
      })
    })
  )

/** The tracer, with a share of the traces only. A span without a parent begins a trace, and decides for all its spans. */
const sampled = (ratio: number) =>
  Layer.effect(
    Tracer.Tracer,
    Effect.map(Tracer.Tracer, (tracer) =>
      Tracer.make({
        context: tracer.context,
        span: (options) =>
          tracer.span({
            ...options,
            sampled: options.sampled && (Option.isSome(options.parent) || Math.random() < ratio)
          })
      })
    )
  )

/** The tracer that exports all spans of the layers above. The last spans are sent when the scope closes, for 2 seconds at most. */
export const layer = (options: TracingOptions, http: TracingHttpOptions): Layer.Layer<never> => {
  const exporter = OtlpTracer.layer({
    url: Redacted.value(options.url).origin,
    resource: {
      serviceName: options.serviceName,
      serviceVersion: version,
      attributes: { "service.instance.id": hostname(), ...options.attributes }
    },
    exportInterval: BATCH.every,
    maxBatchSize: BATCH.spans
  }).pipe(
    Layer.provide(options.protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf),
    Layer.provide(handover(options, http)),
    // The variables are read and judged by TracingConfig.ts.
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} })))
  )
  return sampled(options.ratio).pipe(Layer.provide(exporter))
}
