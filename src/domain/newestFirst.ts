/** Sorts the tags of a listing for people who look for a version. Pure. */
import { isDigestTag } from "./TagFilter.ts"
import { CANDIDATE, compareVersions, type Version, versionOf } from "./Version.ts"

const VERSION = new RegExp(`^v?([0-9]+(?:\\.[0-9]+)*)(${CANDIDATE})?(.*)$`, "u")

/** A tag with what sorts it. */
interface Keyed {
  readonly tag: string
  /** 0 for versions, 1 for other tags such as `latest`, 2 for tags that are named after a digest. */
  readonly group: 0 | 1 | 2
  readonly version: Version
  readonly suffix: string
}

const keyed = (tag: string): Keyed => {
  if (isDigestTag(tag)) return { tag, group: 2, version: NO_VERSION, suffix: tag }
  const [, release, candidate, suffix] = VERSION.exec(tag) ?? []
  // A tag such as 3f2a9c1 is a commit.
  const isVersion = release !== undefined && (release.includes(".") || !/^[a-z]/iu.test(suffix ?? ""))
  return !isVersion
    ? { tag, group: 1, version: NO_VERSION, suffix: tag }
    : { tag, group: 0, version: versionOf(release, candidate), suffix: suffix ?? "" }
}

const NO_VERSION: Version = { numbers: [] }

const compareTexts = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1)

/**
 * The tags with the newest version first. Of one version the shortest suffix comes first: 1.27, 1.27-alpine. Then come tags
 * without a version by their letters, and at last those that are named after a digest.
 */
export const newestFirst = (tags: ReadonlyArray<string>): ReadonlyArray<string> =>
  Array.from(new Set(tags), keyed)
    .sort(
      (a, b) =>
        a.group - b.group ||
        compareVersions(b.version, a.version) ||
        compareTexts(a.suffix, b.suffix) ||
        compareTexts(a.tag, b.tag)
    )
    .map(({ tag }) => tag)
