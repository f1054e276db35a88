import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { parse } from "yaml"
import {
  customResourceDefinition,
  specSchema,
  statusSchema,
  type StructuralSchema,
  toStructuralSchema
} from "../../src/domain/CustomResourceDefinition.ts"
import { API_VERSION, KIND, MODES } from "../../src/domain/Image.ts"
import { admitImage } from "../../src/domain/ImageDecoder.ts"
import { formOf } from "../../src/domain/TagPattern.ts"

const [version] = customResourceDefinition.spec.versions
const root: StructuralSchema = version?.schema.openAPIV3Schema ?? {}
const { spec, status } = root.properties ?? {}

/** Every node of a schema with its path. */
const nodesOf = (schema: StructuralSchema, path: string): ReadonlyArray<readonly [string, StructuralSchema]> => [
  [path, schema],
  ...Object.entries(schema.properties ?? {}).flatMap(([key, child]) => nodesOf(child, `${path}.${key}`)),
  ...(schema.items === undefined ? [] : nodesOf(schema.items, `${path}[]`))
]

describe("the CRD", () => {
  const FORBIDDEN = [
    "$ref",
    "$defs",
    "definitions",
    "additionalProperties",
    "patternProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "const",
    "title",
    "examples",
    "$schema",
    "prefixItems",
    "exclusiveMinimum",
    // An API server drops fields that are not in the schema. A field that the API server keeps is held by the operator
    // too.
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource"
  ]

  it.each(nodesOf(root, ""))("the CRD is structural at %j", (_, node) => {
    assert.isString(node.type)
    for (const keyword of FORBIDDEN) assert.notProperty(node, keyword)
    assert.strictEqual(node.type === "object", node.properties !== undefined || node === root.properties?.["metadata"])
    assert.strictEqual(node.type === "array", node.items !== undefined)
    if (node.type === "integer") assert.strictEqual(node["format"], "int64")
    for (const key of node.required ?? []) assert.property(node.properties, key)
  })

  it("the CRD has the names that users and the chart rely on", () => {
    assert.strictEqual(customResourceDefinition.metadata.name, "images.skopeo.io")
    assert.strictEqual(customResourceDefinition.spec.group, "skopeo.io")
    assert.strictEqual(customResourceDefinition.spec.scope, "Namespaced")
    assert.deepStrictEqual(customResourceDefinition.spec.names, {
      kind: "Image",
      listKind: "ImageList",
      plural: "images",
      singular: "image",
      shortNames: ["img"]
    })
    assert.strictEqual(version?.name, "v1alpha1")
    assert.deepStrictEqual(version?.subresources, { status: {} })
  })

  it("the CRD sets the defaults, and requires only source, destination and their names", () => {
    const defaults = Object.entries(spec?.properties ?? {}).map(([key, node]) => [key, node["default"]])
    assert.deepStrictEqual(Object.fromEntries(defaults), {
      mode: "OneShot",
      frequency: "5m",
      allowCandidateRelease: false,
      suspend: false,
      tags: undefined,
      platforms: undefined,
      referrers: undefined,
      source: undefined,
      destination: undefined
    })
    assert.deepStrictEqual(root.required, ["spec"])
    assert.deepStrictEqual(spec?.required, ["source", "destination"])
    assert.deepStrictEqual(spec?.properties?.["source"]?.required, ["name", "version"])
    assert.deepStrictEqual(spec?.properties?.["destination"]?.required, ["name"])
  })

  it("the CRD accepts the modes and fields of earlier manifests", () => {
    assert.deepStrictEqual(spec?.properties?.["mode"]?.enum, [...MODES])
    assert.deepStrictEqual([...MODES], ["OneShot", "Recurrent", "OnceByTag"])
    for (const side of ["source", "destination"]) {
      assert.strictEqual(spec?.properties?.[side]?.properties?.["useAwsIRSA"]?.type, "boolean")
    }
    const history = status?.properties?.["history"]?.items
    assert.deepStrictEqual(history?.required, ["performedAt"])
    assert.strictEqual(history?.properties?.["performedAt"]?.["format"], "date-time")
  })

  it("the CRD bounds texts, so that its rules have a bounded cost", () => {
    for (const side of ["source", "destination"]) {
      assert.strictEqual(spec?.properties?.[side]?.properties?.["version"]?.["maxLength"], 256)
      assert.strictEqual(spec?.properties?.[side]?.properties?.["name"]?.["maxLength"], 512)
    }
    for (const list of ["include", "exclude"]) {
      const node = spec?.properties?.["tags"]?.properties?.[list]
      assert.deepStrictEqual([node?.["maxItems"], node?.items?.["maxLength"]], [16, 256])
    }
    assert.strictEqual(spec?.properties?.["platforms"]?.["maxItems"], 32)
    assert.strictEqual(spec?.properties?.["frequency"]?.["maxLength"], 64)
    assert.strictEqual(spec?.properties?.["frequency"]?.["pattern"], "^([0-9]+(s|m|h|d|w))+$")
    // The operator holds the spec of every Image in memory.
    for (const [path, node] of nodesOf(specSchema, "spec")) {
      if (node.type === "string" && node.enum === undefined) assert.isNumber(node["maxLength"], path)
      if (node.type === "array") assert.isNumber(node["maxItems"], path)
    }
  })

  it.each([
    ["spec", specSchema],
    ["status", statusSchema]
  ] as const)("the CRD describes every field of the %s, so that kubectl explain answers", (name, schema) => {
    for (const [path, node] of nodesOf(schema, name)) {
      // kubectl explains the elements of a list together with the list.
      if (path.endsWith("[]") && node.type === "object") continue
      assert.match(node.description ?? "", /^.{4,}[.…]$/u, path)
    }
  })

  it("the CRD has the three rules that a schema cannot express", () => {
    const rules = specSchema["x-kubernetes-validations"] as ReadonlyArray<{ rule: string; message: string }>
    assert.deepStrictEqual(
      rules.map(({ rule }) => rule),
      [
        String.raw`!has(self.destination.version) || !(!self.source.version.matches('^sha256:|^sha512:|@') && (self.source.version.matches('[\\^~<>=*|\\s]') || self.source.version.matches('(^|[-_])v?x[.]|[.]x([-_.]|$)'))) || self.destination.version == self.source.version`,
        "!self.source.version.matches('^(sha256:|sha512:|@)') || has(self.destination.version)",
        String.raw`!has(self.tags) || (!self.source.version.matches('^sha256:|^sha512:|@') && (self.source.version.matches('[\\^~<>=*|\\s]') || self.source.version.matches('(^|[-_])v?x[.]|[.]x([-_.]|$)')))`
      ]
    )
  })

  it.prop(
    "the CRD's rules and the decoder agree whether a version is listed",
    {
      version: Schema.Union([
        Schema.String.check(Schema.isPattern(/^[v^~<>=]?[0-9x*.| -]{1,8}(-[a-z0-9.x]{1,6})?(@sha256:a)?$/u)),
        Schema.String.check(Schema.isPattern(/^(sha256:|@)?[vx0-9.\-_@]{0,8}$/u)),
        Schema.String
      ])
    },
    ({ version }) => {
      // The rule is evaluated as JavaScript, in which each of its calls has the same meaning.
      const byRule =
        !/^sha256:|^sha512:|@/u.test(version) &&
        (/[\^~<>=*| \t\n\f\r]/u.test(version) || /(^|[-_])v?x[.]|[.]x([-_.]|$)/u.test(version))
      const form = formOf(version)
      assert.strictEqual(form === "Range" || form === "XPattern", byRule)
      const spec = {
        source: { name: "a/b", version: version === "" ? "1" : version },
        destination: { name: "c/d", version: version === "" ? "1" : version },
        tags: { latest: 1 }
      }
      const admitted = admitImage({ apiVersion: API_VERSION, kind: KIND, metadata: { name: "a" }, spec })
      if (version.length <= 256) assert.strictEqual(Result.isSuccess(admitted), byRule)
    },
    { arbitrary: { runs: 500 } }
  )

  it("the CRD's default status does not count as observed, and its conditions are a map", () => {
    assert.deepStrictEqual(status?.["default"], { observedGeneration: -1 })
    const conditions = status?.properties?.["conditions"]
    assert.strictEqual(conditions?.["x-kubernetes-list-type"], "map")
    assert.deepStrictEqual(conditions?.["x-kubernetes-list-map-keys"], ["type"])
    assert.deepStrictEqual(conditions?.items?.properties?.["status"]?.enum, ["True", "False", "Unknown"])
  })

  it("the CRD shows the columns Source, Mode, Tags, Ready, Status and Age, and more with -o wide", () => {
    const shown = (wide: boolean) =>
      (version?.additionalPrinterColumns ?? [])
        .filter(({ priority = 0 }) => wide || priority === 0)
        .map(({ name }) => name)
    assert.includeMembers(shown(false), ["Source", "Mode", "Tags", "Ready", "Status", "Age"])
    assert.notIncludeMembers(shown(false), ["Message", "Suspended", "Destination", "Checked"])
    assert.includeMembers(shown(true), ["Message", "Suspended", "Destination", "Checked"])
  })

  it("the CRD's columns have paths of existing fields", () => {
    for (const { jsonPath, name } of version?.additionalPrinterColumns ?? []) {
      if (jsonPath.startsWith(".metadata.")) continue
      const node = jsonPath
        .replaceAll(/\[.*\]/gu, ".[]")
        .split(".")
        .filter((key) => key !== "")
        .reduce<StructuralSchema | undefined>(
          (schema, key) => (key === "[]" ? schema?.items : schema?.properties?.[key]),
          root
        )
      assert.isString(node?.type, `${name}: ${jsonPath}`)
    }
  })

  it("a union cannot be part of the CRD, because an API server would refuse it", () => {
    assert.throws(
      () => toStructuralSchema(Schema.Struct({ a: Schema.Union([Schema.String, Schema.Int]) })),
      "not structural"
    )
  })
})

describe("what is generated is what the code makes:", () => {
  /** A file without the lines of Helm. */
  const read = (path: string): unknown =>
    parse(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8").replaceAll(/^\{\{.*\n/gmu, ""))

  /** The value without undefined fields, as in a file. */
  const plain = structuredClone(customResourceDefinition)

  it("crds/ has the generated CRD", () => {
    assert.deepStrictEqual(read("crds/skopeo.io_images.yaml"), plain)
  })

  it("the chart has the generated CRD, which an upgrade keeps", () => {
    assert.deepStrictEqual(read("charts/skopeo-operator/templates/crd.yaml"), {
      ...plain,
      metadata: { name: "images.skopeo.io", annotations: { "helm.sh/resource-policy": "keep" } }
    })
  })
})
