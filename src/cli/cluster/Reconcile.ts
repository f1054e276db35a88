/** `reconcile`: asks the operator for a check of Images at once, and waits for its end. */
import { Clock, Console, Duration, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { parseFrequency } from "../../domain/Frequency.ts"
import { conditionOf, REQUESTED_AT } from "../../domain/Image.ts"
import { boundedLine, excerpt } from "../../text/line.ts"
import { CommandFailure } from "../CommandFailure.ts"
import { BAD_USAGE } from "../exitCodes.ts"
import { awaitHandled, type Outcome, type Requested } from "./awaitHandled.ts"
import { changeEach, failIf, type ImageRefusal, labelIn, patchImage } from "./changes.ts"
import type { ClusterImage } from "./ClusterImage.ts"
import { accessFlags, allFlag, selectionFlags } from "./clusterFlags.ts"
import { selectionToChange } from "./selection.ts"
import { textIn } from "./specText.ts"
import { textFlag } from "../textFlag.ts"

const wait = Flag.Boolean("wait").pipe(
  Flag.withDescription("Waits until the check is made and its copies have ended. --wait=false only asks for the check"),
  Flag.withDefault(true)
)

const timeout = textFlag("timeout").pipe(
  Flag.withMetavar("DURATION"),
  Flag.withDescription("The longest wait, such as 30s or 1h"),
  Flag.withDefault("5m")
)

const SUSPENDED: ImageRefusal = { _tag: "ImageRefusal", why: "is suspended; resume it first" }

export const reconcileCommand = Command.make(
  "reconcile",
  { ...selectionFlags, all: allFlag, wait, timeout, ...accessFlags },
  Effect.fn(function* ({ timeout, wait, ...input }) {
    const millis = yield* Effect.mapError(
      Effect.fromResult(parseFrequency(timeout)),
      (problem) =>
        new CommandFailure({ exitCode: BAD_USAGE, detail: `--timeout: "${excerpt(timeout, 40)}" ${problem}` })
    )
    const selection = yield* selectionToChange(input)
    const label = labelIn(selection)
    // With milliseconds, so that two requests within a second are two.
    const requestedAt = new Date(yield* Clock.currentTimeMillis).toISOString()
    const { changed, isFailed } = yield* changeEach(
      selection,
      Effect.fnUntraced(function* (image: ClusterImage) {
        if (textIn(image.spec, "suspend") === "true") return yield* Effect.fail(SUSPENDED)
        const patched = yield* patchImage(image, { metadata: { annotations: { [REQUESTED_AT]: requestedAt } } })
        if (!wait) yield* Console.log(`${label(image)} check requested`)
        return { image: patched, requestedAt, answeredBefore: textIn(image.status, "lastHandledReconcileAt") }
      })
    )
    if (!wait || changed.length === 0) return yield* failIf(isFailed)
    const outcomes = yield* awaitHandled(changed, Duration.millis(millis), (requested, outcome) =>
      Console.log(boundedLine(`${label(requested.image)} ${describe(outcome, requested, timeout)}`))
    ).pipe(Effect.onInterrupt(() => Console.error("interrupted: the operator goes on; get shows the result")))
    yield* failIf(isFailed || outcomes.some((outcome) => !isReady(outcome)))
  })
).pipe(
  Command.withDescription(
    "Asks the operator to check Images at once, waits until the check is made and its copies have ended, and prints the condition Ready."
  ),
  Command.withExamples(({ commandPath }) => [
    { command: `${commandPath.join(" ")} nginx -n team-a`, description: "Check one Image, and wait for its copies" },
    {
      command: `${commandPath.join(" ")} --all --wait=false`,
      description: "Ask for a check of every Image of the namespace"
    }
  ])
)

const isReady = (outcome: Outcome): boolean =>
  outcome._tag === "Handled" && conditionOf(outcome.status, "Ready")?.status === "True"

const readyText = ({ status }: Pick<Extract<Outcome, { readonly _tag: "Handled" }>, "status">): string => {
  const ready = conditionOf(status, "Ready")
  return ready === undefined ? "has no condition Ready" : `Ready=${ready.status} ${ready.reason}: ${ready.message}`
}

const describe = (outcome: Outcome, { image }: Requested, timeout: string): string => {
  switch (outcome._tag) {
    case "Handled":
      return readyText(outcome)
    case "Deleted":
      return "was deleted"
    case "Late":
      return outcome.isAnswered
        ? `is not finished within ${timeout}: ${readyText(outcome)}`
        : `is not checked within ${timeout}; see whether the operator runs and follows the namespace ${image.metadata.namespace ?? ""}`
  }
}
