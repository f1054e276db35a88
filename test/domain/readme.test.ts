/** The README's manifests are accepted. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseAllDocuments } from "yaml"
import { admitImage } from "../../src/domain/ImageDecoder.ts"
import { formatProblem } from "../../src/domain/Problem.ts"
import { parseMirror } from "../../src/domain/Mirror.ts"
import { selectTags } from "../../src/domain/TagFilter.ts"
import { isExact, parseTagPattern } from "../../src/domain/TagPattern.ts"

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")

const manifests = [...readme.matchAll(/^```yaml\n([^]*?)^```$/gmu)]
  .flatMap(([, text = ""]) => parseAllDocuments(text))
  .filter((document) => document.get("kind") === "Image")

/** The rows of the README's table of patterns and ranges. */
const rows = [...readme.matchAll(/^\| `(.*?)` +\| (`.*`) +\| (`.*`) +\|$/gmu)].map(
  ([, version = "", takes = "", leaves = ""]) => ({
    version: version.replaceAll("\\|", "|"),
    takes: takes.replaceAll("`", "").split(", "),
    leaves: leaves.replaceAll("`", "").split(", ")
  })
)

describe("the README's patterns and ranges", () => {
  it("the README has rows of patterns and of ranges", () => assert.isAtLeast(rows.length, 12))

  it.each(rows)(
    "the README's $version takes the tags of its row, in order, and no other",
    ({ leaves, takes, version }) => {
      const pattern = Result.getOrThrow(parseTagPattern(version))
      if (isExact(pattern)) return assert.fail(`${version} is one tag`)
      const filter = { pattern, allowCandidateRelease: false, include: [], exclude: [] }
      assert.deepStrictEqual(selectTags(filter, [...leaves, ...takes.toReversed()]), takes)
    }
  )
})

describe("the README's Image", () => {
  it("the README has several Images", () => assert.isAtLeast(manifests.length, 6))

  it.each(manifests.map((document) => [String(document.getIn(["metadata", "name"])), document] as const))(
    "the README's Image %s is accepted",
    (_, document) => {
      assert.deepStrictEqual(document.errors, [])
      const parsed = Result.flatMap(admitImage(document.toJS()), ({ spec }) => parseMirror(spec))
      assert.deepStrictEqual(Result.isFailure(parsed) ? parsed.failure.map(formatProblem) : [], [])
    }
  )
})
