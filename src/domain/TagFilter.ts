/** Which tags of a listing an Image takes, and why it leaves each of the others. */
import type { Expression } from "./Expression.ts"
import { TAG_PATTERN } from "../oci/Reference.ts"
import { compareVersions, type ListedVersion, numbersOf, tagMatcher } from "./TagPattern.ts"

/** Takes tags from a listing: a pattern or range of `spec.source.version`, refined by `spec.tags`. */
export interface TagFilter {
  readonly pattern: ListedVersion
  readonly allowCandidateRelease: boolean
  /** One of them has to match somewhere in a tag; none restricts nothing. */
  readonly include: ReadonlyArray<Expression>
  /** None of them may match. */
  readonly exclude: ReadonlyArray<Expression>
  /** How many of the highest versions are taken. Default all. */
  readonly latest?: number
  /** Fewer matching tags than this are taken for a registry's mistake. */
  readonly atLeast?: number
}

/** Why a tag is taken or left. */
export type TagVerdict =
  | { readonly selected: true }
  | { readonly selected: false; readonly reason: "NotMatching" }
  | { readonly selected: false; readonly reason: "CandidateRelease" }
  /** `sha256-….sig` and its like belong to an image and are no version of it. */
  | { readonly selected: false; readonly reason: "DigestTag" }
  /** Some registries list names that are no tags and cannot be pulled. */
  | { readonly selected: false; readonly reason: "InvalidTag" }
  | { readonly selected: false; readonly reason: "NotIncluded" }
  | { readonly selected: false; readonly reason: "Excluded"; readonly by: string }
  | { readonly selected: false; readonly reason: "NotLatest"; readonly latest: number }

export interface JudgedTag {
  readonly tag: string
  readonly verdict: TagVerdict
}

/** Tags named after a digest: signatures, attestations, SBOMs, and lists of referrers. */
const DIGEST_TAG = /^sha(?:256|512)-[0-9a-f]{64,128}(?:\.[a-z0-9]+)?$/u

/** The expressions' verdict on a tag of the pattern's form; they never see another. */
const refined = ({ exclude, include }: TagFilter, tag: string): TagVerdict => {
  if (include.length > 0 && !include.some((expression) => expression.matches(tag))) {
    return { selected: false, reason: "NotIncluded" }
  }
  const by = exclude.find((expression) => expression.matches(tag))
  return by === undefined ? { selected: true } : { selected: false, reason: "Excluded", by: by.text }
}

/** A tag with the numbers that order it, if it is taken. */
export interface Candidate extends JudgedTag {
  readonly version?: ReadonlyArray<number>
}

/** The work of {@link judgeTags} in two parts, for a caller that lets others run between one tag and the next. */
export interface TagJudge {
  /** A verdict on one tag, before `latest` is applied. */
  readonly judge: (tag: string) => Candidate
  /** The final verdicts: the selected first, by version, the newest last; then the older ones; then the others as listed. */
  readonly conclude: (candidates: ReadonlyArray<Candidate>) => ReadonlyArray<JudgedTag>
}

export const tagJudge = (filter: TagFilter): TagJudge => {
  const matches = tagMatcher(filter.pattern, filter.allowCandidateRelease)
  return {
    judge: (tag) => {
      if (DIGEST_TAG.test(tag)) return { tag, verdict: { selected: false, reason: "DigestTag" } }
      if (!TAG_PATTERN.test(tag)) return { tag, verdict: { selected: false, reason: "InvalidTag" } }
      const match = matches(tag)
      if (!match.matches) return { tag, verdict: { selected: false, reason: match.reason } }
      const verdict = refined(filter, tag)
      return verdict.selected ? { tag, verdict, version: match.version } : { tag, verdict }
    },
    conclude: (candidates) => {
      const taken = candidates.flatMap(({ tag, version }) => (version === undefined ? [] : [{ tag, version }]))
      taken.sort((a, b) => compareVersions(a.version, b.version) || (a.tag < b.tag ? -1 : 1))
      const latest = filter.latest ?? taken.length
      const older = taken.slice(0, Math.max(0, taken.length - latest))
      return [
        ...taken.slice(older.length).map(({ tag }): JudgedTag => ({ tag, verdict: { selected: true } })),
        ...older.map(({ tag }): JudgedTag => ({ tag, verdict: { selected: false, reason: "NotLatest", latest } })),
        ...candidates.filter(({ version }) => version === undefined)
      ]
    }
  }
}

/**
 * A verdict on every tag of a listing: the selected first, by version, the newest last; then the others as listed.
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

/** The tags of a listing that are selected, the newest last. */
export const selectTags = (filter: TagFilter, listed: ReadonlyArray<string>): ReadonlyArray<string> =>
  judgeTags(filter, listed).flatMap(({ tag, verdict }) => (verdict.selected ? [tag] : []))

/** How many tags match, those that are not among the latest too: what `atLeast` is about. */
export const countMatching = (judged: ReadonlyArray<JudgedTag>): number =>
  judged.filter(({ verdict }) => verdict.selected || verdict.reason === "NotLatest").length

/** A verdict in a user's words, with what to write where that would change it. */
export const describeVerdict = (verdict: TagVerdict, version: string): string => {
  if (verdict.selected) return `matches ${version}`
  switch (verdict.reason) {
    case "NotMatching":
      return `does not match ${version}`
    case "CandidateRelease":
      return "is a candidate release; allowCandidateRelease: true takes those"
    case "DigestTag":
      return "belongs to an image: it is named after a digest"
    case "InvalidTag":
      return "is no tag that can be pulled"
    case "NotIncluded":
      return "matches no expression of tags.include"
    case "Excluded":
      return `is excluded by "${verdict.by}"`
    case "NotLatest":
      return `is not among the latest ${verdict.latest}`
  }
}

/** Left though it is of the pattern's form: with another refinement it would be taken. */
const isRefinedAway = ({ verdict }: JudgedTag): boolean => !verdict.selected && REFINEMENTS.has(verdict.reason)

const REFINEMENTS: ReadonlySet<string> = new Set(["CandidateRelease", "NotIncluded", "Excluded", "NotLatest"])

/** Those that are left, each with how near it is to what the pattern means; the nearest first. */
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
 * The tags that are left, first what may have been meant: those of the pattern's form, then those that begin as it does,
 * the longest way and the highest first, then the others as they were listed.
 */
export const nearestFirst = (pattern: ListedVersion, judged: ReadonlyArray<JudgedTag>): ReadonlyArray<JudgedTag> =>
  byNearness(pattern, judged).map(({ tag, verdict }) => ({ tag, verdict }))

const NAMED = 5

/** The few tags to name where nothing matches; none if nothing is near. */
export const nearestTags = (pattern: ListedVersion, judged: ReadonlyArray<JudgedTag>): ReadonlyArray<JudgedTag> =>
  byNearness(pattern, judged)
    .slice(0, NAMED)
    .flatMap(({ nearness, tag, verdict }) => (nearness === 0 ? [] : [{ tag, verdict }]))

/** The listing that a condition or a command speaks of. */
export interface Listing {
  /** The repository as it was written. */
  readonly repository: string
  /** How many tags it has. */
  readonly size: number
}

/** Says that nothing matches: among how many tags, which are nearest, and what would make those match. */
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

/** A listing that is not believed: `tags.atLeast` asks for more. */
export const describeTooFew = (matching: number, atLeast: number, { repository, size }: Listing): string =>
  `${matching} of the ${size} tags of ${repository} match, and spec.tags.atLeast asks for ${atLeast}; nothing is copied until enough tags match`
