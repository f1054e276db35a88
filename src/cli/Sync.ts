/** `sync`: the operator's own reconciler, once, over Images from files, with no cluster. */
import { Console, Effect, FileSystem, Option, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { Controller } from "../controller/Controller.ts"
import { ImageStore } from "../controller/ImageStore.ts"
import { conditionOf, type ImageHeader } from "../domain/Image.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import { KubeClient } from "../kube/KubeClient.ts"
import { Images } from "../kube/Resources.ts"
import { keyOf } from "../kube/Store.ts"
import { BAD_USAGE, CommandFailure, FAILED } from "./CommandFailure.ts"
import { readManifests } from "./manifests.ts"
import { showProgress } from "./showProgress.ts"
import { formatTable, outputWidth } from "./table.ts"

const files = Flag.String("file").pipe(
  Flag.withAlias("f"),
  Flag.withDescription("A YAML file with Images; may be given more than once"),
  Flag.atLeast(1)
)

const output = Flag.Literals("output", ["text", "json"]).pipe(
  Flag.withAlias("o"),
  Flag.withDescription("A table, or one JSON document"),
  Flag.withDefault("text" as const)
)

/** Whether a run is through with an Image: everything is done that can be done without waiting for a retry. */
const isSettled = (image: StoredImage): boolean => {
  // Nothing is copied for an Image that is suspended, and nothing is written into its status.
  if (image._tag === "Readable" && image.mirror.suspend) return true
  const ready = conditionOf(image.status, "Ready")
  if (ready === undefined || ready.observedGeneration !== image.generation) return false
  const reconciling = conditionOf(image.status, "Reconciling")
  return reconciling === undefined || reconciling.reason === "ProgressingWithRetry"
}

/** Completes with the Images of the given keys, in their order, as soon as all of them are settled. */
const settled = Effect.fnUntraced(function* (keys: ReadonlySet<string>) {
  const store = yield* ImageStore
  const controller = yield* Controller
  const images = Effect.map(
    Effect.forEach(keys, (key) => store.get(key)),
    (found) => found.flatMap(Option.toArray)
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
  // How a copy has ended is in the status before it is recorded, and printed, as a whole.
  yield* controller.idle
  return yield* images
}, Effect.scoped)

/** What has come of an Image, for a machine. */
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
  { files, output },
  Effect.fn(function* ({ files, output }) {
    const fs = yield* FileSystem.FileSystem
    const kube = yield* KubeClient
    const controller = yield* Controller
    yield* controller.synced
    const problems: Array<string> = []
    const keys = new Set<string>()
    for (const file of files) {
      const text = yield* fs
        .readFileString(file)
        .pipe(
          Effect.mapError(
            () =>
              new CommandFailure({ exitCode: BAD_USAGE, detail: `--file: "${file}" cannot be read; name a YAML file` })
          )
        )
      const manifests = readManifests(file, text)
      problems.push(...manifests.problems)
      for (const image of manifests.images) {
        const key = keyOf(image.metadata)
        yield* kube.create(Images, image).pipe(
          Effect.matchEffect({
            onSuccess: () => Effect.sync(() => keys.add(key)),
            onFailure: () =>
              Effect.sync(() =>
                problems.push(`${file}: metadata.name: Image ${key} is given twice; rename one of them`)
              )
          })
        )
      }
    }
    yield* Effect.forEach(problems, (problem) => Console.error(problem), { discard: true })
    const images = keys.size === 0 ? [] : yield* Effect.raceFirst(settled(keys), controller.running)
    if (output === "json") yield* Console.log(JSON.stringify({ images: images.map(resultOf), problems }, undefined, 2))
    else if (images.length > 0) yield* Console.log(tableOf(images, yield* outputWidth))
    const unusable = problems.length > 0 || images.some((image) => conditionOf(image.status, "Stalled") !== undefined)
    if (unusable) return yield* new CommandFailure({ exitCode: BAD_USAGE, detail: "" })
    if (images.some((image) => conditionOf(image.status, "Ready")?.status !== "True")) {
      return yield* new CommandFailure({ exitCode: FAILED, detail: "" })
    }
  })
).pipe(
  Command.withDescription(
    "Copies what Images in files ask for, once and without a cluster. Ends with 0 if all is in sync, 1 if something could not be copied, 2 if a manifest cannot work."
  )
)
