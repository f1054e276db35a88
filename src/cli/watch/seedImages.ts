/** Reads the files of `sync --watch` at its start. */
import { hash } from "node:crypto"
import { Effect } from "effect"
import { CommandFailure } from "../CommandFailure.ts"
import { BAD_USAGE } from "../exitCodes.ts"
import type { ImageSelection } from "../imageFlags.ts"
import { readFiles } from "../manifestFiles.ts"
import { formatManifestProblem } from "../manifests.ts"
import { printFindings } from "../printFindings.ts"
import { readImages } from "../readImages.ts"
import { applyImages } from "./applyImages.ts"

/** Applies the Images of the files. At the start a mistake ends the command, because its user is there to correct the mistake. */
export const seedImages = Effect.fn("seedImages")(function* (selection: ImageSelection) {
  const { images, notes, problems } = yield* readImages(selection)
  yield* printFindings({ notes, problems })
  if (problems.length > 0) return yield* CommandFailure.printed(BAD_USAGE)
  yield* Effect.orDie(applyImages(images))
  yield* Effect.annotateLogs(Effect.logInfo("Images read"), { count: images.length })
})

/** The files of a selection, for `watchFiles`. */
export const filesOf = (selection: ImageSelection) => ({
  fingerprint: Effect.map(readFiles(selection.files, selection), ({ files, problems }) =>
    hash("sha256", JSON.stringify([files.map(({ name, text }) => [name, text]), problems]), "hex")
  ),
  read: Effect.map(readImages(selection), ({ images, problems }) => ({
    images,
    problems: problems.map(formatManifestProblem)
  }))
})
