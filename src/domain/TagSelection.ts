/** Which tags of a listing an Image takes, and why each of the others is left. */
import { Result } from "effect"
import { RE2JS } from "re2js"
import { TAG_PATTERN } from "./Reference.ts"
import { compareVersions, type ListedVersion, tagMatcher } from "./TagPattern.ts"

/** `spec.tags`, its expressions compiled. They run in linear time: no one's pattern can hold up the others. */
export interface TagFilter {
  readonly include: ReadonlyArray<Expression>
  readonly exclude: ReadonlyArray<Expression>
  /** Only so many of the highest versions are taken. */
  readonly latest?: number
  /** Fewer matches than this are not believed. */
  readonly atLeast?: number
}

/** A regular expression in RE2's syntax; it matches anywhere in a tag unless it is anchored. */
export interface Expression {
  readonly text: string
  readonly matches: (tag: string) => boolean
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

/** Fails with what to write instead; an expression's own parser says what is wrong with it. */
export const parseExpression = (text: string): Result.Result<Expression, string> => {
  try {
    const expression = RE2JS.compile(text)
    return Result.succeed({ text, matches: (tag) => expression.test(tag) })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return Result.fail(
      `is no regular expression (${why}); RE2's syntax is meant, which has no lookahead and no backreferences`
    )
  }
}

/** Tags named after a digest: signatures, attestations, SBOMs, and lists of referrers. */
const DIGEST_TAG = /^sha(?:256|512)-[0-9a-f]{64,128}(?:\.[a-z0-9]+)?$/u

/** A verdict for every tag of a listing: the selected first, by version, the newest last; then the others as listed. */
export const judgeTags = (selection: TagSelection, listed: ReadonlyArray<string>): ReadonlyArray<JudgedTag> => {
  const { filter } = selection
  const matches = tagMatcher(selection.pattern, selection.allowCandidateRelease)
  const taken: Array<{ readonly tag: string; readonly version: ReadonlyArray<number> }> = []
  const left: Array<JudgedTag> = []
  for (const tag of new Set(listed)) {
    const leave = (verdict: TagVerdict) => left.push({ tag, verdict })
    if (DIGEST_TAG.test(tag)) leave({ selected: false, reason: "DigestTag" })
    else if (!TAG_PATTERN.test(tag)) leave({ selected: false, reason: "InvalidTag" })
    else {
      const match = matches(tag)
      const excludedBy = filter.exclude.find((expression) => expression.matches(tag))
      if (!match.matches) leave({ selected: false, reason: match.reason })
      else if (filter.include.length > 0 && !filter.include.some((expression) => expression.matches(tag))) {
        leave({ selected: false, reason: "NotIncluded" })
      } else if (excludedBy !== undefined) leave({ selected: false, reason: "Excluded", by: excludedBy.text })
      else taken.push({ tag, version: match.version })
    }
  }
  taken.sort((a, b) => compareVersions(a.version, b.version) || (a.tag < b.tag ? -1 : 1))
  const latest = filter.latest ?? taken.length
  const older = taken.slice(0, Math.max(0, taken.length - latest))
  return [
    ...taken.slice(older.length).map(({ tag }): JudgedTag => ({ tag, verdict: { selected: true } })),
    ...older.map(({ tag }): JudgedTag => ({ tag, verdict: { selected: false, reason: "NotLatest", latest } })),
    ...left
  ]
}

/** The tags of a listing that are selected, the newest last. */
export const selectTags = (selection: TagSelection, listed: ReadonlyArray<string>): ReadonlyArray<string> =>
  judgeTags(selection, listed).flatMap(({ tag, verdict }) => (verdict.selected ? [tag] : []))

/** A verdict in a user's words, with what to write where that would change it. */
export const describeVerdict = (verdict: TagVerdict, pattern: ListedVersion): string => {
  if (verdict.selected) return `matches ${pattern.text}`
  switch (verdict.reason) {
    case "NotMatching":
      return `does not match ${pattern.text}`
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

const NEAREST = 5

/** Tags that begin as the pattern does, the longest way: what may have been meant where nothing matches. */
export const nearestTags = (pattern: ListedVersion, listed: ReadonlyArray<string>): ReadonlyArray<string> => {
  const bare = pattern.text.replace(/^[\^~<>=v\s]+/u, "")
  const shared = (tag: string): number => {
    const other = tag.replace(/^v/u, "")
    let length = 0
    while (length < bare.length && bare[length] === other[length]) length += 1
    return length
  }
  return listed
    .filter((tag) => !DIGEST_TAG.test(tag))
    .map((tag) => ({ tag, shared: shared(tag) }))
    .filter((candidate) => candidate.shared > 0)
    .sort((a, b) => b.shared - a.shared || (a.tag < b.tag ? 1 : -1))
    .map(({ tag }) => tag)
    .slice(0, NEAREST)
}
