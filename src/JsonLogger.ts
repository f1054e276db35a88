/** Log lines for a cluster's collector, on standard output: one JSON object a line, the facts of a record as its fields. */
import { Cause, Formatter, Logger, References } from "effect"
import { oneLine, shorten } from "./text/line.ts"

/** A registry or a program may have written what a field says. */
const SHOWN = 1_000

const fieldOf = (value: unknown): string | number | boolean | null => {
  if (typeof value === "number" || typeof value === "boolean" || value === null) return value
  return shorten(oneLine(typeof value === "string" ? value : Formatter.formatJson(value)), SHOWN)
}

/** The fields that every record has are of no annotation. */
const RESERVED = new Set(["timestamp", "level", "message", "cause"])

export const logger: Logger.Logger<unknown, void> = Logger.withConsoleLog(
  Logger.make<unknown, string>(({ cause, date, fiber, logLevel, message }) => {
    const words = (Array.isArray(message) ? message : [message]).map(fieldOf).join(" ")
    const annotations = Object.entries(fiber.getRef(References.CurrentLogAnnotations))
    return JSON.stringify({
      timestamp: date.toISOString(),
      level: logLevel.toUpperCase(),
      message: shorten(words, SHOWN),
      ...Object.fromEntries(
        annotations.flatMap(([key, value]) => (RESERVED.has(key) ? [] : [[key, fieldOf(value)] as const]))
      ),
      ...(cause.reasons.length === 0 ? {} : { cause: fieldOf(Cause.pretty(cause)) })
    })
  })
)
