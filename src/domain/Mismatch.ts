/** Why a tag does not match a pattern or range although its numbers would, and what to write instead. */
import { Result } from "effect"
import { formOf, isExact, type ListedVersion, parseTagPattern, tagMatcher } from "./TagPattern.ts"
import { CANDIDATE, versionOf } from "./Version.ts"
import { isInRange } from "./VersionRange.ts"

/** A tag, split around its first dotted numbers. */
interface TagParts {
  readonly prefix: string
  readonly release: string
  readonly candidate: string | undefined
  readonly suffix: string
}

const PARTS = new RegExp(`^((?:[A-Za-z].*?)?)([0-9]+(?:\\.[0-9]+)*)(${CANDIDATE})?((?:[-_].*)?)$`, "u")

const partsOf = (tag: string): TagParts | undefined => {
  const parts = PARTS.exec(tag)
  if (parts === null) return undefined
  const [, prefix = "", release = "", candidate, suffix = ""] = parts
  return { prefix, release, candidate, suffix }
}

/** Another way to write a pattern, with what the tag has that the pattern has not. */
interface Proposal {
  readonly why: ReadonlyArray<string>
  readonly write: string
}

/**
 * Says what keeps a tag from a pattern, and a pattern or range that takes it: `has three numbers; write v1.x.x`. `undefined` if
 * the numbers themselves do not match.
 */
export const describeMismatch = (pattern: ListedVersion, tag: string): string | undefined => {
  const parts = partsOf(tag)
  if (parts === undefined) return undefined
  const proposals = pattern._tag === "XPattern" ? forXPattern(pattern, parts) : forRange(pattern, parts)
  const proposal = proposals.find(({ why, write }) => why.length > 0 && takes(write, tag))
  return proposal === undefined ? undefined : `${proposal.why.join(" and ")}; write ${proposal.write}`
}

/** Says which pattern to write instead of a tag that does not exist. A pattern with a capital X is a tag. */
export const patternInstead = (tag: string): string => {
  const small = tag.replaceAll(/(?<=^v?|[-_.])X(?=[-_.]|$)/gu, "x")
  return small !== tag && formOf(small) === "XPattern"
    ? `write the pattern with a small x: ${small}`
    : "write a pattern such as v1.x"
}

/** A proposal is made only if it takes the tag. */
const takes = (text: string, tag: string): boolean => {
  const parsed = parseTagPattern(text)
  return Result.isSuccess(parsed) && !isExact(parsed.success) && tagMatcher(parsed.success, true)(tag).matches
}

const forXPattern = (
  pattern: Extract<ListedVersion, { readonly _tag: "XPattern" }>,
  { prefix, release, suffix }: TagParts
): ReadonlyArray<Proposal> => {
  const count = release.split(".").length
  const hasOptionalV = prefix === "v" && pattern.prefix === ""
  const components = Array.from({ length: count }, (_, i) => pattern.components[i] ?? "x")
  return [
    {
      why: [
        ...(hasOptionalV || prefix === pattern.prefix ? [] : [beginsWith(prefix, pattern.prefix)]),
        ...(count === pattern.components.length ? [] : [hasNumbers(count)]),
        ...(suffix === pattern.suffix ? [] : [endsWith(suffix, pattern.suffix)])
      ],
      write: (hasOptionalV ? "" : prefix) + components.join(".") + suffix
    }
  ]
}

const beginsWith = (prefix: string, wanted: string): string =>
  prefix === "" ? (wanted === "v" ? "has no leading v" : `does not begin with ${wanted}`) : `begins with ${prefix}`

const endsWith = (suffix: string, wanted: string): string =>
  suffix === "" ? `does not end with ${wanted}` : `ends with ${suffix}`

const forRange = (
  { range, text }: Extract<ListedVersion, { readonly _tag: "Range" }>,
  { candidate, prefix, release, suffix }: TagParts
): ReadonlyArray<Proposal> => {
  const numbers = release.split(".")
  if (suffix !== "" || !["", "v"].includes(prefix)) {
    // A range has no place for other words, so a pattern is proposed if the range has the version.
    if (!isInRange(range, versionOf(release, candidate), true)) return []
    const why = [
      ...(["", "v"].includes(prefix) ? [] : [`begins with ${prefix}`]),
      ...(suffix === "" ? [] : [`ends with ${suffix}`])
    ]
    const components = numbers.map((number, i) => (i === 0 ? number : "x"))
    return [{ why, write: `${prefix}${components.join(".")}${suffix}` }]
  }
  const withoutV = text.replaceAll(/(^|[\^~<>=|\s])v(?=[0-9xX*])/gu, "$1")
  const shortened = (long: string): string =>
    long.replaceAll(/[0-9xX*]+(?:\.[0-9xX*]+)+/gu, (version) => version.split(".").slice(0, numbers.length).join("."))
  const short = hasNumbers(numbers.length)
  return [
    { why: ["has no leading v"], write: withoutV },
    { why: [short], write: shortened(text) },
    { why: ["has no leading v", short], write: shortened(withoutV) }
  ]
}

const WORDS = ["no", "one", "two", "three", "four", "five"]

const hasNumbers = (count: number): string => `has ${WORDS[count] ?? count} ${count === 1 ? "number" : "numbers"}`
