/** The README's manifests are accepted. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseAllDocuments } from "yaml"
import { admitImage } from "../../src/domain/ImageDecoder.ts"
import { formatProblem } from "../../src/domain/Problem.ts"
import { parseMirror } from "../../src/domain/Mirror.ts"

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")

const manifests = [...readme.matchAll(/^```yaml\n([^]*?)^```$/gmu)]
  .flatMap(([, text = ""]) => parseAllDocuments(text))
  .filter((document) => document.get("kind") === "Image")

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
