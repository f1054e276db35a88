/** Log lines for a cluster's collector, on standard output: one JSON object per line, with annotations as fields. */
import { Cause, type Fiber, Formatter, Logger, References, Tracer } from "effect"
import { boundedLine, jsonText, shorten } from "./text/line.ts"

/** The most characters of one field, because a registry or a program may have written its text. */
const SHOWN = 1_000

const fieldOf = (value: unknown): string | number | boolean | null => {
  if (typeof value === "number" || typeof value === "boolean" || value === null) return value
  return boundedLine(typeof value === "string" ? value : Formatter.formatJson(value), SHOWN)
}

/** The fields of every record. An annotation with such a name is left out. */
const RESERVED = new Set(["timestamp", "level", "message", "trace_id", "span_id", "cause"])

/** The trace of a record, if the trace is exported. A span of Effect's own tracer stays in this process. */
const traceOf = ({ cache: { span } }: Fiber.Fiber<unknown, unknown>) =>
  span === undefined || !span.sampled || span instanceof Tracer.NativeSpan
    ? {}
    : { trace_id: span.traceId, span_id: span.spanId }

/**
 * Logs records as JSON: `timestamp`, `level`, `message`, the annotations, `trace_id` and `span_id` of an exported trace, and `cause`
 * if the record has one.
 */
export const logger: Logger.Logger<unknown, void> = Logger.withConsoleLog(
  Logger.make<unknown, string>(({ cause, date, fiber, logLevel, message }) => {
    const words = (Array.isArray(message) ? message : [message]).map(fieldOf).join(" ")
    const annotations = Object.entries(fiber.getRef(References.CurrentLogAnnotations))
    return jsonText({
      timestamp: date.toISOString(),
      level: logLevel.toUpperCase(),
      message: shorten(words, SHOWN),
      ...Object.fromEntries(
        annotations.flatMap(([key, value]) => (RESERVED.has(key) ? [] : [[key, fieldOf(value)] as const]))
      ),
      ...traceOf(fiber),
      ...(cause.reasons.length === 0 ? {} : { cause: fieldOf(Cause.pretty(cause)) })
    })
  })
)
