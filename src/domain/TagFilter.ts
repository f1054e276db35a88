/** Selects the tags of a listing for an Image, and says why a tag is not selected. */
import type { Expression } from "./Expression.ts"
import { type ExtractedPart, type Extraction } from "./Extraction.ts"
import { describeMismatch } from "./Mismatch.ts"
import { TAG_PATTERN } from "../oci/Reference.ts"
import { type ListedVersion, tagMatcher, type TagMatch } from "./TagPattern.ts"
import { numbersOf, sortKeyOf, versionOf } from "./Version.ts"

/** Selects tags of a listing by the pattern or range of `spec.source.version`, refined by `spec.tags`. */
export interface TagFilter {
  readonly pattern: ListedVersion
  readonly allowCandidateRelease: boolean
  /** Says which parts of a tag the pattern judges, and how tags are sorted. Default the whole tag by its version. */
  readonly extract?: Extraction
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
  /** The pattern judged the part that `extract` took from the tag, or the whole tag if there is no `extract`. */
  | { readonly selected: false; readonly reason: "NotMatching"; readonly extracted?: string }
  | { readonly selected: false; readonly reason: "NotExtracted" }
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
  notExtracted: { selected: false, reason: "NotExtracted" },
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

const compareTexts = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1)

/** A tag with the text that sorts it, if the tag is selected: of its version, or of the parts that `extract` takes. */
export interface KeyedTag extends JudgedTag {
  readonly sortKey?: string
}

/** {@link judgeTags} in two parts, for a caller that yields to other work between tags. */
export interface TagJudge {
  /** The verdict on one tag before `latest` is applied. */
  readonly judge: (tag: string) => KeyedTag
  /**
   * The final verdicts: selected tags by version with the newest last, then older versions, then the others as listed.
   */
  readonly conclude: (keyed: ReadonlyArray<KeyedTag>) => ReadonlyArray<JudgedTag>
}

/** How many of the sorted tags have one of the highest versions. Tags of one version, such as 1.4.0 and v1.4.0, count once. */
const lengthOfLatest = (taken: ReadonlyArray<{ readonly sortKey: string }>, latest: number): number => {
  let length = 0
  let versions = 0
  for (const [index, { sortKey }] of taken.toReversed().entries()) {
    if (sortKey !== taken[taken.length - index]?.sortKey) versions += 1
    if (versions > latest) break
    length += 1
  }
  return length
}

/** The verdict of the pattern on a tag, with the key that sorts the tag. */
type KeyedMatch =
  { readonly matches: true; readonly sortKey: string } | { readonly matches: false; readonly verdict: TagVerdict }

const unmatched = (reason: Extract<TagMatch, { matches: false }>["reason"], extracted?: string): KeyedMatch => ({
  matches: false,
  verdict:
    reason === "CandidateRelease"
      ? VERDICTS.candidate
      : extracted === undefined
        ? VERDICTS.notMatching
        : { ...VERDICTS.notMatching, extracted }
})

/** Sorts a text before each longer text that begins with it. */
const END_OF_TEXT = "\u0000"

const keyedMatcher = ({ allowCandidateRelease, extract, pattern }: TagFilter): ((tag: string) => KeyedMatch) => {
  const matches = tagMatcher(pattern, allowCandidateRelease)
  if (extract === undefined) {
    return (tag) => {
      const match = matches(tag)
      return match.matches ? { matches: true, sortKey: sortKeyOf(match.version) } : unmatched(match.reason)
    }
  }
  return (tag) => {
    const parts = extract.extract(tag)
    if (parts === undefined) return { matches: false, verdict: VERDICTS.notExtracted }
    const judged = parts.find((part) => part.kind === extract.judged)
    const match = judged === undefined ? undefined : matches(judged.text)
    if (match?.matches === false) return unmatched(match.reason, judged?.text)
    const keyOf = (part: ExtractedPart): string => {
      if (part.kind === "text") return part.text + END_OF_TEXT
      return sortKeyOf(part === judged && match !== undefined ? match.version : versionOf(part.text, undefined))
    }
    return { matches: true, sortKey: parts.map(keyOf).join("") }
  }
}

export const tagJudge = (filter: TagFilter): TagJudge => {
  const matches = keyedMatcher(filter)
  return {
    judge: (tag) => {
      if (isDigestTag(tag)) return { tag, verdict: VERDICTS.digestTag }
      if (!TAG_PATTERN.test(tag)) return { tag, verdict: VERDICTS.invalidTag }
      const match = matches(tag)
      if (!match.matches) return { tag, verdict: match.verdict }
      const verdict = refined(filter, tag)
      return verdict.selected ? { tag, verdict, sortKey: match.sortKey } : { tag, verdict }
    },
    conclude: (keyed) => {
      const taken = keyed.flatMap(({ sortKey, tag }) => (sortKey === undefined ? [] : [{ tag, sortKey }]))
      taken.sort((a, b) => compareTexts(a.sortKey, b.sortKey) || compareTexts(a.tag, b.tag))
      const latest = filter.latest ?? taken.length
      const older = taken.slice(0, taken.length - lengthOfLatest(taken, latest))
      const notLatest: TagVerdict = { selected: false, reason: "NotLatest", latest }
      return [
        ...taken.slice(older.length).map(({ tag }): JudgedTag => ({ tag, verdict: VERDICTS.selected })),
        ...older.map(({ tag }): JudgedTag => ({ tag, verdict: notLatest })),
        ...keyed.filter(({ sortKey }) => sortKey === undefined)
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

/**
 * The selected tags of a listing, the newest last.
 *
 * @example
 * ```ts
 * selectTags({ pattern, allowCandidateRelease: false, include: [], exclude: [] }, ["1.1", "1.0", "latest"])
 * // of the pattern 1.x: ["1.0", "1.1"]
 * ```
 */
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

/** What users write for the settings of a filter, for messages. */
export interface FilterTerms {
  readonly candidates: string
  readonly extract: string
  readonly include: string
  readonly atLeast: string
  readonly latest: string
  readonly max: string
}

/** The fields of an Image. */
export const SPEC_TERMS: FilterTerms = {
  candidates: "allowCandidateRelease: true",
  extract: "tags.extract",
  include: "tags.include",
  atLeast: "spec.tags.atLeast",
  latest: "spec.tags.latest",
  max: "spec.tags.max"
}

/**
 * Describes a verdict to users, with the remedy if a setting would change the verdict.
 *
 * @example
 * ```ts
 * describeVerdict({ selected: false, reason: "CandidateRelease" }, "v2.13.x")
 * // "is a candidate release; allowCandidateRelease: true selects candidates"
 * ```
 */
export const describeVerdict = (verdict: TagVerdict, version: string, terms = SPEC_TERMS): string => {
  if (verdict.selected) return `matches ${version}`
  switch (verdict.reason) {
    case "NotMatching":
      return `does not match ${version}`
    case "NotExtracted":
      return `does not match ${terms.extract}`
    case "CandidateRelease":
      return `is a candidate release; ${terms.candidates} selects candidates`
    case "DigestTag":
      return "is named after a digest and belongs to another image"
    case "InvalidTag":
      return "is not a valid tag and cannot be pulled"
    case "NotIncluded":
      return `matches no expression of ${terms.include}`
    case "Excluded":
      return `is excluded by "${verdict.by}"`
    case "NotLatest":
      return `is not among the latest ${verdict.latest}`
  }
}

/**
 * Describes the verdict on a tag to users, also what to write instead if the tag almost matches the pattern.
 *
 * @example
 * ```ts
 * judgeTags(filter, ["v2.13.2-amd64"]).map((judged) => explainTag(judged, filter.pattern))
 * // ["ends with -amd64; write v2.13.x-amd64"]
 * ```
 */
export const explainTag = ({ tag, verdict }: JudgedTag, pattern: ListedVersion, terms = SPEC_TERMS): string => {
  const plain = describeVerdict(verdict, pattern.text, terms)
  if (verdict.selected || verdict.reason !== "NotMatching") return plain
  if (verdict.extracted !== undefined) return `has the version ${verdict.extracted}, which ${plain}`
  return describeMismatch(pattern, tag) ?? plain
}

/** Whether a tag matches the pattern and only a refinement excludes it. */
const isRefinedAway = ({ verdict }: JudgedTag): boolean => !verdict.selected && REFINEMENTS.has(verdict.reason)

const REFINEMENTS: ReadonlySet<string> = new Set(["CandidateRelease", "NotIncluded", "Excluded", "NotLatest"])

/** A tag that is not selected. */
interface Left extends JudgedTag {
  readonly nearness: number
  /** Sorts the tags of one nearness by their numbers. */
  readonly sortKey: string
}

/** Behind every tag whose version has a common beginning with the pattern. */
const NEARNESS_NOT_EXTRACTED = 0.5

const fromFirstDigit = (text: string): string => text.replace(/^[^0-9]+/u, "")

/** Measures how near a tag that is not selected is to the pattern. */
const measureNearness = (pattern: ListedVersion) => {
  const bare = fromFirstDigit(pattern.text)
  const nearness = (left: JudgedTag): number => {
    if (isRefinedAway(left)) return Number.POSITIVE_INFINITY
    if (!left.verdict.selected && left.verdict.reason === "NotExtracted") return NEARNESS_NOT_EXTRACTED
    if (left.verdict.selected || left.verdict.reason !== "NotMatching") return 0
    const tag = fromFirstDigit(left.verdict.extracted ?? left.tag)
    let shared = 0
    while (shared < bare.length && bare[shared] === tag[shared]) shared += 1
    return shared
  }
  return (left: JudgedTag): Left => ({
    ...left,
    nearness: nearness(left),
    sortKey: sortKeyOf({ numbers: numbersOf(left.tag) })
  })
}

const compareNearness = (a: Left, b: Left): number => {
  if (a.nearness !== b.nearness) return a.nearness > b.nearness ? -1 : 1
  return a.nearness === 0 ? 0 : compareTexts(b.sortKey, a.sortKey) || compareTexts(b.tag, a.tag)
}

/**
 * The tags that are not selected, the most likely intended first: tags that match the pattern, then tags whose numbers have
 * the longest common beginning, the highest version first, then the others as listed.
 */
export const nearestFirst = (pattern: ListedVersion, judged: ReadonlyArray<JudgedTag>): ReadonlyArray<JudgedTag> =>
  judged
    .filter(({ verdict }) => !verdict.selected)
    .map(measureNearness(pattern))
    .sort(compareNearness)
    .map(({ tag, verdict }) => ({ tag, verdict }))

const NAMED = 5

/**
 * The few tags that a message names if no tag matches. Empty if no tag is near. Only these few are kept meanwhile: a list may have
 * 200,000 tags.
 *
 * @example
 * ```ts
 * nearestTags(filter.pattern, judgeTags(filter, ["v2.12.0", "latest"])).map(({ tag }) => tag) // ["v2.12.0"]
 * ```
 */
export const nearestTags = (pattern: ListedVersion, judged: ReadonlyArray<JudgedTag>): ReadonlyArray<JudgedTag> => {
  const measured = measureNearness(pattern)
  const nearest: Array<Left> = []
  for (const one of judged) {
    if (one.verdict.selected) continue
    const left = measured(one)
    const last = nearest.length < NAMED ? undefined : nearest.at(-1)
    if (left.nearness === 0 || (last !== undefined && compareNearness(left, last) > 0)) continue
    nearest.push(left)
    nearest.sort(compareNearness)
    nearest.splice(NAMED)
  }
  return nearest.map(({ tag, verdict }) => ({ tag, verdict }))
}

/** The listing in the message of a condition or a command. */
export interface Listing {
  /** The repository as the user wrote it. */
  readonly repository: string
  /** The number of listed tags. */
  readonly size: number
}

/** Says that no tag matches, with the number of listed tags, the nearest tags, and what would select the nearest. */
export const describeNoMatch = (
  pattern: ListedVersion,
  { repository, size }: Listing,
  nearest: ReadonlyArray<JudgedTag>,
  terms = SPEC_TERMS
): string => {
  const none = `no tag matches ${pattern.text} among the ${size} of ${repository}`
  const [first] = nearest
  if (first === undefined) return none
  const plain = describeVerdict(VERDICTS.notMatching, pattern.text)
  const why = explainTag(first, pattern, terms)
  const named = `${none}; the nearest are ${nearest.map(({ tag }) => tag).join(", ")}`
  return why === plain ? named : `${named}; ${first.tag} ${why}`
}

/** Says that the number of tags is out of the filter's bounds, and how to change that. */
export const describeMisfit = (
  { _tag, tags }: Misfit,
  { atLeast = 0, max = TAGS_SELECTED }: TagFilter,
  { repository, size }: Listing,
  terms = SPEC_TERMS
): string =>
  _tag === "TooFew"
    ? `${tags} of the ${size} tags of ${repository} match, and ${terms.atLeast} asks for ${atLeast}; nothing is copied until enough tags match`
    : `${tags} of the ${size} tags of ${repository} are selected, and ${terms.max} allows ${max}; nothing is copied until fewer tags are selected: set ${terms.latest} or narrow the pattern, or raise ${terms.max}`
