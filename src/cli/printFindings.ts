/** Prints what was found in files beside Images. */
import { Console, Effect, LogLevel } from "effect"
import { formatManifestProblem } from "./manifests.ts"
import type { ReadImages } from "./readImages.ts"

/** Prints the notes, unless the user wants errors only, and the problems on standard error. */
export const printFindings = Effect.fnUntraced(function* ({ notes, problems }: Pick<ReadImages, "notes" | "problems">) {
  const isQuiet = !(yield* LogLevel.isEnabled("Info"))
  const lines = [...(isQuiet ? [] : notes), ...problems.map(formatManifestProblem)]
  yield* Effect.forEach(lines, (line) => Console.error(line), { discard: true })
})
