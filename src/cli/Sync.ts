/** `sync`: runs the operator's reconciler over Images from files, once and without a cluster. */
import { Cause, Clock, Console, Effect, Option } from "effect"
import { CliError, Command } from "effect/cli"
import { Controller } from "../controller/Controller.ts"
import { ImageStore } from "../controller/ImageStore.ts"
import { Outcomes } from "../controller/Outcomes.ts"
import { untilFinished } from "../controller/untilFinished.ts"
import { CopyEngine } from "../copy/CopyEngine.ts"
import { conditionOf } from "../domain/Image.ts"
import { totalsOf } from "../domain/Outcome.ts"
import { rateLimitWaitOf, type RunEnd } from "../domain/settled.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import { KubeClient } from "../kube/KubeClient.ts"
import { Images } from "../kube/Resources.ts"
import { keyOf } from "../kube/Store.ts"
import { boundedLine } from "../text/line.ts"
import { paintOutput } from "./color.ts"
import { CommandFailure } from "./CommandFailure.ts"
import { BAD_USAGE, FAILED } from "./exitCodes.ts"
import { imageFlags } from "./imageFlags.ts"
import { shownName } from "./imageName.ts"
import { localFlags } from "./localFlags.ts"
import { type Format, formatDocument, outputFlag } from "./output.ts"
import { printFindings } from "./printFindings.ts"
import { rateLimitEnd, rateLimitFlags } from "./rateLimit.ts"
import { readImages } from "./readImages.ts"
import { type ImageTags, showProgress } from "./showProgress.ts"
import { type Run, syncResult } from "./SyncResult.ts"
import { interruption, references, syncText } from "./syncText.ts"
import { outputWidth } from "./table.ts"
import { runForEver } from "./watch/runForEver.ts"
import { mistakeInWatch, watchFlags } from "./watch/watchFlags.ts"

const output = outputFlag("the references of all tags that the destination has")

/** Logs for what and until when an Image waits, once for each time. */
const logRateLimits = () => {
  const logged = new Map<string, string>()
  return (key: string, image: StoredImage): Effect.Effect<void> => {
    const wait = rateLimitWaitOf(image.status)
    const shown = wait === undefined ? "" : (wait.until ?? wait.message)
    if ((logged.get(key) ?? "") === shown) return Effect.void
    logged.set(key, shown)
    if (wait === undefined)
      return Effect.annotateLogs(Effect.logInfo("no longer waiting for a rate limit"), { image: key })
    const until = wait.until === undefined ? "" : `until ${wait.until}: `
    return Effect.annotateLogs(Effect.logInfo("waiting for a rate limit"), {
      image: key,
      error: `${until}${wait.message}`
    })
  }
}

/** Waits until the run has finished all Images of the given keys, and gives them in the order of the keys. */
const settled = Effect.fnUntraced(function* (keys: ReadonlySet<string>, end: RunEnd) {
  const store = yield* ImageStore
  const controller = yield* Controller
  const outcomes = yield* Outcomes
  /** The numbers of an Image's tags for its progress. */
  const tagsOf = (image: StoredImage) =>
    Effect.map(outcomes.of(image), ({ name, namespace, tags }): ImageTags => {
      const { copied, failed, present, skipped } = totalsOf(tags)
      const counts = { selected: tags.length, copied: copied + present, failed: failed + skipped }
      return { namespace, name, tags: tags.length === 0 ? undefined : counts }
    })
  const images = Effect.map(
    Effect.forEach(keys, (key) => store.get(key)),
    (stored) => stored.flatMap(Option.toArray)
  )
  yield* Effect.forkScoped(showProgress(Effect.flatMap(images, (stored) => Effect.forEach(stored, tagsOf))))
  yield* untilFinished(keys, end, end.waitForRateLimit ? logRateLimits() : undefined)
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
  { ...imageFlags, ...localFlags, output, ...rateLimitFlags, ...watchFlags },
  Effect.fn(function* ({ output, ...selection }) {
    if (selection.watch) return yield* runForEver(selection)
    const startedAt = yield* Clock.currentTimeMillis
    const keys = new Set<string>()
    const outcomes = yield* Outcomes
    const store = yield* ImageStore
    const engine = yield* CopyEngine
    const outcomeOf = Effect.fnUntraced(function* (image: StoredImage) {
      return yield* outcomes.of(image, yield* Effect.orElseSucceed(engine.copies(image), () => []))
    })
    /** Reports what has become of the Images so far. */
    const reportNow = Effect.fnUntraced(function* (interrupted: boolean, problems: Run["problems"] = []) {
      const stored = (yield* Effect.forEach(keys, (key) => store.get(key))).flatMap(Option.toArray)
      const images = yield* Effect.forEach(stored, outcomeOf)
      const durationSeconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1_000
      yield* report({ images, problems, interrupted, durationSeconds }, output)
    })
    const {
      images: manifests,
      notes,
      problems
    } = yield* Effect.onInterrupt(readImages(selection), () => reportNow(true))
    yield* printFindings({ notes, problems })
    if (problems.length > 0) {
      yield* reportNow(false, problems)
      return yield* CommandFailure.printed(BAD_USAGE)
    }
    const kube = yield* KubeClient
    const controller = yield* Controller
    yield* controller.synced
    yield* Effect.forEach(manifests, (image) => kube.create(Images, image), { discard: true })
    for (const { metadata } of manifests) keys.add(keyOf(metadata))
    const images = yield* Effect.raceFirst(settled(keys, selection), controller.running).pipe(
      Effect.onError((cause) => reportNow(Cause.hasInterrupts(cause)))
    )
    yield* reportNow(false)
    for (const image of images) {
      const wait = rateLimitWaitOf(image.status)
      if (wait !== undefined) yield* Console.error(boundedLine(rateLimitEnd(shownName(keyOf(image)), wait)))
    }
    const isStalled = images.some((image) => conditionOf(image.status, "Stalled") !== undefined)
    if (isStalled) return yield* CommandFailure.printed(BAD_USAGE)
    if (images.some((image) => conditionOf(image.status, "Ready")?.status !== "True")) {
      return yield* CommandFailure.printed(FAILED)
    }
  })
).pipe(
  Command.validate((given) => {
    const mistake = mistakeInWatch(given)
    return mistake === undefined ? Effect.void : Effect.fail(new CliError.ValidationError({ message: mistake }))
  }),
  Command.withDescription(
    "Copies the tags of Images in files, once and without a cluster, or for ever with --watch. All files are read and checked first: one mistake, and nothing is copied. Later runs copy only what is missing or has moved."
  ),
  Command.withExamples([
    { command: "skopeo-operator sync -f image.yaml", description: "Copy what a file says" },
    { command: "skopeo-operator sync -f images/ -R -l team=a", description: "The Images of a team, in a directory" },
    { command: "helm template ./mirrors | skopeo-operator sync -f -", description: "What another tool prints" },
    { command: "skopeo-operator sync -f images.yaml argocd -o json", description: "One Image, and a JSON document" },
    { command: "skopeo-operator sync -f images/ --watch", description: "Keep copying, as the operator does" }
  ])
)
