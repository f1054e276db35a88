/** What the metrics say of an Image, from its status. */
import { conditionOf } from "../domain/Image.ts"
import { tagCountsIn } from "../domain/plan/status.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import type { ImageSample } from "../metrics/imageMetrics.ts"
import { millisOf } from "../text/instant.ts"

/**
 * Whether the Image is checked again without a change: a pattern, or a Recurrent Image, that is not suspended. The rule reads no
 * Mirror, because a scrape would parse the specs of all Images again.
 */
const isFollowed = (image: StoredImage): boolean =>
  image._tag === "Readable" &&
  !image.spec.suspend &&
  (image.spec.mode === "Recurrent" || image.destinationTag === undefined)

/** @param now milliseconds since the epoch */
export const imageSample = (image: StoredImage, now: number): ImageSample => {
  const { lastCheckedAt } = image.status
  // An Image that has never been checked successfully is as old as itself.
  const since = lastCheckedAt === undefined ? image.createdAt : millisOf(lastCheckedAt)
  return {
    namespace: image.namespace,
    name: image.name,
    ready: conditionOf(image.status, "Ready")?.status ?? "Unknown",
    tags: tagCountsIn(image.status),
    checkedSeconds: isFollowed(image) ? Math.max(0, now - since) / 1_000 : undefined
  }
}
