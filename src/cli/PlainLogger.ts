/** Log lines as prose for a terminal, on standard error. Standard output is for results. */
import { Effect, Layer, Logger, LogLevel, References, Stdio } from "effect"
import { boundedLine } from "../text/line.ts"
import { withShortDigests } from "./digests.ts"
import { shownName } from "./imageName.ts"
import { LiveArea } from "./LiveArea.ts"

type Annotations = Readonly<Record<string, unknown>>

/** The most characters of one annotation. */
const SHOWN = 1_000

/**
 * Formats a record as one line: the object, the message, the tag and the cause. The parts in brackets are optional:
 *
 *     [image | job | resource: ]message[ resource][ tag][ (digest)][ to destination][, job …][, attempt …][, count …][: error]
 *
 * Without an error, ` at registry` and `: reason` end the line; the text of an error names the registry. The resource of a
 * record with a registry is a request, which is no subject. No line has the source, because the Image names the source.
 */
export const formatRecord = (message: string, annotations: Annotations): string => {
  const textOf = (key: string): string => {
    const value = annotations[key]
    return typeof value === "string" || typeof value === "number" ? boundedLine(String(value), SHOWN) : ""
  }
  const part = (key: string, before: string, after = ""): string => {
    const text = textOf(key)
    return text === "" ? "" : before + text + after
  }
  const isRequest = textOf("registry") !== ""
  const subject = shownName(textOf("image")) || textOf("job") || (isRequest ? "" : textOf("resource"))
  return [
    subject === "" ? message : `${subject}: ${message}`,
    isRequest || textOf("image") !== "" ? part("resource", " ") : "",
    part("tag", " "),
    part("digest", " (", ")"),
    part("destination", " to "),
    textOf("image") === "" ? "" : part("job", ", job "),
    // A first attempt needs no number.
    textOf("attempt") === "1" ? "" : part("attempt", ", attempt "),
    part("count", ", count "),
    part("error", ": ") || part("registry", " at ") + part("reason", ": ")
  ].join("")
}

/** The records about one copy that goes as it should. On a terminal the {@link LiveArea} and the result show them instead. */
const OF_ONE_COPY: ReadonlySet<string> = new Set(["copy started", "copied", "already present"])

/** The logger of commands. Lines are printed above the {@link LiveArea}. On a terminal each copy has lines at Debug only. */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const area = yield* LiveArea
    const isTerminal = yield* (yield* Stdio.Stdio).stderrIsTerminal
    return Logger.layer([
      Logger.make<unknown, void>(({ fiber, logLevel, message }) => {
        const words = (Array.isArray(message) ? message : [message]).map(String).join(" ")
        const isVerbose = LogLevel.isLessThanOrEqualTo(fiber.getRef(References.MinimumLogLevel), "Debug")
        if (isTerminal && !isVerbose && OF_ONE_COPY.has(words)) return
        const full = formatRecord(words, fiber.getRef(References.CurrentLogAnnotations))
        // A terminal gets short digests, a file whole ones.
        const text = isTerminal ? withShortDigests(full) : full
        area.print(logLevel === "Info" ? text : `${logLevel.toLowerCase()}: ${text}`)
      })
    ])
  })
)
