import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { parseExtraction } from "../../src/domain/Extraction.ts"
import { formOf, isExact, parseTagPattern, tagMatcher, type TagPattern } from "../../src/domain/TagPattern.ts"
import { selectTags } from "../../src/domain/TagFilter.ts"
import { TAG_PATTERNS } from "../../scripts/documents/TagPattern.table.ts"

const UNREFINED = { include: [], exclude: [] }
const DIGEST = `sha256:${"ab".repeat(32)}`

/** The tags of a listing that an Image with this version copies. An exact version copies only itself. */
const selected = (
  version: string,
  allowCandidateRelease: boolean,
  tags: ReadonlyArray<string>,
  extract?: string
): ReadonlyArray<string> => {
  const pattern = Result.getOrThrow(parseTagPattern(version))
  const extraction = extract === undefined ? {} : { extract: Result.getOrThrow(parseExtraction(extract, pattern)) }
  if (!isExact(pattern)) return selectTags({ pattern, allowCandidateRelease, ...UNREFINED, ...extraction }, tags)
  return pattern._tag === "Tag" && tags.includes(pattern.tag) ? [pattern.tag] : []
}

describe("source.version selects", () => {
  for (const { allowCandidateRelease = false, extract, pattern, selected: expected, tags, why } of TAG_PATTERNS) {
    const shown = tags.map((tag) => JSON.stringify(tag).slice(1, 30)).join(" ")
    const by = extract === undefined ? "" : ` by ${extract}`
    it(`source.version ${pattern}${by}${allowCandidateRelease ? " with candidates" : ""} selects of ${shown}${why === "" ? "" : `: ${why}`}`, () => {
      assert.deepStrictEqual(selected(pattern, allowCandidateRelease, tags, extract), expected)
    })
  }
})

describe("the form of source.version", () => {
  it.each<readonly [version: string, form: string]>([
    [DIGEST, "Digest"],
    [`@${DIGEST}`, "Digest"],
    [`sha512:${"ab".repeat(64)}`, "Digest"],
    [`v1@sha512:${"ab".repeat(64)}`, "TagAtDigest"],
    ["sha256:abc*", "Digest"],
    [`v1@${DIGEST}`, "TagAtDigest"],
    ["^1.0.0", "Range"],
    ["~1.0", "Range"],
    ["<2", "Range"],
    [">2", "Range"],
    ["=2", "Range"],
    ["1.*", "Range"],
    ["1.0.0||2.0.0", "Range"],
    ["1.0.0 - 2.0.0", "Range"],
    ["^1.x", "Range"],
    ["2.x", "XPattern"],
    ["x.x.x", "XPattern"],
    ["v2.13.x", "XPattern"],
    ["3.x-alpine", "XPattern"],
    ["x", "Tag"],
    ["x-alpine", "Tag"],
    ["2.X", "Tag"],
    ["2.xy", "Tag"],
    ["2.x_1", "XPattern"],
    ["2-x.x", "XPattern"],
    ["vx.1", "XPattern"],
    ["version-5.x.x", "XPattern"],
    ["release_v1.x", "XPattern"],
    ["1.2.x_build.1", "XPattern"],
    ["alpine3.x", "XPattern"],
    ["7.0.8-debian-11-rx", "Tag"],
    ["linux-x86_64", "Tag"],
    ["version-x", "Tag"],
    ["3.7-alpine", "Tag"],
    ["latest", "Tag"],
    [`sha256-${"a".repeat(64)}.sig`, "Tag"]
  ])("the form of source.version %s is %s", (version, form) => {
    assert.strictEqual(formOf(version), form)
  })

  it.each<readonly [version: string, parsed: TagPattern]>([
    ["latest", { _tag: "Tag", tag: "latest" }],
    [DIGEST, { _tag: "Digest", digest: DIGEST }],
    [`@${DIGEST}`, { _tag: "Digest", digest: DIGEST }],
    [`1.27@${DIGEST}`, { _tag: "Tag", tag: "1.27", digest: DIGEST }],
    ["3.x-alpine", { _tag: "XPattern", text: "3.x-alpine", prefix: "", components: ["3", "x"], suffix: "-alpine" }],
    [
      "a-v3.x_b-4.x",
      { _tag: "XPattern", text: "a-v3.x_b-4.x", prefix: "a-v", components: ["3", "x"], suffix: "_b-4.x" }
    ]
  ])("source.version %s is parsed to %j", (version, parsed) => {
    assert.deepStrictEqual(parseTagPattern(version), Result.succeed(parsed))
  })

  const NOTHING =
    "is not a tag, pattern, range or digest; write a tag such as 1.27-alpine, a pattern such as v2.13.x, a range such as ^2.13.0, or a digest sha256:…"
  const BAD_RANGE = "is not a semver range; write one such as ^2.13.0 or >=1.2.0 <2.0.0, or a pattern such as v2.13.x"
  const BAD_DIGEST =
    "has a digest that is not sha256: and 64, or sha512: and 128, lower-case hexadecimal digits; copy the whole digest"

  it.each<readonly [version: string, message: string]>([
    ["", NOTHING],
    [".1", NOTHING],
    ["-1", NOTHING],
    ["a/b", NOTHING],
    ["a:b", NOTHING],
    ["2.x+", NOTHING],
    ["2.x(1)", NOTHING],
    ["2.x$", NOTHING],
    ["[0-9].x", NOTHING],
    ["2.x\\d", NOTHING],
    ["a".repeat(129), NOTHING],
    [`${"1.".repeat(70)}x`, NOTHING],
    [" ", "is empty; write a tag, a pattern such as v2.13.x, or a digest"],
    ["^foo", BAD_RANGE],
    [">=1.2.0 <2.0.0 latest", BAD_RANGE],
    ["*-windows", BAD_RANGE],
    ["*.1", BAD_RANGE],
    ["^1.2-rc1", BAD_RANGE],
    ["1.0.0 - 2.0.0 - 3.0.0", BAD_RANGE],
    ["^^1.0.0", BAD_RANGE],
    ["sha256:abc", BAD_DIGEST],
    ["@latest", BAD_DIGEST],
    ["@", BAD_DIGEST],
    [DIGEST.toUpperCase().replace("SHA", "sha"), BAD_DIGEST],
    [`v1@${DIGEST}0`, BAD_DIGEST],
    ["v1@latest", BAD_DIGEST],
    [`^1.0.0@${DIGEST}`, "pins ^1.0.0, which is not a single tag; write one tag before the @, or remove the digest"],
    [`2.x@${DIGEST}`, "pins 2.x, which is not a single tag; write one tag before the @, or remove the digest"]
  ])("source.version %j is refused with the remedy", (version, message) => {
    assert.deepStrictEqual(parseTagPattern(version), Result.fail(message))
  })

  it("an escaped source.version has no meaning as a regular expression", () => {
    // The decoder refuses these versions, but a caller of the library may build a pattern by hand.
    const matches = tagMatcher(
      { _tag: "XPattern", text: "", prefix: "", components: ["1+", "x"], suffix: "-(a|b)*[c]$\\d{2}^." },
      false
    )
    assert.isTrue(matches("1+.5-(a|b)*[c]$\\d{2}^.").matches)
    assert.isFalse(matches("11.5-aabc").matches)
  })
})

describe("why a tag is left", () => {
  it.each<readonly [version: string, tag: string, reason: "NotMatching" | "CandidateRelease"]>([
    ["2.x", "2.1-rc1", "CandidateRelease"],
    ["^2.0.0", "2.1.0-rc1", "CandidateRelease"],
    ["^2.0.0", "3.1.0-rc1", "NotMatching"],
    ["2.x", "3.1", "NotMatching"]
  ])("source.version %s does not select %s: %s", (version, tag, reason) => {
    const pattern = Result.getOrThrow(parseTagPattern(version))
    if (isExact(pattern)) return assert.fail("a listing was expected")
    assert.deepStrictEqual(tagMatcher(pattern, false)(tag), { matches: false, reason })
  })
})

describe("any listing", () => {
  const Version = Schema.Union([
    Schema.Literals(["2.x", "v2.x", "x.x", "2.x-alpine", "^2.0.0", ">=v1.0.0", "*", "~1.2.0 || 3.x", "latest", "x"]),
    Schema.String.check(Schema.isPattern(/^v?[0-9x]{1,2}(\.[0-9x]{1,2}){0,2}(-[a-z0-9.]{1,6})?$/u)),
    Schema.String
  ])
  const Tag = Schema.Union([
    Schema.String.check(Schema.isPattern(/^v?[0-9]{1,2}(\.[0-9]{1,2}){1,2}(-rc\.?[0-9]{1,2})?(-alpine)?$/u)),
    Schema.String
  ])

  it.prop(
    "any listing gives a selection of its own tags, each once, in any order, and nothing throws",
    { version: Version, tags: Schema.Array(Tag), allowCandidateRelease: Schema.Boolean },
    ({ allowCandidateRelease, tags, version }) => {
      const parsed = parseTagPattern(version)
      if (Result.isFailure(parsed)) {
        assert.isAbove(parsed.failure.length, 0)
        return
      }
      const pattern = parsed.success
      if (isExact(pattern)) return
      const taken = selectTags({ pattern, allowCandidateRelease, ...UNREFINED }, tags)
      assert.deepStrictEqual(new Set(taken).size, taken.length)
      for (const tag of taken) assert.include(tags, tag)
      const shuffles = [tags.toReversed(), tags.toSorted(), [...tags, ...tags]]
      for (const shuffled of shuffles) {
        assert.deepStrictEqual(selectTags({ pattern, allowCandidateRelease, ...UNREFINED }, shuffled), taken)
      }
      if (allowCandidateRelease) {
        const releases = selectTags({ pattern, allowCandidateRelease: false, ...UNREFINED }, tags)
        assert.deepStrictEqual(
          taken.filter((tag) => releases.includes(tag)),
          releases,
          "candidates only add"
        )
      }
    },
    { arbitrary: { runs: 1_000 } }
  )

  it("the time to select from a listing grows linearly with its length", () => {
    const pieces = ["1", "1.", "-rc1", "-rc.", "v", "x", "-", ".", "1-rc1", "1.1.1-", "a", "\n"]
    const tags = pieces.flatMap((piece) => [piece.repeat(100_000), `1.1.1-rc${piece.repeat(100_000)}!`])
    for (const version of ["x.x", "x.x.x-alpine", "^1.0.0", "*", `${"x.".repeat(60)}x`]) {
      assert.deepStrictEqual(selected(version, true, tags), [], version)
    }
    assert.isTrue(Result.isFailure(parseTagPattern(`${"x.".repeat(100_000)}x`)))
    assert.isTrue(Result.isFailure(parseTagPattern(`^${" ".repeat(100_000)}!`)))
    assert.isTrue(Result.isFailure(parseTagPattern(`${"1 - ".repeat(20_000)}!`)))
  })
})
