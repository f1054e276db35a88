/** The tags that `spec.tags` selects of a listing, and the reasons that users read. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { type Expression, parseExpression } from "../../src/domain/Expression.ts"
import { parseExtraction } from "../../src/domain/Extraction.ts"
import { patternInstead } from "../../src/domain/Mismatch.ts"
import { isExact, type ListedVersion, parseTagPattern } from "../../src/domain/TagPattern.ts"
import {
  describeNoMatch,
  describeVerdict,
  explainTag,
  judgeTags,
  nearestFirst,
  nearestTags,
  selectTags,
  type TagFilter
} from "../../src/domain/TagFilter.ts"

const UNREFINED = { include: [], exclude: [] }
const HEX = "ab".repeat(32)

const patternOf = (version: string): ListedVersion => {
  const pattern = Result.getOrThrow(parseTagPattern(version))
  if (isExact(pattern)) throw new Error("a pattern was expected")
  return pattern
}

const expressions = (...texts: ReadonlyArray<string>): ReadonlyArray<Expression> =>
  texts.map((text) => Result.getOrThrow(parseExpression(text)))

const taken = (version: string, filter: Partial<TagFilter>, listed: ReadonlyArray<string>, candidates = false) =>
  selectTags({ pattern: patternOf(version), allowCandidateRelease: candidates, ...UNREFINED, ...filter }, listed)

describe("filters of tags", () => {
  const LISTED = ["v2.9.0", "v2.10.0", "v2.10.1", "v2.10.1-rc1", "v2.2.0", "latest", "v3.0.0"]

  it.each<readonly [what: string, filter: Partial<TagFilter>, tags: ReadonlyArray<string>]>([
    ["nothing more", {}, ["v2.2.0", "v2.9.0", "v2.10.0", "v2.10.1"]],
    ["an expression that is included", { include: expressions("^v2\\.10") }, ["v2.10.0", "v2.10.1"]],
    ["one of two that are included", { include: expressions("\\.9\\.", "0\\.1$") }, ["v2.9.0", "v2.10.1"]],
    ["one that is excluded", { exclude: expressions("\\.0$") }, ["v2.10.1"]],
    ["both, where to exclude wins", { include: expressions("10"), exclude: expressions("1$") }, ["v2.10.0"]],
    ["the latest two, by their numbers", { latest: 2 }, ["v2.10.0", "v2.10.1"]],
    ["the latest of what is left", { latest: 1, exclude: expressions("\\.1$") }, ["v2.10.0"]],
    ["more of the latest than there are", { latest: 9 }, ["v2.2.0", "v2.9.0", "v2.10.0", "v2.10.1"]]
  ])("a filter selects the matching tags of a listing: %s", (_, filter, tags) => {
    assert.deepStrictEqual(taken("v2.x.x", filter, LISTED), tags)
  })

  it("a filter orders a candidate before its release, and so selects the release as the latest", () => {
    assert.deepStrictEqual(taken("v2.x.x", { latest: 2 }, LISTED, true), ["v2.10.1-rc1", "v2.10.1"])
  })

  it("a filter selects no tag that is named after a digest, and no invalid tag", () => {
    const odd = [`sha256-${HEX}`, `sha256-${HEX}.sig`, `sha256-${HEX}.att`, `sha256:${HEX}`, "", "a b", "-x", "1.1"]
    assert.deepStrictEqual(taken("1.x", {}, odd), ["1.1"])
    const reasons = judgeTags({ pattern: patternOf("1.x"), allowCandidateRelease: true, ...UNREFINED }, odd)
    assert.deepStrictEqual(
      reasons.map(({ verdict }) => (verdict.selected ? "" : verdict.reason)),
      ["", "DigestTag", "DigestTag", "DigestTag", "InvalidTag", "InvalidTag", "InvalidTag", "InvalidTag"]
    )
  })

  it("every tag gets one verdict, with a reason that a user can act on", () => {
    const filter = { include: expressions("^2"), exclude: expressions("-old$", "2\\.3"), latest: 1 }
    const listed = ["2.1", "2.2", "2.2", "2.3", "2.4-rc1", "3.1", "1.1", `sha256-${HEX}.sig`]
    const pattern = patternOf("x.x")
    const judged = judgeTags({ pattern, allowCandidateRelease: false, ...filter }, listed)
    assert.deepStrictEqual(
      judged.map(({ tag, verdict }) => `${tag} ${describeVerdict(verdict, pattern.text)}`),
      [
        "2.2 matches x.x",
        "2.1 is not among the latest 1",
        `2.3 is excluded by "2\\.3"`,
        "2.4-rc1 is a candidate release; allowCandidateRelease: true selects candidates",
        "3.1 matches no expression of tags.include",
        "1.1 matches no expression of tags.include",
        `sha256-${HEX}.sig is named after a digest and belongs to another image`
      ]
    )
    assert.strictEqual(describeVerdict({ selected: false, reason: "NotMatching" }, pattern.text), "does not match x.x")
    assert.strictEqual(
      describeVerdict({ selected: false, reason: "InvalidTag" }, pattern.text),
      "is not a valid tag and cannot be pulled"
    )
  })
})

describe("tags of one version", () => {
  it("tags of one version count once for the latest, so that none is left for another", () => {
    const listed = ["1.2.0", "v1.2.0", "1.1.0", "v1.1.0", "1.0.0", "v1.2.1"]
    assert.deepStrictEqual(taken("1.x.x", { latest: 2 }, listed), ["1.2.0", "v1.2.0", "v1.2.1"])
    assert.deepStrictEqual(taken(">=1.1", { latest: 1 }, ["1.2", "1.2.0", "v1.2.0", "1.1"]), ["1.2", "1.2.0", "v1.2.0"])
    assert.deepStrictEqual(taken("v1.x.x", { latest: 2 }, listed), ["v1.2.0", "v1.2.1"])
    assert.deepStrictEqual(taken("1.x.x", { latest: 2, exclude: expressions("^v") }, listed), ["1.1.0", "1.2.0"])
  })

  it("tags with a v leave none of the tags without one out of the latest", () => {
    const plain = ["1.0.0", "1.1.0", "1.2.0", "1.3.0"]
    const withV = plain.map((tag) => `v${tag}`)
    assert.includeMembers(
      [...taken("1.x.x", { latest: 3 }, [...plain, ...withV])],
      [...taken("1.x.x", { latest: 3 }, plain)]
    )
  })
})

describe("a filter with tags.extract", () => {
  const extract = Result.getOrThrow(
    parseExtraction("^(?P<semver>.+)-debian-11-r(?P<number>[0-9]+)$", patternOf("7.0.x"))
  )
  const LISTED = [
    "7.0.9-debian-11-r1",
    "7.0.9-debian-11-r2",
    "7.0.8-debian-11-r9",
    "7.1.0-debian-11-r0",
    "7.0.9",
    "latest"
  ]

  it("the latest of extracted versions are those by all groups", () => {
    assert.deepStrictEqual(taken("7.0.x", { extract, latest: 1 }, LISTED), ["7.0.9-debian-11-r2"])
    assert.deepStrictEqual(taken("7.0.x", { extract, latest: 1, exclude: expressions("r2$") }, LISTED), [
      "7.0.9-debian-11-r1"
    ])
  })

  it("every tag that is not selected has its reason", () => {
    const pattern = patternOf("7.0.x")
    const judged = judgeTags({ pattern, allowCandidateRelease: false, ...UNREFINED, extract }, [
      "7.1.0-debian-11-r0",
      "7.0.1-rc1-debian-11-r0",
      "7.0.9",
      "7.0.1-debian-11-r0"
    ])
    assert.deepStrictEqual(
      judged.map((one) => `${one.tag} ${explainTag(one, pattern)}`),
      [
        "7.0.1-debian-11-r0 matches 7.0.x",
        "7.1.0-debian-11-r0 has the version 7.1.0, which does not match 7.0.x",
        "7.0.1-rc1-debian-11-r0 is a candidate release; allowCandidateRelease: true selects candidates",
        "7.0.9 does not match tags.extract"
      ]
    )
  })

  it("no match names the tags whose version is near, and else those that the expression does not match", () => {
    const said = (version: string, listed: ReadonlyArray<string>) => {
      const pattern = patternOf(version)
      const judged = judgeTags({ pattern, allowCandidateRelease: false, ...UNREFINED, extract }, listed)
      return describeNoMatch(pattern, { repository: "r", size: listed.length }, nearestTags(pattern, judged))
    }
    assert.strictEqual(
      said("7.2.x", ["7.0.9", "7.1.0-debian-11-r0"]),
      "no tag matches 7.2.x among the 2 of r; the nearest are 7.1.0-debian-11-r0, 7.0.9; 7.1.0-debian-11-r0 has the version 7.1.0, which does not match 7.2.x"
    )
    assert.strictEqual(
      said("7.2.x", ["7.2.9"]),
      "no tag matches 7.2.x among the 1 of r; the nearest are 7.2.9; 7.2.9 does not match tags.extract"
    )
  })

  const REMEDY = "name the parts of a tag that are its version by (?P<semver>…), (?P<number>…) or (?P<text>…)"

  it.each<readonly [text: string, version: string, message: string]>([
    ["^main-([0-9]+)$", "*", `has no named group; ${REMEDY}`],
    ["^main-(?P<date>[0-9]+)$", "*", `has the group (?P<date>…); ${REMEDY}`],
    ["^(?P<text>.*)$", ">=1", "has (?P<text>…) alone, which has no numbers for >=1; write * as the version"],
    ["^(?P<text>.*)$", "1.x", "has (?P<text>…) alone, which has no numbers for 1.x; write * as the version"],
    [
      "(?P<text>a)(?P<text>b)",
      "*",
      "is not a regular expression (duplicate capture group name: `text`); write RE2's syntax, which has no lookahead and no backreferences"
    ],
    ["a".repeat(257), "*", "is too long; write at most 256 characters"],
    [
      "(?P<number>(?:1?){60}1{60})",
      "*",
      "is too large for an expression with groups; write + or * instead of {n}, or fewer words"
    ]
  ])("tags.extract %s is refused for the version %s with the remedy", (text, version, message) => {
    assert.deepStrictEqual(parseExtraction(text, patternOf(version)), Result.fail(message))
  })
})

describe("a large tags.extract", () => {
  it("tags.extract has room for a branch, a date, a time and a whole commit", () => {
    const text =
      "^(main|develop|release|feature-[a-z0-9-]+)-(?P<number>[0-9]{8})[.-](?P<text>[0-9]{4,6})-sha[0-9a-f]{40}(-amd64|-arm64)?$"
    const extract = Result.getOrThrow(parseExtraction(text, patternOf("*")))
    assert.deepStrictEqual(extract.extract(`main-20250101-1200-sha${"0".repeat(40)}-arm64`), [
      { kind: "number", text: "20250101" },
      { kind: "text", text: "1200" }
    ])
  })
})

describe("a tag that almost matches", () => {
  it.each<readonly [version: string, tag: string, why: string]>([
    ["v1.x", "v1.2.3", "has three numbers; write v1.x.x"],
    ["1.x.x", "v1.2", "has two numbers; write 1.x"],
    ["v1.x", "1.2", "has no leading v; write 1.x"],
    ["1.x.x", "1.2.3-alpine", "ends with -alpine; write 1.x.x-alpine"],
    ["1.x", "1.2.3-alpine", "has three numbers and ends with -alpine; write 1.x.x-alpine"],
    ["1.x-alpine", "1.2", "does not end with -alpine; write 1.x"],
    ["5.x.x", "version-5.6.16", "begins with version-; write version-5.x.x"],
    ["version-5.x.x", "5.6.16", "does not begin with version-; write 5.x.x"],
    ["1.2.x", "1.2.3_build.1", "ends with _build.1; write 1.2.x_build.1"],
    ["^1.4.0", "1.4", "has two numbers; write ^1.4"],
    [">=1.2.0 <2", "v1.3", "has two numbers; write >=1.2 <2"],
    ["^v1.4.0", "1.4.1", "has no leading v; write ^1.4.0"],
    ["^v1.4.0", "1.4", "has no leading v and has two numbers; write ^1.4"],
    ["^6.2.0", "6.2.6-alpine", "ends with -alpine; write 6.x.x-alpine"],
    ["*", "release-2.0", "begins with release-; write release-2.x"],
    // The numbers do not match, or no pattern can be written.
    ["v1.x", "v2.2.3", "does not match v1.x"],
    ["^1.4.0", "2.4", "does not match ^1.4.0"],
    ["^6.2.0", "5.2.6-alpine", "does not match ^6.2.0"],
    ["2.13.x", "2.13", "does not match 2.13.x"],
    ["*", "v-7", "does not match *"],
    ["1.x", "latest", "does not match 1.x"]
  ])("source.version %s leaves %s: %s", (version, tag, why) => {
    const pattern = patternOf(version)
    const [judged] = judgeTags({ pattern, allowCandidateRelease: false, ...UNREFINED }, [tag])
    if (judged === undefined) return assert.fail("one tag was judged")
    assert.strictEqual(explainTag(judged, pattern), why)
    const proposed = / write (.*)$/u.exec(why)?.[1]
    if (proposed !== undefined) assert.deepStrictEqual(taken(proposed, {}, [tag]), [tag])
  })

  it.each([
    ["v1.4.X", "write the pattern with a small x: v1.4.x"],
    ["X.X-alpine", "write the pattern with a small x: x.x-alpine"],
    ["app-1.X", "write the pattern with a small x: app-1.x"],
    ["1.4", "write a pattern such as v1.x"],
    ["2.13-X", "write a pattern such as v1.x"]
  ])("the tag %s, which does not exist, is answered: %s", (tag, remedy) => {
    assert.strictEqual(patternInstead(tag), remedy)
  })
})

describe("the nearest tags", () => {
  const judged = (version: string, listed: ReadonlyArray<string>, filter: Partial<TagFilter> = {}) =>
    judgeTags({ pattern: patternOf(version), allowCandidateRelease: false, ...UNREFINED, ...filter }, listed)

  const named = (...args: Parameters<typeof judged>) => nearestTags(patternOf(args[0]), judged(...args))

  it("the nearest tags begin as the pattern does, the highest first, without those named after a digest", () => {
    const listed = ["2.13.0", "v2.1.0", "v2.13.9", "v2.13.10", "latest", `sha256-${HEX}.sig`]
    assert.deepStrictEqual(
      named("v2.13.x-alpine", listed).map(({ tag }) => tag),
      ["v2.13.10", "v2.13.9", "2.13.0", "v2.1.0"]
    )
    assert.deepStrictEqual(named("9.x", listed), [])
    assert.deepStrictEqual(
      named("2.1.x-alpine", ["latest", "version-2.1.0", "version-3.1.0"]).map(({ tag }) => tag),
      ["version-2.1.0"]
    )
  })

  it.each<readonly [what: string, version: string, filter: Partial<TagFilter>, message: string]>([
    ["nothing near", "9.x.x", {}, "no tag matches 9.x.x among the 4 of r/app"],
    [
      "tags that begin alike",
      "v2.14.x",
      {},
      "no tag matches v2.14.x among the 4 of r/app; the nearest are v2.13.0, v2.12.0"
    ],
    [
      "tags with other numbers",
      "v2.x",
      {},
      "no tag matches v2.x among the 4 of r/app; the nearest are v2.13.0, v2.12.0; v2.13.0 has three numbers; write v2.x.x"
    ],
    [
      "candidates, which are to be asked for",
      "v3.0.x",
      {},
      "no tag matches v3.0.x among the 4 of r/app; the nearest are v3.0.1-rc1; v3.0.1-rc1 is a candidate release; allowCandidateRelease: true selects candidates"
    ],
    [
      "what is excluded",
      "v2.13.x",
      { exclude: expressions("0$") },
      `no tag matches v2.13.x among the 4 of r/app; the nearest are v2.13.0, v2.12.0; v2.13.0 is excluded by "0$"`
    ]
  ])("the nearest tags are named if no tag matches: %s", (_, version, filter, message) => {
    const listed = ["v2.12.0", "v2.13.0", "v3.0.1-rc1", "latest"]
    const nearest = named(version, listed, filter).slice(0, 3)
    assert.strictEqual(
      describeNoMatch(patternOf(version), { repository: "r/app", size: listed.length }, nearest),
      message
    )
  })

  it("the nearest tags come first among all tags that are not selected", () => {
    const listed = [`sha256-${HEX}.sig`, "latest", "v2.1.0", "v2.2.0", "v2.2.1", "v2.2.2-rc1", "!"]
    const left = nearestFirst(patternOf("v2.2.x"), judged("v2.2.x", listed, { latest: 1 }))
    assert.deepStrictEqual(
      left.map(({ tag }) => tag),
      ["v2.2.2-rc1", "v2.2.0", "v2.1.0", `sha256-${HEX}.sig`, "latest", "!"]
    )
  })
})
