/** Selects the tags of a listing for an Image, and says why a tag is not selected. */
import type { Expression } from "./Expression.ts"
import { TAG_PATTERN } from "../oci/Reference.ts"
import { compareVersions, type ListedVersion, numbersOf, tagMatcher } from "./TagPattern.ts"

/** Selects tags of a listing by the pattern or range of `spec.source.version`, refined by `spec.tags`. */
export interface TagFilter {
  readonly pattern: ListedVersion
  readonly allowCandidateRelease: boolean
  /** At least one expression must match somewhere in a tag. An empty list matches every tag. */
  readonly include: ReadonlyArray<Expression>
  /** No expression may match. */
  readonly exclude: ReadonlyArray<Expression>
  /** The number of the highest versions that are selected. Default all. */
  readonly latest?: number
  /** If fewer tags match, the list counts as a registry's mistake. */
  readonly atLeast?: number
  /** If more tags are selected, nothing is copied. Default {@link TAGS_SELECTED}. */
  readonly max?: number
}

/** The most tags of one Image, unless the Image says another number. */
export const TAGS_SELECTED = 1_000

/** Why a tag is selected or not. */
export type TagVerdict =
  | { readonly selected: true }
  | { readonly selected: false; readonly reason: "NotMatching" }
  | { readonly selected: false; readonly reason: "CandidateRelease" }
  /** A tag such as `sha256-….sig` belongs to another image and is not a version. */
  | { readonly selected: false; readonly reason: "DigestTag" }
  /** Some registries list names that are not tags and cannot be pulled. */
  | { readonly selected: false; readonly reason: "InvalidTag" }
  | { readonly selected: false; readonly reason: "NotIncluded" }
  | { readonly selected: false; readonly reason: "Excluded"; readonly by: string }
  | { readonly selected: false; readonly reason: "NotLatest"; readonly latest: number }

/** A tag of a listing with its verdict. */
export interface JudgedTag {
  readonly tag: string
  readonly verdict: TagVerdict
}

/** Tags named after a digest: signatures, attestations, SBOMs, and lists of referrers. */
const DIGEST_TAG = /^sha(?:256|512)-[0-9a-f]{64,128}(?:\.[a-z0-9]+)?$/u

/** A long list of tags has few verdicts, which its tags share. */
const VERDICTS = {
  selected: { selected: true },
  digestTag: { selected: false, reason: "DigestTag" },
  invalidTag: { selected: false, reason: "InvalidTag" },
  notMatching: { selected: false, reason: "NotMatching" },
  candidate: { selected: false, reason: "CandidateRelease" },
  notIncluded: { selected: false, reason: "NotIncluded" }
} as const satisfies Record<string, TagVerdict>

/** Whether a tag is named after a digest, and so belongs to another image. */
export const isDigestTag = (tag: string): boolean => DIGEST_TAG.test(tag)

/** The verdict of the expressions on a tag that matches the pattern. */
const refined = ({ exclude, include }: TagFilter, tag: string): TagVerdict => {
  if (include.length > 0 && !include.some((expression) => expression.matches(tag))) {
    return VERDICTS.notIncluded
  }
  const by = exclude.find((expression) => expression.matches(tag))
  return by === undefined ? VERDICTS.selected : { selected: false, reason: "Excluded", by: by.text }
}

/** A tag with the numbers of its version, if the tag is selected. */
export interface Candidate extends JudgedTag {
  readonly version?: ReadonlyArray<number>
}

/** {@link judgeTags} in two parts, for a caller that yields to other work between tags. */
export interface TagJudge {
  /** The verdict on one tag before `latest` is applied. */
  readonly judge: (tag: string) => Candidate
  /**
   * The final verdicts: selected tags by version with the newest last, then older versions, then the others as listed.
   */
  readonly conclude: (candidates: ReadonlyArray<Candidate>) => ReadonlyArray<JudgedTag>
}

export const tagJudge = (filter: TagFilter): TagJudge => {
  const matches = tagMatcher(filter.pattern, filter.allowCandidateRelease)
  return {
    judge: (tag) => {
      if (isDigestTag(tag)) return { tag, verdict: VERDICTS.digestTag }
      if (!TAG_PATTERN.test(tag)) return { tag, verdict: VERDICTS.invalidTag }
      const match = matches(tag)
      if (!match.matches) {
        return { tag, verdict: match.reason === "NotMatching" ? VERDICTS.notMatching : VERDICTS.candidate }
      }
      const verdict = refined(filter, tag)
      return verdict.selected ? { tag, verdict, version: match.version } : { tag, verdict }
    },
    conclude: (candidates) => {
      const taken = candidates.flatMap(({ tag, version }) => (version === undefined ? [] : [{ tag, version }]))
      taken.sort((a, b) => compareVersions(a.version, b.version) || (a.tag < b.tag ? -1 : 1))
      const latest = filter.latest ?? taken.length
      const older = taken.slice(0, Math.max(0, taken.length - latest))
      const notLatest: TagVerdict = { selected: false, reason: "NotLatest", latest }
      return [
        ...taken.slice(older.length).map(({ tag }): JudgedTag => ({ tag, verdict: VERDICTS.selected })),
        ...older.map(({ tag }): JudgedTag => ({ tag, verdict: notLatest })),
        ...candidates.filter(({ version }) => version === undefined)
      ]
    }
  }
}

/**
 * The verdicts on all tags of a listing: selected tags by version with the newest last, then the others as listed.
 *
 * @example
 * ```ts
 * judgeTags({ pattern, allowCandidateRelease: false, include: [], exclude: [], latest: 5 }, ["1.0", "1.1", "latest"])
 * ```
 */
export const judgeTags = (filter: TagFilter, listed: ReadonlyArray<string>): ReadonlyArray<JudgedTag> => {
  const { conclude, judge } = tagJudge(filter)
  return conclude(Array.from(new Set(listed), judge))
}

/** The selected tags of a listing, the newest last. */
export const selectTags = (filter: TagFilter, listed: ReadonlyArray<string>): ReadonlyArray<string> =>
  judgeTags(filter, listed).flatMap(({ tag, verdict }) => (verdict.selected ? [tag] : []))

/** The number of matching tags, including those not among the latest. `atLeast` compares with this number. */
const countMatching = (judged: ReadonlyArray<JudgedTag>): number =>
  judged.filter(({ verdict }) => verdict.selected || verdict.reason === "NotLatest").length

/** Why a listing is not copied although tags match. `tags` is the number of matching, or of selected, tags. */
export interface Misfit {
  readonly _tag: "TooFew" | "TooMany"
  readonly tags: number
}

/** Judges the number of tags. */
export const misfitOf = (
  { atLeast = 0, max = TAGS_SELECTED }: TagFilter,
  judged: ReadonlyArray<JudgedTag>
): Misfit | undefined => {
  const matching = countMatching(judged)
  if (matching < atLeast) return { _tag: "TooFew", tags: matching }
  const selected = judged.filter(({ verdict }) => verdict.selected).length
  return selected > max ? { _tag: "TooMany", tags: selected } : undefined
}

/** Describes a verdict to users, with the remedy if a field of the spec would change the verdict. */
export const describeVerdict = (verdict: TagVerdict, version: string): string => {
  if (verdict.selected) return `matches ${version}`
  switch (verdict.reason) {
    case "NotMatching":
      return `does not match ${version}`
    case "CandidateRelease":
      return "is a candidate release; allowCandidateRelease: true selects candidates"
    case "DigestTag":
      return "is named after a digest and belongs to another image"
    case "InvalidTag":
      return "is not a valid tag and cannot be pulled"
    case "NotIncluded":
      return "matches no expression of tags.include"
    case "Excluded":
      return `is excluded by "${verdict.by}"`
    case "NotLatest":
      return `is not among the latest ${verdict.latest}`
  }
}

/** Whether a tag matches the pattern and only a refinement excludes it. */
const isRefinedAway = ({ verdict }: JudgedTag): boolean => !verdict.selected && REFINEMENTS.has(verdict.reason)

const REFINEMENTS: ReadonlySet<string> = new Set(["CandidateRelease", "NotIncluded", "Excluded", "NotLatest"])

/** The tags that are not selected, each with its nearness to the pattern, the nearest first. */
const byNearness = (pattern: ListedVersion, judged: ReadonlyArray<JudgedTag>) => {
  const bare = pattern.text.replace(/^[\^~<>=v\s]+/u, "")
  const nearness = (left: JudgedTag): number => {
    if (isRefinedAway(left)) return Number.POSITIVE_INFINITY
    if (left.verdict.selected || left.verdict.reason !== "NotMatching") return 0
    const tag = left.tag.replace(/^v/u, "")
    let shared = 0
    while (shared < bare.length && bare[shared] === tag[shared]) shared += 1
    return shared
  }
  return judged
    .filter(({ verdict }) => !verdict.selected)
    .map((left) => ({ ...left, nearness: nearness(left), numbers: numbersOf(left.tag) }))
    .sort((a, b) => {
      if (a.nearness !== b.nearness) return a.nearness > b.nearness ? -1 : 1
      return a.nearness === 0 ? 0 : compareVersions(b.numbers, a.numbers) || (a.tag < b.tag ? 1 : -1)
    })
}

/**
 * The tags that are not selected, the most likely intended first: tags that match the pattern, then tags with the
 * longest common beginning and the highest version, then the others as listed.
 */
export const nearestFirst = (pattern: ListedVersion, judged: ReadonlyArray<JudgedTag>): ReadonlyArray<JudgedTag> =>
  byNearness(pattern, judged).map(({ tag, verdict }) => ({ tag, verdict }))

const NAMED = 5

/** The few tags that a message names if no tag matches. Empty if no tag is near. */
export const nearestTags = (pattern: ListedVersion, judged: ReadonlyArray<JudgedTag>): ReadonlyArray<JudgedTag> =>
  byNearness(pattern, judged)
    .slice(0, NAMED)
    .flatMap(({ nearness, tag, verdict }) => (nearness === 0 ? [] : [{ tag, verdict }]))

/** The listing in the message of a condition or a command. */
export interface Listing {
  /** The repository as the user wrote it. */
  readonly repository: string
  /** The number of listed tags. */
  readonly size: number
}

/** Says that no tag matches, with the number of listed tags, the nearest tags, and the field that would select them. */
export const describeNoMatch = (
  version: string,
  { repository, size }: Listing,
  nearest: ReadonlyArray<JudgedTag>
): string => {
  const [first] = nearest
  return (
    `no tag matches ${version} among the ${size} of ${repository}` +
    (first === undefined ? "" : `; the nearest are ${nearest.map(({ tag }) => tag).join(", ")}`) +
    (first !== undefined && isRefinedAway(first) ? `; ${first.tag} ${describeVerdict(first.verdict, version)}` : "")
  )
}

/** Says that the number of tags is out of the bounds of `spec.tags`, and how to change that. */
export const describeMisfit = (
  { _tag, tags }: Misfit,
  { atLeast = 0, max = TAGS_SELECTED }: TagFilter,
  { repository, size }: Listing
): string =>
  _tag === "TooFew"
    ? `${tags} of the ${size} tags of ${repository} match, and spec.tags.atLeast asks for ${atLeast}; nothing is copied until enough tags match`
    : `${tags} of the ${size} tags of ${repository} are selected, and spec.tags.max allows ${max}; nothing is copied until fewer tags are selected: set spec.tags.latest or narrow the pattern, or raise spec.tags.max`
