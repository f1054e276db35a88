/**
 * Ranges of versions by npm's rules (https://github.com/npm/node-semver#ranges), for tags as people write them: a version has
 * any number of numbers of any size, with leading zeros too, and a `v` is optional unless the range writes one.
 */
import { compareNumbers, type Version } from "./Version.ts"

/** A range: a version is in it if one of the alternatives between `||` holds. */
export interface VersionRange {
  readonly alternatives: ReadonlyArray<Alternative>
}

/** Limits that must all hold. */
export interface Alternative {
  /** A version has at least as many numbers as the longest version in the text: `>=3.17` takes 3.18 and 3.18.1. */
  readonly numbers: number
  /** Whether the text has a `v`. Only tags with a leading `v` are then in the range. */
  readonly leadingV: boolean
  readonly limits: ReadonlyArray<Limit>
}

export interface Limit {
  readonly operator: "<" | "<=" | ">" | ">=" | "="
  readonly bound: Bound
}

/** A version with the identifiers of a pre-release, which are none for a release. */
export interface Bound {
  readonly numbers: ReadonlyArray<bigint>
  readonly identifiers: ReadonlyArray<string>
}

/** A version as a range writes it, whose last numbers may be left out or be wildcards. */
interface Partial extends Bound {
  /** How many numbers and wildcards the text has. */
  readonly written: number
  readonly leadingV: boolean
}

/** Parses a range. Gives `undefined` if the text is not a range. */
export const parseVersionRange = (text: string): VersionRange | undefined => {
  const alternatives = text.split("||").map(parseAlternative)
  const valid = alternatives.filter((alternative) => alternative !== undefined)
  return valid.length === alternatives.length ? { alternatives: valid } : undefined
}

/** Whether a version, of a tag with or without a leading `v`, is in a range. */
export const isInRange = ({ alternatives }: VersionRange, version: Version, leadingV: boolean): boolean =>
  alternatives.some(
    (alternative) =>
      version.numbers.length >= alternative.numbers &&
      (leadingV || !alternative.leadingV) &&
      alternative.limits.every((limit) => holds(limit, version))
  )

const parseAlternative = (text: string): Alternative | undefined => {
  const words = text.trim().replaceAll(/\s+/gu, " ")
  const [from, to, ...more] = words.split(" - ")
  if (to !== undefined) return more.length > 0 ? undefined : parseHyphen(from ?? "", to)
  const comparators = words
    .replaceAll(/([\^~<>=]) /gu, "$1")
    .split(" ")
    .map((word) => (word === "" ? ANYTHING : parseComparator(word)))
  const valid = comparators.filter((comparator) => comparator !== undefined)
  return valid.length === comparators.length ? all(valid) : undefined
}

const ANYTHING: Alternative = { numbers: 0, leadingV: false, limits: [] }

const all = (parts: ReadonlyArray<Alternative>): Alternative => ({
  numbers: Math.max(...parts.map(({ numbers }) => numbers)),
  leadingV: parts.some(({ leadingV }) => leadingV),
  limits: parts.flatMap(({ limits }) => limits)
})

const COMPARATOR = /^(\^|~>?|[<>]?=?)=*(.*)$/u
const PARTIAL = /^(v?)([0-9]+|[xX*])((?:\.(?:[0-9]+|[xX*]))*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/u

const parsePartial = (text: string): Partial | undefined => {
  const parts = PARTIAL.exec(text)
  if (parts === null) return undefined
  const [, v, first = "", others = "", preRelease] = parts
  const components = `${first}${others}`.split(".")
  const wildcard = components.findIndex((component) => !/^[0-9]+$/u.test(component))
  const numbers = wildcard < 0 ? components : components.slice(0, wildcard)
  // A number after a wildcard has no meaning in an order, and npm allows pre-releases of full versions only.
  if (components.slice(numbers.length).some((component) => /^[0-9]+$/u.test(component))) return undefined
  if (preRelease !== undefined && components.length < FULL) return undefined
  return {
    numbers: numbers.map(BigInt),
    // npm orders `rc.2` before `rc.10` but `rc10` before `rc2`, so candidates are compared in the dotted form.
    identifiers: preRelease?.replace(/^rc([0-9])/u, "rc.$1").split(".") ?? [],
    written: components.length,
    leadingV: v !== ""
  }
}

/** A version of three numbers is one point of the order. With fewer numbers it means all versions that begin so. */
const FULL = 3
const isFull = ({ numbers }: Partial): boolean => numbers.length >= FULL

/** The place before all versions with these first numbers, their candidates too. */
const before = (numbers: ReadonlyArray<bigint>): Bound => ({ numbers, identifiers: ["0"] })

/** The place after all versions with the same numbers up to an index. */
const after = (numbers: ReadonlyArray<bigint>, index: number): Bound =>
  before([...numbers.slice(0, index), (numbers[index] ?? 0n) + 1n])

const parseComparator = (text: string): Alternative | undefined => {
  const [, operator = "", rest = ""] = COMPARATOR.exec(text) ?? []
  const version = parsePartial(rest)
  if (version === undefined) return undefined
  return { numbers: version.written, leadingV: version.leadingV, limits: limitsOf(operator, version) }
}

const limitsOf = (operator: string, version: Partial): ReadonlyArray<Limit> => {
  const { identifiers, numbers } = version
  const last = numbers.length - 1
  if (last < 0) return operator === ">" || operator === "<" ? [{ operator: "<", bound: before([0n]) }] : []
  const bound = isFull(version) ? { numbers, identifiers } : before(numbers)
  switch (operator) {
    case ">=":
    case "<":
      return [{ operator, bound }]
    case ">":
      return [isFull(version) ? { operator, bound } : { operator: ">=", bound: after(numbers, last) }]
    case "<=":
      return [isFull(version) ? { operator, bound } : { operator: "<", bound: after(numbers, last) }]
    case "^":
      return between(bound, after(numbers, caretIndex(numbers)))
    case "~":
    case "~>":
      return between(bound, after(numbers, Math.min(1, last)))
    default:
      return isFull(version) ? [{ operator: "=", bound }] : between(bound, after(numbers, last))
  }
}

const between = (from: Bound, to: Bound): ReadonlyArray<Limit> => [
  { operator: ">=", bound: from },
  { operator: "<", bound: to }
]

/** The first number other than 0, which a caret keeps. */
const caretIndex = (numbers: ReadonlyArray<bigint>): number => {
  const first = numbers.slice(0, FULL).findIndex((number) => number !== 0n)
  return first < 0 ? Math.min(numbers.length, FULL) - 1 : first
}

const parseHyphen = (fromText: string, toText: string): Alternative | undefined => {
  const [from, to] = [parsePartial(fromText), parsePartial(toText)]
  if (from === undefined || to === undefined) return undefined
  const { identifiers, numbers } = to
  const lower: Bound =
    isFull(from) && from.identifiers.length > 0
      ? { numbers: from.numbers, identifiers: from.identifiers }
      : before(from.numbers)
  const upper: Limit =
    isFull(to) && identifiers.length > 0
      ? { operator: "<=", bound: { numbers, identifiers } }
      : { operator: "<", bound: after(numbers, numbers.length - 1) }
  return {
    numbers: Math.max(from.written, to.written),
    leadingV: from.leadingV || to.leadingV,
    limits: [{ operator: ">=", bound: lower }, ...(numbers.length === 0 ? [] : [upper])]
  }
}

const holds = ({ bound, operator }: Limit, { candidate, numbers }: Version): boolean => {
  const order =
    compareNumbers(numbers, bound.numbers) ||
    compareIdentifiers(candidate === undefined ? [] : ["rc", String(candidate)], bound.identifiers)
  switch (operator) {
    case "<":
      return order < 0
    case "<=":
      return order <= 0
    case ">":
      return order > 0
    case ">=":
      return order >= 0
    case "=":
      return order === 0
  }
}

/** Compares pre-releases by rule 11 of semver.org. A release, which has no identifiers, comes last. */
const compareIdentifiers = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number => {
  if (a.length === 0 || b.length === 0) return b.length - a.length
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareIdentifier(a[i] ?? "", b[i] ?? "")
    if (order !== 0) return order
  }
  return a.length - b.length
}

const compareIdentifier = (a: string, b: string): number => {
  const [isNumber, isOtherNumber] = [/^[0-9]+$/u.test(a), /^[0-9]+$/u.test(b)]
  if (isNumber && isOtherNumber) return compareNumbers([BigInt(a)], [BigInt(b)])
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1
  return a === b ? 0 : a < b ? -1 : 1
}
