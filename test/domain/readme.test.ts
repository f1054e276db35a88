/** The README's manifests are accepted. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseAllDocuments } from "yaml"
import { admitImage } from "../../src/domain/ImageDecoder.ts"
import { formatProblem } from "../../src/domain/Problem.ts"
import { parseExtraction } from "../../src/domain/Extraction.ts"
import { parseMirror } from "../../src/domain/Mirror.ts"
import { selectTags } from "../../src/domain/TagFilter.ts"
import { isExact, parseTagPattern } from "../../src/domain/TagPattern.ts"

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")

const manifests = [...readme.matchAll(/^```yaml\n([^]*?)^```$/gmu)]
  .flatMap(([, text = ""]) => parseAllDocuments(text))
  .filter((document) => document.get("kind") === "Image")

/** The cells of the README's table with these headings, as Markdown. */
const table = (...headings: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => {
  const lines = readme.split("\n")
  const cellsOf = (line: string) =>
    line
      .split(/(?<!\\)\|/u)
      .map((cell) => cell.trim().replaceAll("\\|", "|"))
      .slice(1, -1)
  const start = lines.findIndex((line) => line.startsWith("|") && cellsOf(line).join() === headings.join())
  assert.isAtLeast(start, 0, headings.join())
  const end = lines.findIndex((line, i) => i > start && !line.startsWith("|"))
  return lines.slice(start + 2, end).map(cellsOf)
}
const codes = (cell = ""): ReadonlyArray<string> => [...cell.matchAll(/`([^`]*)`/gu)].map(([, code = ""]) => code)

/** The README's table of patterns and ranges. */
const rows = table("`source.version`", "takes", "does not take").map(([version, takes, leaves]) => ({
  version: codes(version)[0] ?? "",
  takes: codes(takes),
  leaves: codes(leaves)
}))

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

/** The README's table of tags that no pattern can read. */
const extractions = table("tags", "`source.version`", "`tags.extract`").map(([tags, version, extract]) => ({
  tag: codes(tags)[0] ?? "",
  version: codes(version)[0] ?? "",
  extract: codes(extract)[0] ?? ""
}))

describe("the README's tags.extract", () => {
  it("the README has rows of tags.extract", () => assert.isAtLeast(extractions.length, 3))

  it.each(extractions)("the README's tags.extract $extract selects $tag", ({ extract, tag, version }) => {
    const pattern = Result.getOrThrow(parseTagPattern(version))
    if (isExact(pattern)) return assert.fail(`${version} is one tag`)
    const extraction = Result.getOrThrow(parseExtraction(extract, pattern))
    const filter = { pattern, allowCandidateRelease: false, include: [], exclude: [], extract: extraction }
    assert.deepStrictEqual(selectTags(filter, [tag, "1.0.0-slim"]), [tag])
  })
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
