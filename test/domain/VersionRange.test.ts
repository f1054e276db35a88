/** Ranges agree with npm's on npm's own versions, and the order of versions is total. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import semver from "semver"
import { compareNumbers, sortKeyOf, versionOf } from "../../src/domain/Version.ts"
import { isInRange, parseVersionRange } from "../../src/domain/VersionRange.ts"

const Digits = Schema.Literals(["0", "1", "2", "3", "10"])
const Component = Schema.Literals(["0", "1", "2", "3", "10", "1", "2", "x", "*"])
const Written = Schema.Struct({
  v: Schema.Literals(["", "", "v"]),
  components: Schema.Tuple([Component, Component, Component]),
  length: Schema.Literals([1, 2, 3, 3, 3]),
  preRelease: Schema.Literals(["", "", "", "-rc.1", "-rc.2", "-beta.1", "-0"])
})
const Alternative = Schema.Struct({
  kind: Schema.Literals(["one", "one", "two", "hyphen"]),
  operators: Schema.Tuple([
    Schema.Literals(["^", "~", "~>", ">=", "<=", ">", "<", "=", ""]),
    Schema.Literals(["<", "<=", ">", ">="])
  ]),
  versions: Schema.Tuple([Written, Written])
})

const textOf = ({ components, length, preRelease, v }: typeof Written.Type): string =>
  `${v}${components.slice(0, length).join(".")}${length === 3 ? preRelease : ""}`

const alternativeOf = ({ kind, operators, versions }: typeof Alternative.Type): string => {
  const [from, to] = [textOf(versions[0]), textOf(versions[1])]
  if (kind === "hyphen") return `${from} - ${to}`
  return `${operators[0]}${from}${kind === "one" ? "" : ` ${operators[1]}${to}`}`
}

const Range = Schema.Array(Alternative).check(Schema.isMinLength(1), Schema.isMaxLength(2))
const Release = Schema.Tuple([Digits, Digits, Digits])

describe("ranges", () => {
  it.prop(
    "a range has the same versions as npm's range, of all versions that npm knows",
    {
      alternatives: Range,
      release: Release,
      candidate: Schema.Literals(["", "", "-rc.0", "-rc.1", "-rc.2", "-rc.10"])
    },
    ({ alternatives, candidate, release }) => {
      const range = alternatives.map(alternativeOf).join(" || ")
      const ours = parseVersionRange(range)
      // npm accepts a number after a wildcard after some signs only.
      if (/[x*]\.[0-9]/u.test(range)) return
      assert.strictEqual(ours === undefined, semver.validRange(range) === null, range)
      if (ours === undefined) return
      const version = versionOf(release.join("."), candidate === "" ? undefined : candidate)
      const isNpms = semver.satisfies(`${release.join(".")}${candidate}`, range, { includePrerelease: true })
      assert.strictEqual(isInRange(ours, version, true), isNpms, `${release.join(".")}${candidate} in ${range}`)
    },
    { arbitrary: { runs: 10_000 } }
  )

  it.prop(
    "no range takes a version with fewer numbers than each of its alternatives writes",
    { alternatives: Range, release: Release, length: Schema.Literals([1, 2]) },
    ({ alternatives, length, release }) => {
      const range = alternatives.map(alternativeOf).join(" || ")
      const written = alternatives.map(({ kind, versions: [first, second] }) =>
        kind === "one" ? first.length : Math.max(first.length, second.length)
      )
      const parsed = parseVersionRange(range)
      if (parsed === undefined || length >= Math.min(...written)) return
      const text = release.slice(0, length).join(".")
      assert.isFalse(isInRange(parsed, versionOf(text, undefined), true), `${text} in ${range}`)
    },
    { arbitrary: { runs: 1_000 } }
  )

  it.prop(
    "a range takes a version with a v if the range takes the version without one",
    { alternatives: Range, release: Release },
    ({ alternatives, release }) => {
      const parsed = parseVersionRange(alternatives.map(alternativeOf).join(" || "))
      const version = versionOf(release.join("."), undefined)
      if (parsed === undefined || !isInRange(parsed, version, false)) return
      assert.isTrue(isInRange(parsed, version, true))
    },
    { arbitrary: { runs: 1_000 } }
  )
})

describe("the order of versions", () => {
  const Text = Schema.String.check(
    Schema.isPattern(/^(0{0,2}[0-9]{1,2}|900719925474099[0-9]{1,4})(\.[0-2]){0,3}(-rc[0-9]{1,2})?$/u)
  )
  const parse = (text: string) => {
    const [release = "", candidate] = text.split("-")
    return versionOf(release, candidate)
  }
  const key = (text: string): string => sortKeyOf(parse(text))
  const compare = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1)

  it.prop(
    "versions are sorted by their numbers, then candidates before their release, also beyond 2^53",
    { a: Text, b: Text },
    ({ a, b }) => {
      const [x, y] = [parse(a), parse(b)]
      const byNumbers = compareNumbers(x.numbers, y.numbers)
      // A release has no candidate, and no candidate of these has three digits.
      const byCandidate = Number((x.candidate ?? 100n) - (y.candidate ?? 100n))
      assert.strictEqual(compare(key(a), key(b)), byNumbers || Math.sign(byCandidate), `${a} ${b}`)
    },
    { arbitrary: { runs: 2_000 } }
  )

  it.prop(
    "what sorts a tag takes little more memory than the tag, however many numbers the tag has",
    { text: Schema.String.check(Schema.isPattern(/^[0-9]{1,3}(\.[0-9]{1,3}){0,40}(-rc[0-9]{1,9})?$/u)) },
    ({ text }) => assert.isAtMost(key(text).length, text.length + 2)
  )

  it.prop(
    "a number that is one greater is a higher version, whatever its size",
    { number: Schema.String.check(Schema.isPattern(/^[1-9][0-9]{0,40}$/u)), zeros: Schema.Literals(["", "0", "00"]) },
    ({ number, zeros }) => {
      const next = String(BigInt(number) + 1n)
      assert.isBelow(compare(key(`1.${zeros}${number}`), key(`1.${next}`)), 0)
      assert.strictEqual(compare(key(`1.${zeros}${number}`), key(`1.${number}`)), 0)
    }
  )
})
