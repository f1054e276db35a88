/** Which tags of a listing an Image takes, and why each of the others is left. */
import { Clock, Effect } from "effect"
import type { Expression } from "./Expression.ts"
import { TAG_PATTERN } from "../oci/Reference.ts"
import { compareVersions, type ListedVersion, numbersOf, tagMatcher } from "./TagPattern.ts"

/** `spec.tags`, its expressions compiled. */
export interface TagFilter {
  readonly include: ReadonlyArray<Expression>
  readonly exclude: ReadonlyArray<Expression>
  /** Only so many of the highest versions are taken. */
  readonly latest?: number
  /** Fewer matches than this are not believed. */
  readonly atLeast?: number
}

export const NO_FILTER: TagFilter = { include: [], exclude: [] }

/** What to take: a pattern or range with its refinements. */
export interface TagSelection {
  readonly pattern: ListedVersion
  readonly allowCandidateRelease: boolean
  readonly filter: TagFilter
}

/** Why a tag is taken or left. */
export type TagVerdict =
  | { readonly selected: true }
  | { readonly selected: false; readonly reason: "NotMatching" }
  | { readonly selected: false; readonly reason: "CandidateRelease" }
  /** `sha256-….sig` and its like belong to an image and are no version of it. */
  | { readonly selected: false; readonly reason: "DigestTag" }
  /** Some registries list what nobody can pull. */
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

/** What the expressions make of a tag that is of the pattern; no other is shown to them. */
const filtered = ({ exclude, include }: TagFilter, tag: string): TagVerdict => {
  if (include.length > 0 && !include.some((expression) => expression.matches(tag))) {
    return { selected: false, reason: "NotIncluded" }
  }
  const by = exclude.find((expression) => expression.matches(tag))
  return by === undefined ? { selected: true } : { selected: false, reason: "Excluded", by: by.text }
}

/** A tag with what it is ordered by, if it is taken. */
interface Candidate extends JudgedTag {
  readonly version?: ReadonlyArray<number>
}

/** A verdict on one tag after the other, before they are counted for `latest`. */
const judgeOf = ({ allowCandidateRelease, filter, pattern }: TagSelection): ((tag: string) => Candidate) => {
  const matches = tagMatcher(pattern, allowCandidateRelease)
  return (tag) => {
    if (DIGEST_TAG.test(tag)) return { tag, verdict: { selected: false, reason: "DigestTag" } }
    if (!TAG_PATTERN.test(tag)) return { tag, verdict: { selected: false, reason: "InvalidTag" } }
    const match = matches(tag)
    if (!match.matches) return { tag, verdict: { selected: false, reason: match.reason } }
    const verdict = filtered(filter, tag)
    return verdict.selected ? { tag, verdict, version: match.version } : { tag, verdict }
  }
}

/** The selected first, by version, the newest last; then those that are not the latest; then the others as listed. */
const ordered = ({ filter }: TagSelection, candidates: ReadonlyArray<Candidate>): ReadonlyArray<JudgedTag> => {
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

/** A verdict for every tag of a listing: the selected first, by version, the newest last; then the others as listed. */
export const judgeTags = (selection: TagSelection, listed: ReadonlyArray<string>): ReadonlyArray<JudgedTag> =>
  ordered(selection, Array.from(new Set(listed), judgeOf(selection)))

/** So many tags are judged before the clock is looked at, and so long before others have their turn. */
const STEP = 100
const STEP_MILLIS = 10

/**
 * {@link judgeTags} in steps between which others run, if it takes long: a listing and an expression may both be made
 * to. Thousands of tags and sensible expressions are one step.
 */
export const judgeTagsInSteps = Effect.fnUntraced(function* (selection: TagSelection, listed: ReadonlyArray<string>) {
  const judge = judgeOf(selection)
  const tags = [...new Set(listed)]
  const candidates: Array<Candidate> = []
  let since = yield* Clock.currentTimeMillis
  for (const [index, tag] of tags.entries()) {
    candidates.push(judge(tag))
    if (index % STEP !== STEP - 1) continue
    const now = yield* Clock.currentTimeMillis
    if (now - since < STEP_MILLIS) continue
    yield* Effect.yieldNow
    since = yield* Clock.currentTimeMillis
  }
  return ordered(selection, candidates)
})

/** The tags of a listing that are selected, the newest last. */
export const selectTags = (selection: TagSelection, listed: ReadonlyArray<string>): ReadonlyArray<string> =>
  judgeTags(selection, listed).flatMap(({ tag, verdict }) => (verdict.selected ? [tag] : []))

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

/** Nothing matches: among how many, what is nearest, and what would have that match. */
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
  `${matching} of the ${size} tags of ${repository} match, and spec.tags.atLeast asks for ${atLeast}; nothing is copied until there are as many`
