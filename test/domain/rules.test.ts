import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decodeImage } from "../../src/domain/ImageDecoder.ts"
import { formatProblem } from "../../src/domain/Problem.ts"
import { refusals, type RuleContext } from "../../src/domain/rules.ts"

const DIGEST = `sha256:${"ab".repeat(32)}`

interface Written {
  readonly version?: string
  readonly as?: string
  readonly tags?: object
  readonly platforms?: ReadonlyArray<string>
}

const refused = ({ as, version = "1.27", ...spec }: Written, context?: RuleContext): ReadonlyArray<string> => {
  const source = { name: "quay.io/team/app", version }
  const destination = { name: "registry.corp/app", ...(as === undefined ? {} : { version: as }) }
  const image = Result.getOrThrow(decodeImage({ metadata: { name: "a" }, spec: { ...spec, source, destination } }))
  return refusals(image.spec, context).map((problem) => `${problem.reason} ${formatProblem(problem)}`)
}

const NO_PLATFORMS: RuleContext = { supports: { platforms: false } }
const UNSUPPORTED =
  'PlatformsUnsupported spec.platforms: ["linux/amd64"] is not supported by this copy engine; remove spec.platforms, or use another engine (COPY_ENGINE, the chart\'s config.copyEngine)'

describe("the rules that refuse an Image", () => {
  it.each<readonly [what: string, written: Written, context: RuleContext, refused: ReadonlyArray<string>]>([
    ["a tag under its own name", {}, {}, []],
    ["a tag under another name", { as: "latest" }, {}, []],
    ["a pattern whose tags keep their names", { version: "1.x", as: "1.x" }, {}, []],
    ["a pattern that is refined", { version: "1.x", tags: { latest: 3 } }, {}, []],
    ["a digest with a tag", { version: DIGEST, as: "pinned" }, {}, []],
    ["platforms at admission, where the engine is not known", { platforms: ["linux/amd64"] }, {}, []],
    ["platforms that the engine copies", { platforms: ["linux/amd64"] }, { supports: { platforms: true } }, []],
    ["all platforms, by an engine that copies no others", {}, NO_PLATFORMS, []]
  ])("the rules accept %s", (_, written, context, expected) => {
    assert.deepStrictEqual(refused(written, context), expected)
  })

  it.each<readonly [what: string, written: Written, context: RuleContext, refused: ReadonlyArray<string>]>([
    [
      "one name for the tags of a pattern",
      { version: "1.x", as: "latest" },
      {},
      [
        'InvalidDestinationVersion spec.destination.version: "latest" must be left out or equal source.version (1.x) when that is a pattern or a range: each tag keeps its name'
      ]
    ],
    [
      "a digest without a tag",
      { version: DIGEST },
      {},
      [
        "InvalidDestinationVersion spec.destination.version: is missing; a digest gives no tag, so name the tag to write"
      ]
    ],
    [
      "a refinement of one tag",
      { tags: { latest: 3 } },
      {},
      [
        'InvalidSpec spec.tags: {"latest":3} refines a pattern or a range, and source.version (1.27) is neither; remove spec.tags'
      ]
    ],
    [
      "a platform under another program's name",
      { platforms: ["linux/amd64", "linux/aarch64"] },
      {},
      [
        'InvalidPlatform spec.platforms[1]: "linux/aarch64" has the architecture aarch64, which images call arm64; write linux/arm64'
      ]
    ],
    ["platforms that the engine cannot leave out", { platforms: ["linux/amd64"] }, NO_PLATFORMS, [UNSUPPORTED]],
    [
      "two things at once",
      { platforms: ["linux/amd64"], tags: { latest: 3 } },
      NO_PLATFORMS,
      [
        'InvalidSpec spec.tags: {"latest":3} refines a pattern or a range, and source.version (1.27) is neither; remove spec.tags',
        UNSUPPORTED
      ]
    ]
  ])("the rules refuse %s", (_, written, context, expected) => {
    assert.deepStrictEqual(refused(written, context), expected)
  })
})
