/** Ranges agree with npm's on npm's own versions, and the order of versions is total. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import semver from "semver"
import { compareVersions, versionOf } from "../../src/domain/Version.ts"
import { isInRange, parseVersionRange } from "../../src/domain/VersionRange.ts"

const Number = Schema.Literals(["0", "1", "2", "3", "10"])
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
const Release = Schema.Tuple([Number, Number, Number])

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

  it.prop(
    "the order of versions is total, also of numbers beyond 2^53",
    { a: Text, b: Text, c: Text },
    ({ a, b, c }) => {
      const [x, y, z] = [parse(a), parse(b), parse(c)]
      assert.strictEqual(compareVersions(x, x), 0)
      assert.strictEqual(Math.sign(compareVersions(x, y)), -Math.sign(compareVersions(y, x)) + 0, `${a} ${b}`)
      const [first, second, third] = [x, y, z].toSorted(compareVersions)
      if (first === undefined || second === undefined || third === undefined) return assert.fail("three versions")
      assert.isAtMost(compareVersions(first, third), 0, `${a} ${b} ${c}`)
    },
    { arbitrary: { runs: 2_000 } }
  )

  it.prop(
    "a number that is one greater is a higher version, whatever its size",
    { number: Schema.String.check(Schema.isPattern(/^[1-9][0-9]{0,40}$/u)), zeros: Schema.Literals(["", "0", "00"]) },
    ({ number, zeros }) => {
      const next = String(BigInt(number) + 1n)
      assert.isBelow(compareVersions(parse(`1.${zeros}${number}`), parse(`1.${next}`)), 0)
      assert.strictEqual(compareVersions(parse(`1.${zeros}${number}`), parse(`1.${number}`)), 0)
    }
  )
})
