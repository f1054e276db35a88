/** What the metrics say of an Image, from its status. */
import { conditionOf, type ImageStatus } from "../domain/Image.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import type { ImageSample, TagState } from "../metrics/imageMetrics.ts"
import { millisOf } from "../text/instant.ts"

/** The numbers in `status.tags`, which has the form `12/14`, and in the failures. */
const tagsIn = ({ failures = [], tags = "" }: ImageStatus): Readonly<Record<TagState, number>> => {
  const [copied = 0, selected = 0] = /^[0-9]{1,9}\/[0-9]{1,9}$/u.test(tags) ? tags.split("/").map(Number) : []
  const failed = Math.min(failures.length, Math.max(0, selected - copied))
  return { copied, failed, waiting: Math.max(0, selected - copied - failed) }
}

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
    tags: tagsIn(image.status),
    checkedSeconds: isFollowed(image) ? Math.max(0, now - since) / 1_000 : undefined
  }
}
