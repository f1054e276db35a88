/** Follows files with Images: reads them again when they change. */
import { Console, Effect, Schedule } from "effect"
import type { KubeClient, Written } from "../../kube/KubeClient.ts"
import type { ImageObject } from "../../kube/Resources.ts"
import { applyImages } from "./applyImages.ts"

/** The Images of files. With a problem there are none. */
export interface FileImages {
  readonly images: ReadonlyArray<Written<ImageObject>>
  /** One line for each mistake. */
  readonly problems: ReadonlyArray<string>
}

/** Files with Images. */
export interface ImageFiles<R> {
  /** A text that changes when the content of a file does, or which files there are. */
  readonly fingerprint: Effect.Effect<string, never, R>
  readonly read: Effect.Effect<FileImages, never, R>
}

/** How often the files are looked at. Notices of the file system are not reliable on network file systems and in containers. */
const PERIOD = "10 seconds"

/**
 * Applies the Images of changed files, for ever. Files with a mistake change nothing: all Images stay as they were, so that a file
 * that is being written, or a broken one, removes no Image.
 */
export const watchFiles = Effect.fn("watchFiles")(function* <R>({
  fingerprint,
  read
}: ImageFiles<R>): Effect.fn.Return<never, never, R | KubeClient> {
  let last = ""
  const look = Effect.gen(function* () {
    // The text is from before the files are read: a change in between is seen next time.
    const next = yield* fingerprint
    if (next === last) return
    last = next
    const { images, problems } = yield* read
    if (problems.length === 0) return yield* Effect.orDie(applyImages(images))
    yield* Effect.forEach(problems, (problem) => Console.error(problem), { discard: true })
    yield* Effect.annotateLogs(Effect.logWarning("files not used; the Images stay as they were"), {
      count: problems.length
    })
  })
  return yield* Effect.andThen(Effect.repeat(look, Schedule.spaced(PERIOD)), Effect.never)
})
