/** `sync`: runs the operator's reconciler over Images from files, once and without a cluster. */
import { Cause, Clock, Console, Effect, FileSystem, Option, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { Controller } from "../controller/Controller.ts"
import { ImageStore } from "../controller/ImageStore.ts"
import { Outcomes } from "../controller/Outcomes.ts"
import { conditionOf } from "../domain/Image.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import { KubeClient } from "../kube/KubeClient.ts"
import { Images } from "../kube/Resources.ts"
import { keyOf } from "../kube/Store.ts"
import { boundedLine } from "../text/line.ts"
import { paintOutput } from "./color.ts"
import { BAD_USAGE, CommandFailure, FAILED } from "./CommandFailure.ts"
import { readManifests } from "./manifests.ts"
import { type Format, formatDocument, outputFlag } from "./output.ts"
import { problemOf } from "./problems.ts"
import { showProgress } from "./showProgress.ts"
import { type Run, syncResult } from "./SyncResult.ts"
import { interruption, references, syncText } from "./syncText.ts"
import { outputWidth } from "./table.ts"

const files = Flag.String("file").pipe(
  Flag.withAlias("f"),
  Flag.withDescription("A YAML file with Images. The flag may be repeated"),
  Flag.atLeast(1)
)

const policy = Flag.String("policy").pipe(
  Flag.withDescription("A YAML file with the policy that the Images must follow. Default POLICY_FILE"),
  Flag.optional
)

const output = outputFlag("the references of all tags that the destination has")

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

/** Prints the result of a run: on standard output what the format asks for, on standard error that the run was interrupted. */
const report = Effect.fnUntraced(function* (run: Run, format: Format) {
  const { images, interrupted } = run
  if (format === "json" || format === "yaml") yield* Console.log(formatDocument(syncResult(run), format))
  else if (format === "name") yield* Effect.forEach(references(images), (text) => Console.log(text), { discard: true })
  else if (!interrupted && images.length > 0) {
    const look = { width: yield* outputWidth, paint: yield* paintOutput }
    yield* Console.log(syncText(run, format === "wide", look))
  }
  if (interrupted) yield* Console.error(interruption(images))
})

export const syncCommand = Command.make(
  "sync",
  { files, output, policy },
  Effect.fn(function* ({ files, output }) {
    const fs = yield* FileSystem.FileSystem
    const kube = yield* KubeClient
    const controller = yield* Controller
    const outcomes = yield* Outcomes
    const store = yield* ImageStore
    yield* controller.synced
    const startedAt = yield* Clock.currentTimeMillis
    const problems: Array<string> = []
    const keys = new Set<string>()
    /** Reports what has become of the Images so far. */
    const reportNow = Effect.fnUntraced(function* (interrupted: boolean, unread: ReadonlyArray<string> = []) {
      const stored = (yield* Effect.forEach(keys, (key) => store.get(key))).flatMap(Option.toArray)
      const durationSeconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1_000
      const images = yield* Effect.forEach(stored, (image) => outcomes.of(image))
      yield* report({ images, problems: [...problems, ...unread].map(problemOf), interrupted, durationSeconds }, output)
    })
    const read = Effect.gen(function* () {
      for (const file of files) {
        const text = yield* fs.readFileString(file).pipe(
          Effect.mapError(
            () =>
              new CommandFailure({
                exitCode: BAD_USAGE,
                detail: `--file: "${file}" cannot be read; name a readable YAML file`
              })
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
                  problems.push(
                    `${file}: metadata.name: "${image.metadata.name}" is the name of two Images in the namespace ${image.metadata.namespace}; rename one of them`
                  )
                )
            })
          )
        }
      }
    })
    // A program that reads a document gets one in each case.
    const isDocument = output === "json" || output === "yaml"
    yield* read.pipe(
      Effect.tapError(({ detail }) => (isDocument ? reportNow(false, [detail]) : Effect.void)),
      Effect.onInterrupt(() => reportNow(true))
    )
    yield* Effect.forEach(problems, (problem) => Console.error(boundedLine(problem)), { discard: true })
    const images =
      keys.size === 0
        ? []
        : yield* Effect.raceFirst(settled(keys), controller.running).pipe(
            Effect.onError((cause) => reportNow(Cause.hasInterrupts(cause)))
          )
    yield* reportNow(false)
    const unusable = problems.length > 0 || images.some((image) => conditionOf(image.status, "Stalled") !== undefined)
    if (unusable) return yield* new CommandFailure({ exitCode: BAD_USAGE, detail: "" })
    if (images.some((image) => conditionOf(image.status, "Ready")?.status !== "True")) {
      return yield* new CommandFailure({ exitCode: FAILED, detail: "" })
    }
  })
).pipe(
  Command.withDescription(
    "Copies the tags of Images in files, once and without a cluster. Ends with 0 if all tags are in sync, 1 if a tag could not be copied, 2 if a file or an Image is invalid."
  )
)
