/** Chart.yaml says what the chart, the package and the CRD say. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { parse } from "yaml"
import { customResourceDefinition } from "../../src/domain/CustomResourceDefinition.ts"
import { admitImage } from "../../src/domain/ImageDecoder.ts"

const read = (path: string): unknown => parse(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"))

const Chart = Schema.Struct({
  version: Schema.String,
  appVersion: Schema.String,
  home: Schema.String,
  annotations: Schema.Record(Schema.String, Schema.String)
})
const Values = Schema.Struct({
  image: Schema.Struct({ repository: Schema.String, version: Schema.String }),
  config: Schema.Struct({ skopeo: Schema.Struct({ image: Schema.String, version: Schema.String }) })
})
const Package = Schema.Struct({ version: Schema.String, license: Schema.String, homepage: Schema.String })

const chart = Schema.decodeUnknownSync(Chart)(read("charts/skopeo-operator/Chart.yaml"))
const values = Schema.decodeUnknownSync(Values)(read("charts/skopeo-operator/values.yaml"))
const npm = Schema.decodeUnknownSync(Package)(read("package.json"))

/** The value of an annotation of Artifact Hub, which is YAML. */
const annotation = (name: string): unknown => parse(chart.annotations[`artifacthub.io/${name}`] ?? "")
const itemsOf = <A>(item: Schema.Decoder<A>) => Schema.decodeUnknownSync(Schema.Array(item))

describe("Chart.yaml", () => {
  it("the chart lists all images, which are the defaults of its values", () => {
    const images = itemsOf(Schema.Struct({ image: Schema.String }))(annotation("images"))
    const { image, skopeo } = { image: values.image, skopeo: values.config.skopeo }
    assert.deepStrictEqual(images, [
      { image: `${image.repository}:${image.version === "" ? chart.appVersion : image.version}` },
      { image: `${skopeo.image}:${skopeo.version}` }
    ])
  })

  it("the chart has the version, the licence and the home of the package", () => {
    assert.deepStrictEqual([chart.version, chart.appVersion], [npm.version, npm.version])
    assert.strictEqual(annotation("license"), npm.license)
    assert.strictEqual(chart.home, npm.homepage.replace(/#.*$/u, ""))
  })

  it("the chart lists the CRD, with an example that is accepted", () => {
    const { metadata, spec } = customResourceDefinition
    const crds = itemsOf(Schema.Struct({ kind: Schema.String, name: Schema.String, version: Schema.String }))(
      annotation("crds")
    )
    assert.deepStrictEqual(
      crds,
      spec.versions.map(({ name }) => ({ kind: spec.names.kind, name: metadata.name, version: name }))
    )
    const examples = Schema.decodeUnknownSync(Schema.Array(Schema.Unknown))(annotation("crdsExamples"))
    assert.isNotEmpty(examples)
    for (const example of examples) assert.isTrue(Result.isSuccess(admitImage(example)))
  })

  it("the chart lists its changes by the kinds that Artifact Hub knows", () => {
    const Kind = Schema.Literals(["added", "changed", "deprecated", "removed", "fixed", "security"])
    assert.isNotEmpty(itemsOf(Schema.Struct({ kind: Kind, description: Schema.String }))(annotation("changes")))
  })
})
