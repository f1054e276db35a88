/** Makes the Images of the API server those of the files. */
import { Effect } from "effect"
import { KubeClient, type Written } from "../../kube/KubeClient.ts"
import { keyOf } from "../../kube/Resource.ts"
import { type ImageObject, Images } from "../../kube/Resources.ts"

/** The manager of the fields of Images from files. */
const FIELD_MANAGER = "files"

const log = (message: string, image: string) => Effect.annotateLogs(Effect.logInfo(message), { image })

/**
 * Deletes the Images that the files no longer have, and applies all others. An Image that has not changed is not written, and keeps
 * its status. The tags of a deleted Image stay at its destination.
 */
export const applyImages = Effect.fn("applyImages")(function* (images: ReadonlyArray<Written<ImageObject>>) {
  const kube = yield* KubeClient
  const { items } = yield* kube.list(Images, {})
  const before = new Map(items.map((image) => [keyOf(image.metadata), image]))
  const named = new Set(images.map(({ metadata }) => keyOf(metadata)))
  for (const [key, { metadata }] of before) {
    if (named.has(key)) continue
    yield* kube.delete(Images, metadata)
    yield* log("Image removed", key)
  }
  for (const image of images) {
    const key = keyOf(image.metadata)
    const known = before.get(key)
    const { generation } = (yield* kube.apply(Images, image, FIELD_MANAGER)).metadata
    if (known === undefined) yield* log("Image added", key)
    else if (generation !== known.metadata.generation) yield* log("Image changed", key)
  }
})
