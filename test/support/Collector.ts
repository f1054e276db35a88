/** A collector of OpenTelemetry, which keeps the spans that it gets as JSON. */
import { Effect, type Scope } from "effect"
import { type AnswerTo, type Received, startReceiver } from "./Receiver.ts"

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
  readonly requests: ReadonlyArray<Received>
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

/** Starts a collector, by default on the loopback. By default it answers 200. */
export const startCollector = (
  answer: AnswerTo = (response) => void response.end(),
  address?: string
): Effect.Effect<Collector, never, Scope.Scope> =>
  Effect.map(startReceiver(answer, address), ({ host, requests }) => {
    const bodies = () => requests.map(({ body }): Body => JSON.parse(body))
    return {
      url: `http://${host}`,
      requests,
      spans: () =>
        bodies()
          .flatMap(({ resourceSpans }) => resourceSpans)
          .flatMap(({ scopeSpans }) => scopeSpans)
          .flatMap(({ spans }) => spans)
          .map((span) => ({ ...span, attributes: recordOf(span.attributes) })),
      resource: () => recordOf(bodies()[0]?.resourceSpans[0]?.resource.attributes ?? [])
    }
  })
