/** Log lines for a person at a terminal, on standard error: standard output is for results. */
import { Effect, Layer, Logger, Stdio } from "effect"
import { LiveArea } from "./LiveArea.ts"

export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const area = yield* LiveArea
    const isTerminal = yield* (yield* Stdio.Stdio).stderrIsTerminal
    return Logger.layer([
      Logger.make<unknown, void>(({ logLevel, message }) => {
        const full = (Array.isArray(message) ? message : [message]).map(String).join(" ")
        // A terminal has no room for whole digests; a log has.
        const text = isTerminal ? full.replaceAll(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/gu, "$1…") : full
        area.print(logLevel === "Info" ? `${text}\n` : `${logLevel.toLowerCase()}: ${text}\n`)
      })
    ])
  })
)
