/** `plan`: says what `sync` would do with the Images of files. Nothing is written anywhere. */
import { Console, Effect, Option } from "effect"
import { Command } from "effect/cli"
import { ImageStore } from "../controller/ImageStore.ts"
import { Planner } from "../controller/Planner.ts"
import { KubeClient } from "../kube/KubeClient.ts"
import { Images } from "../kube/Resources.ts"
import { keyOf } from "../kube/Store.ts"
import { RequestCount } from "../registry/limits/RequestCount.ts"
import { paintOutput } from "./color.ts"
import { CommandFailure } from "./CommandFailure.ts"
import { BAD_USAGE, CHANGES, DONE, FAILED } from "./exitCodes.ts"
import { imageFlags } from "./imageFlags.ts"
import { localFlags } from "./localFlags.ts"
import { type Format, formatDocument, outputFlag } from "./output.ts"
import { isChange, type Plan, planResult } from "./PlanResult.ts"
import { plannedReferences, planText } from "./planText.ts"
import { printFindings } from "./printFindings.ts"
import { readImages } from "./readImages.ts"
import { outputWidth } from "./table.ts"

/** How many Images are checked at once. */
const AT_ONCE = 4

const report = Effect.fnUntraced(function* (plan: Plan, format: Format) {
  if (format === "json" || format === "yaml") return yield* Console.log(formatDocument(planResult(plan), format))
  if (format === "name") {
    return yield* Effect.forEach(plannedReferences(plan.images), (text) => Console.log(text), { discard: true })
  }
  if (plan.images.length === 0) return
  const look = { width: yield* outputWidth, paint: yield* paintOutput }
  yield* Console.log(planText(plan, format === "wide", look))
})

const exitCodeOf = ({ images, problems }: Plan): number => {
  if (problems.length > 0 || images.some(({ failure }) => failure?.stalled === true)) return BAD_USAGE
  const tags = images.flatMap((image) => image.tags)
  if (images.some(({ failure }) => failure !== undefined) || tags.some(({ reason }) => reason === "Failed"))
    return FAILED
  return tags.some(isChange) ? CHANGES : DONE
}

export const planCommand = Command.make(
  "plan",
  {
    ...imageFlags,
    ...localFlags,
    output: outputFlag("the references of all tags that sync would write")
  },
  Effect.fn(
    function* ({ output, ...selection }) {
      const { images: manifests, notes, problems } = yield* readImages(selection)
      yield* printFindings({ notes, problems })
      const kube = yield* KubeClient
      const store = yield* ImageStore
      yield* store.synced
      // All Images are known before the first is planned, because older ones claim tags.
      yield* Effect.forEach(problems.length > 0 ? [] : manifests, (image) =>
        Effect.flatMap(kube.create(Images, image), store.written)
      )
      const stored = yield* Effect.forEach(manifests, ({ metadata }) => store.get(keyOf(metadata)))
      const { plan } = yield* Planner
      const images = yield* Effect.forEach(stored.flatMap(Option.toArray), plan, { concurrency: AT_ONCE })
      const { counts } = yield* RequestCount
      const planned: Plan = { images, problems, requests: yield* counts }
      yield* report(planned, output)
      const exitCode = exitCodeOf(planned)
      if (exitCode !== DONE) return yield* CommandFailure.printed(exitCode)
    },
    // A part of a plan would look like a whole one.
    Effect.onInterrupt(() => Console.error("interrupted: the plan is not complete; run it again"))
  )
).pipe(
  Command.withDescription(
    "Says what sync would do with the Images in files, and why: copy, overwrite, leave or skip each tag, the bytes to send, and the cost. Writes nothing anywhere."
  ),
  Command.withExamples([
    { command: "skopeo-operator plan -f image.yaml", description: "What would sync do?" },
    { command: "skopeo-operator plan -f images/ -o wide", description: "Every tag, with its digests" },
    { command: "skopeo-operator plan -f images/ -o json | jq .totals" }
  ])
)
