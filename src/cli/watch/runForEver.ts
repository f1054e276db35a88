/** The run of `sync --watch`, which only a signal or a broken process ends. */
import { Effect } from "effect"
import { Controller } from "../../controller/Controller.ts"
import { ImageStore } from "../../controller/ImageStore.ts"
import { StateDirectory } from "../../kube/KubeClientFile.ts"
import type { ImageSelection } from "../imageFlags.ts"
import { showProgress } from "../showProgress.ts"
import { filesOf } from "./seedImages.ts"
import { watchFiles } from "./watchFiles.ts"

/** Follows the files until the process is stopped. Fails if the controller stops, or if another process takes the directory. */
export const runForEver = Effect.fn("runForEver")(function* (selection: ImageSelection) {
  const store = yield* ImageStore
  const { running } = yield* Controller
  const { lost } = yield* StateDirectory
  yield* Effect.forkScoped(showProgress(store.values))
  return yield* Effect.raceAllFirst([running, lost, watchFiles(filesOf(selection))])
}, Effect.scoped)
