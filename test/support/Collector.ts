/** A collector of OpenTelemetry on loopback, which keeps the spans that it gets as JSON. */
import type { IncomingHttpHeaders, RequestListener } from "node:http"
import { Effect, type Scope } from "effect"
import { serve } from "../../src/registry/memory/LoopbackServer.ts"

/** A span as OTLP's JSON has it, with its attributes as a record. */
export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly attributes: Readonly<Record<string, unknown>>
}

export interface Collector {
  /** The URL of the collector. */
  readonly url: string
  readonly requests: ReadonlyArray<{
    readonly path: string
    readonly headers: IncomingHttpHeaders
    readonly body: string
  }>
  /** The spans of all requests whose body is JSON. */
  readonly spans: () => ReadonlyArray<CollectedSpan>
  /** The attributes of the process of the first request. */
  readonly resource: () => Readonly<Record<string, unknown>>
}

interface Attribute {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}
type Written = Omit<CollectedSpan, "attributes"> & { readonly attributes: ReadonlyArray<Attribute> }
interface Body {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: ReadonlyArray<Attribute> }
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Written> }>
  }>
}

const recordOf = (attributes: ReadonlyArray<Attribute>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

/** Starts a collector. By default it answers 200. */
export const startCollector = (
  answer: RequestListener = (_, response) => void response.end()
): Effect.Effect<Collector, never, Scope.Scope> =>
  Effect.suspend(() => {
    const requests: Array<Collector["requests"][number]> = []
    const bodies = () => requests.map(({ body }): Body => JSON.parse(body))
    const listener: RequestListener = (request, response) => {
      let body = ""
      request.setEncoding("utf8").on("data", (text: string) => (body += text))
      request.on("end", () => {
        requests.push({ path: request.url ?? "", headers: request.headers, body })
        answer(request, response)
      })
    }
    return Effect.map(serve(listener), (host) => ({
      url: `http://${host}`,
      requests,
      spans: () =>
        bodies()
          .flatMap(({ resourceSpans }) => resourceSpans)
          .flatMap(({ scopeSpans }) => scopeSpans)
          .flatMap(({ spans }) => spans)
          .map((span) => ({ ...span, attributes: recordOf(span.attributes) })),
      resource: () => recordOf(bodies()[0]?.resourceSpans[0]?.resource.attributes ?? [])
    }))
  })
