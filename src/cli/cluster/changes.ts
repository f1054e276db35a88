/** Changes of the chosen Images, one by one. A failure of one does not stop the others. */
import { Console, Effect } from "effect"
import { KubeClient, type KubeError, type MergePatch } from "../../kube/KubeClient.ts"
import { boundedLine } from "../../text/line.ts"
import { CommandFailure } from "../CommandFailure.ts"
import { FAILED } from "../exitCodes.ts"
import { type ClusterImage, ClusterImages, labelOf } from "./ClusterImage.ts"
import { describeRefusal } from "./refusals.ts"
import { chosenImages, describeNothing, type Selection } from "./selection.ts"

/**
 * The manager of the fields that a command changes. The name has no `kubectl` at its start: Flux reverts the changes of such
 * managers to an object of a repository.
 */
const FIELD_MANAGER = "skopeo-operator-cli"

/** The most requests at once. */
const AT_ONCE = 5

/** An Image that could not be changed. */
interface Refused {
  readonly image: ClusterImage
  readonly why: string
}

/** Patches an Image. */
export const patchImage = Effect.fnUntraced(function* (image: ClusterImage, patch: MergePatch) {
  const kube = yield* KubeClient
  const { name, namespace } = image.metadata
  return yield* kube.patch(
    ClusterImages,
    { name, ...(namespace === undefined ? {} : { namespace }) },
    patch,
    FIELD_MANAGER
  )
})

/** The label of an Image of a selection. */
export const labelIn = (selection: Selection) => {
  const isInAllNamespaces = selection._tag === "Scope" && selection.scope.namespace === undefined
  return (image: ClusterImage): string => labelOf(image, isInAllNamespaces)
}

/**
 * Changes each Image of a selection, and gives the results. Prints a line for each Image that does not exist or whose change is
 * refused; `isFailed` is then true.
 */
export const changeEach = Effect.fnUntraced(function* <A>(
  selection: Selection,
  change: (image: ClusterImage) => Effect.Effect<A, KubeError | ImageRefusal, KubeClient>
) {
  const { images, missing } = yield* chosenImages(selection)
  if (images.length === 0 && missing.length === 0) yield* Console.error(describeNothing(selection))
  const label = labelIn(selection)
  const refused: Array<Refused> = []
  const changed = yield* Effect.forEach(
    images,
    (image) =>
      change(image).pipe(
        Effect.map((value) => [value]),
        Effect.catch((error) =>
          Effect.sync((): ReadonlyArray<A> => {
            refused.push({ image, why: error._tag === "KubeError" ? describeRefusal(error) : error.why })
            return []
          })
        )
      ),
    { concurrency: AT_ONCE }
  )
  const lines = [...missing, ...refused.map(({ image, why }) => `${label(image)}: ${why}`)]
  yield* Effect.forEach(lines, (line) => Console.error(boundedLine(line)), { discard: true })
  return { changed: changed.flat(), isFailed: lines.length > 0 }
})

/** A change that the command itself refuses. */
export interface ImageRefusal {
  readonly _tag: "ImageRefusal"
  readonly why: string
}

/** Ends a command whose failures are printed. */
export const failIf = (isFailed: boolean): Effect.Effect<void, CommandFailure> =>
  isFailed ? Effect.fail(CommandFailure.printed(FAILED)) : Effect.void
