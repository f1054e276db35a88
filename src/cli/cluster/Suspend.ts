/** `suspend` and `resume`: stop and continue the checks and new copies of Images in a cluster. */
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { changeEach, failIf, labelIn, patchImage } from "./changes.ts"
import type { ClusterImage } from "./ClusterImage.ts"
import { accessFlags, allFlag, selectionFlags } from "./clusterFlags.ts"
import { selectionToChange, type SelectionInput } from "./selection.ts"
import { textIn } from "./specText.ts"

const flags = { ...selectionFlags, all: allFlag, ...accessFlags }

/** Sets `spec.suspend`. An Image that has the value already is not written. */
const setSuspend = Effect.fnUntraced(function* (
  input: SelectionInput & { readonly all: boolean },
  suspend: boolean,
  outcome: string
) {
  const selection = yield* selectionToChange(input)
  const label = labelIn(selection)
  const { isFailed } = yield* changeEach(
    selection,
    Effect.fnUntraced(function* (image: ClusterImage) {
      const isSet = (textIn(image.spec, "suspend") === "true") === suspend
      if (!isSet) yield* patchImage(image, { spec: { suspend } })
      yield* Console.log(`${label(image)} ${isSet ? `already ${outcome}` : outcome}`)
    })
  )
  yield* failIf(isFailed)
})

export const suspendCommand = Command.make("suspend", flags, (input) => setSuspend(input, true, "suspended")).pipe(
  Command.withDescription("Suspends Images of a cluster: stops their checks and new copies. Running copies finish."),
  Command.withExamples(({ commandPath }) => [
    { command: `${commandPath.join(" ")} nginx -n team-a`, description: "Suspend one Image" },
    { command: `${commandPath.join(" ")} --all -A`, description: "Suspend every Image of the cluster" }
  ])
)

export const resumeCommand = Command.make("resume", flags, (input) => setSuspend(input, false, "resumed")).pipe(
  Command.withDescription("Resumes suspended Images of a cluster."),
  Command.withExamples(({ commandPath }) => [
    { command: `${commandPath.join(" ")} -l team=a`, description: "Resume the Images with a label" }
  ])
)
