/** The recipe that mirrors the operator itself has exactly the images of the chart. */
import { assert, describe, it } from "@effect/vitest"
import { parse, parseAllDocuments } from "yaml"
import { blocksOf, commandsOf, readDocument, sectionOf } from "../support/markdown.ts"

interface Values {
  readonly image: { readonly repository: string; readonly version: string }
  readonly config: { readonly skopeo: { readonly image: string; readonly version: string } }
}

interface Image {
  readonly spec: {
    readonly source: { readonly name: string; readonly version: string }
    readonly destination: { readonly name: string }
  }
}

const chart = parse(readDocument("charts/skopeo-operator/Chart.yaml")) as Readonly<Record<string, string>>
const values = parse(readDocument("charts/skopeo-operator/values.yaml")) as Values
const section = sectionOf("docs/recipes.md", "Mirror the operator itself")
const images = blocksOf(section, "yaml").flatMap((text) =>
  parseAllDocuments(text).map((document) => document.toJS() as Image)
)

describe("the recipe Mirror the operator itself", () => {
  it("the recipe has the chart's two default images with their versions, and the chart, and nothing else", () => {
    const { image, config } = values
    assert.sameMembers(
      images.map(({ spec: { source } }) => `${source.name}:${source.version}`),
      [
        `${image.repository}:${image.version === "" ? chart["appVersion"] : image.version}`,
        `${config.skopeo.image}:${config.skopeo.version}`,
        `ghcr.io/tchoupinax/charts/skopeo-operator:${chart["version"]}`
      ]
    )
  })

  it("the recipe installs the mirrored chart of this version with the mirrored images", () => {
    const [operator = "", skopeo = "", mirrored = ""] = images.map(({ spec }) => spec.destination.name)
    const install = blocksOf(section, "sh")
      .flatMap(commandsOf)
      .find((line) => line.startsWith("helm "))
    for (const words of [
      `oci://${mirrored} --version ${chart["version"]} `,
      `--set image.repository=${operator} `,
      `--set config.skopeo.image=${skopeo}`
    ]) {
      assert.include(install, words)
    }
  })
})
