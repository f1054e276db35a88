/** `sync`: the operator's own reconciler, once, over Images from files, with no cluster. */
import { Console, Deferred, Effect, FileSystem, Result, Schedule, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { Controller } from "../controller/Controller.ts"
import { CopyEngine } from "../copy/CopyEngine.ts"
import { conditionOf } from "../domain/Conditions.ts"
import { isFinished } from "../domain/Copy.ts"
import type { Image } from "../domain/Image.ts"
import { decodeImage } from "../domain/ImageDecoder.ts"
import { KubeClient } from "../kube/KubeClient.ts"
import { listWatch } from "../kube/ListWatch.ts"
import { type ImageObject, Images } from "../kube/Resources.ts"
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
const isSettled = (image: Image): boolean => {
  const ready = conditionOf(image.status, "Ready")
  if (ready === undefined || ready.observedGeneration !== image.generation) return false
  const reconciling = conditionOf(image.status, "Reconciling")
  return reconciling === undefined || reconciling.reason === "ProgressingWithRetry"
}

const decoded = (object: ImageObject): ReadonlyArray<Image> =>
  Result.match(decodeImage(object), { onFailure: () => [], onSuccess: (image) => [image] })

const keyOf = ({ name, namespace }: Pick<Image, "namespace" | "name">): string => `${namespace}/${name}`

/** Completes with the Images of the given keys, in their order, as soon as all of them are settled. */
const settled = Effect.fnUntraced(function* (keys: ReadonlySet<string>) {
  const seen = new Map<string, Image>()
  const result = yield* Deferred.make<ReadonlyArray<Image>>()
  const note = (objects: ReadonlyArray<ImageObject>) =>
    Effect.suspend(() => {
      for (const image of objects.flatMap(decoded)) if (keys.has(keyOf(image))) seen.set(keyOf(image), image)
      const images = [...keys].flatMap((key) => seen.get(key) ?? [])
      return images.length === keys.size && images.every(isSettled)
        ? Effect.asVoid(Deferred.succeed(result, images))
        : Effect.void
    })
  yield* listWatch(Images, {}).pipe(
    Stream.runForEach((event) => note(event._tag === "Replaced" ? event.objects : [event.object])),
    Effect.forkScoped
  )
  yield* Effect.forkScoped(showProgress(() => [...keys].flatMap((key) => seen.get(key) ?? [])))
  const images = yield* Deferred.await(result)
  // The last word on a copy comes after its status is written, and before the engine may forget it.
  const engine = yield* CopyEngine
  yield* Effect.forEach(images, (image) => engine.copies(image)).pipe(
    Effect.orElseSucceed(() => []),
    Effect.repeat({
      schedule: Schedule.spaced("1 millis"),
      until: (copies) => !copies.flat().some(isFinished),
      times: 1_000
    })
  )
  return images
}, Effect.scoped)

/** What has come of an Image, for a machine. */
const resultOf = (image: Image) => {
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

const tableOf = (images: ReadonlyArray<Image>, width: number): string =>
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
    yield* (yield* Controller).synced
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
        const key = `${image.metadata.namespace ?? ""}/${image.metadata.name}`
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
    const images = keys.size === 0 ? [] : yield* settled(keys)
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
