/** The run of `sync --watch`, which only a signal or a broken process ends. */
import { Effect } from "effect"
import { Controller } from "../../controller/Controller.ts"
import { ImageStore } from "../../controller/ImageStore.ts"
import { tagCountsIn } from "../../domain/plan/status.ts"
import type { StoredImage } from "../../domain/StoredImage.ts"
import { StateDirectory } from "../../kube/KubeClientFile.ts"
import type { ImageSelection } from "../imageFlags.ts"
import { type ImageTags, showProgress } from "../showProgress.ts"
import { filesOf } from "./seedImages.ts"
import { watchFiles } from "./watchFiles.ts"

/** The numbers of an Image's tags for its progress. A process that runs for ever keeps no outcomes, and reads the status. */
const tagsOf = ({ name, namespace, status }: StoredImage): ImageTags => {
  const { copied, failed, waiting } = tagCountsIn(status)
  const selected = copied + failed + waiting
  return { namespace, name, tags: selected === 0 ? undefined : { selected, copied, failed } }
}

/** Follows the files until the process is stopped. Fails if the controller stops, or if another process takes the directory. */
export const runForEver = Effect.fn("runForEver")(function* (selection: ImageSelection) {
  const store = yield* ImageStore
  const { running } = yield* Controller
  const { lost } = yield* StateDirectory
  const images = Effect.map(store.values, (stored) => stored.map(tagsOf))
  yield* Effect.forkScoped(showProgress(images))
  return yield* Effect.raceAllFirst([running, lost, watchFiles(filesOf(selection))])
}, Effect.scoped)
