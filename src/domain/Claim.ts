/**
 * Which Image owns a tag of a destination. An Image claims each tag of its destination repository that its spec can select
 * by name; the oldest Image that claims a tag owns the tag, and every other Image may write the tag only if it asks for
 * the same image.
 *
 * A claim depends on the spec alone. `latest`, `atLeast` and the tags that a source has do not narrow a claim: they change
 * with each check and are not known after a restart, so that the owner of a tag would change without a change by a user.
 *
 * Images that ask for the same image do not conflict: often two teams mirror one tag of one source to one place.
 *
 * The companion tags of a destination (signatures, attestations and SBOMs under tags that are named after a digest) have one
 * owner: the oldest Image of the destination that writes such tags. An Image with another source may create companion tags, and
 * never changes one that exists. Which digests an Image copies is not in its spec, so that no Image can own only some of them.
 */
import { formatPlatform } from "../oci/Platform.ts"
import type { ReadableImage, StoredImage } from "./StoredImage.ts"
import { isDigestTag, tagJudge } from "./TagFilter.ts"

/**
 * The image that an Image asks for under a tag of its destination, as a text: equal texts are the same image. `undefined` if
 * the Image does not claim the tag.
 */
export type Request = (tag: string) => string | undefined

/** What an Image asks for. An Image that is being deleted claims nothing. A suspended Image keeps its claims. */
export const requestOf = (image: ReadableImage): Request => {
  if (image.isDeleting) return () => undefined
  const { mirror, source } = image
  const platforms = [...new Set(mirror.platforms.map(formatPlatform))].sort().join(",")
  const { tags } = mirror
  const ofCompanion = (tag: string) => (mirror.referrers && isDigestTag(tag) ? `${source}:${tag} ` : undefined)
  if (tags._tag === "Exact") {
    const { destinationTag, version } = tags
    // A digest is the same image wherever it comes from.
    const reference = version._tag === "Tag" ? (version.digest ?? `${source}:${version.tag}`) : version.digest
    const request = `${reference} ${platforms}`
    return (tag) => (tag === destinationTag ? request : ofCompanion(tag))
  }
  const { judge } = tagJudge(tags.filter)
  return (tag) => (judge(tag).verdict.selected ? `${source}:${tag} ${platforms}` : ofCompanion(tag))
}

/** Whether an Image writes companion tags: with its images, or as its one tag. */
export const writesCompanions = ({ destinationTag, spec }: ReadableImage): boolean =>
  spec.referrers === true || (destinationTag !== undefined && isDigestTag(destinationTag))

/** Whether an Image was created before another. The uid decides between Images of the same second. */
export const isOlder = (
  a: Pick<StoredImage, "createdAt" | "uid">,
  b: Pick<StoredImage, "createdAt" | "uid">
): boolean => (a.createdAt === b.createdAt ? a.uid < b.uid : a.createdAt < b.createdAt)
