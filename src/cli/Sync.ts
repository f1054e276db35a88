/** `sync`: runs the operator's reconciler over Images from files, once and without a cluster. */
import { Console, Effect, LogLevel, Option, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { Controller } from "../controller/Controller.ts"
import { ImageStore } from "../controller/ImageStore.ts"
import { conditionOf, type ImageHeader } from "../domain/Image.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import { KubeClient } from "../kube/KubeClient.ts"
import { Images } from "../kube/Resources.ts"
import { keyOf } from "../kube/Store.ts"
import { jsonText } from "../text/line.ts"
import { CommandFailure } from "./CommandFailure.ts"
import { BAD_USAGE, FAILED } from "./exitCodes.ts"
import { imageFlags } from "./imageFlags.ts"
import { formatManifestProblem } from "./manifests.ts"
import { readImages } from "./readImages.ts"
import { showProgress } from "./showProgress.ts"
import { formatTable, outputWidth } from "./table.ts"

const policy = Flag.String("policy").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription("A YAML file with the policy that the Images must follow. Default POLICY_FILE"),
  Flag.optional
)

const tlsVerify = Flag.Boolean("tls-verify").pipe(
  Flag.withDescription(
    "false accepts any certificate and plain HTTP, for Images that do not say. Registries on this machine need no flag"
  ),
  Flag.optional
)

const output = Flag.Literals("output", ["text", "json"]).pipe(
  Flag.withAlias("o"),
  Flag.withDescription("A table, or one JSON document"),
  Flag.withDefault("text" as const)
)

/** Whether a run has finished an Image: no work is left but retries. */
const isSettled = (image: StoredImage): boolean => {
  // The operator does not copy a suspended Image, and does not write its status.
  if (image._tag === "Readable" && image.mirror.suspend) return true
  const ready = conditionOf(image.status, "Ready")
  if (ready === undefined || ready.observedGeneration !== image.generation) return false
  const reconciling = conditionOf(image.status, "Reconciling")
  return reconciling === undefined || reconciling.reason === "ProgressingWithRetry"
}

/** Waits until all Images of the given keys are settled, and gives them in the order of the keys. */
const settled = Effect.fnUntraced(function* (keys: ReadonlySet<string>) {
  const store = yield* ImageStore
  const controller = yield* Controller
  const images = Effect.map(
    Effect.forEach(keys, (key) => store.get(key)),
    (stored) => stored.flatMap(Option.toArray)
  )
  yield* Effect.forkScoped(showProgress(images))
  const open = new Set(keys)
  yield* store.changes.pipe(
    Stream.takeUntil(({ after, key }) => {
      if (after !== undefined && isSettled(after)) open.delete(key)
      else if (keys.has(key)) open.add(key)
      return open.size === 0
    }),
    Stream.runDrain
  )
  // The status has the end of a copy before the end is logged. The log of the last copy comes before the table.
  yield* controller.idle
  return yield* images
}, Effect.scoped)

/** The result of an Image for `--output json`. */
const resultOf = (image: ImageHeader) => {
  const ready = conditionOf(image.status, "Ready")
  return {
    namespace: image.namespace,
    name: image.name,
    ready: ready?.status === "True",
    reason: ready?.reason ?? "",
    message: ready?.message ?? "",
    ...(image.status.tags === undefined ? {} : { tags: image.status.tags })
  }
}

const tableOf = (images: ReadonlyArray<ImageHeader>, width: number): string =>
  formatTable(
    ["IMAGE", "TAGS", "READY", "STATUS", "MESSAGE"],
    images.map((image) => {
      const ready = conditionOf(image.status, "Ready")
      return [keyOf(image), image.status.tags ?? "-", ready?.status ?? "", ready?.reason ?? "", ready?.message ?? ""]
    }),
    width
  )

export const syncCommand = Command.make(
  "sync",
  { ...imageFlags, output, policy, tlsVerify },
  Effect.fn(function* ({ output, ...selection }) {
    const { images: manifests, notes, problems } = yield* readImages(selection)
    const isQuiet = !(yield* LogLevel.isEnabled("Info"))
    const lines = [...(isQuiet ? [] : notes), ...problems.map(formatManifestProblem)]
    yield* Effect.forEach(lines, (line) => Console.error(line), { discard: true })
    if (problems.length > 0) {
      if (output === "json") yield* Console.log(jsonText({ images: [], problems }, 2))
      return yield* new CommandFailure({ exitCode: BAD_USAGE, detail: "" })
    }
    const kube = yield* KubeClient
    const controller = yield* Controller
    yield* controller.synced
    yield* Effect.forEach(manifests, (image) => kube.create(Images, image), { discard: true })
    const keys = new Set(manifests.map(({ metadata }) => keyOf(metadata)))
    const images = yield* Effect.raceFirst(settled(keys), controller.running)
    if (output === "json") yield* Console.log(jsonText({ images: images.map(resultOf), problems }, 2))
    else yield* Console.log(tableOf(images, yield* outputWidth))
    const isStalled = images.some((image) => conditionOf(image.status, "Stalled") !== undefined)
    if (isStalled) return yield* new CommandFailure({ exitCode: BAD_USAGE, detail: "" })
    if (images.some((image) => conditionOf(image.status, "Ready")?.status !== "True")) {
      return yield* new CommandFailure({ exitCode: FAILED, detail: "" })
    }
  })
).pipe(
  Command.withDescription(
    "Copies the tags of Images in files, once and without a cluster. All files are read and checked first: one mistake, and nothing is copied. Later runs copy only what is missing or has moved."
  ),
  Command.withExamples([
    { command: "skopeo-operator sync -f image.yaml", description: "Copy what a file says" },
    { command: "skopeo-operator sync -f images/ -R -l team=a", description: "The Images of a team, in a directory" },
    { command: "helm template ./mirrors | skopeo-operator sync -f -", description: "What another tool prints" },
    { command: "skopeo-operator sync -f images.yaml argocd -o json", description: "One Image, and a JSON document" }
  ])
)
