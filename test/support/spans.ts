/** What a tracer is told of: the spans of a piece of work. */
import { Effect, Option, Tracer } from "effect"

export interface Spans {
  /** In the order in which they began. */
  readonly all: ReadonlyArray<Tracer.Span>
  /** Has the spans of an effect collected. */
  readonly collect: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const makeSpans = (): Spans => {
  const all: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      all.push(span)
      return span
    }
  })
  return { all, collect: Effect.provideService(Tracer.Tracer, tracer) }
}

/** Spans and all that is below them: a line a span, indented by its depth. */
export const treeOf = (
  spans: ReadonlyArray<Tracer.Span>,
  describe: (span: Tracer.Span) => string,
  roots: ReadonlyArray<Tracer.Span> = spans.filter(({ parent }) => Option.isNone(parent))
): string => {
  const linesOf = (span: Tracer.Span, depth: number): ReadonlyArray<string> => [
    `${"  ".repeat(depth)}${describe(span)}`,
    ...spans
      .filter(({ parent }) => Option.exists(parent, ({ spanId }) => spanId === span.spanId))
      .flatMap((child) => linesOf(child, depth + 1))
  ]
  return roots.flatMap((root) => linesOf(root, 0)).join("\n")
}
