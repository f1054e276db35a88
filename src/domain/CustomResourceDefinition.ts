/**
 * Makes the CRD from the Image Schema: a structural OpenAPI schema, defaults, CEL rules, columns, a status subresource.
 */
import { type JsonSchema, Schema } from "effect"
import { API_VERSION, GROUP, ImageSpec, ImageStatus, KIND, PLURAL, VERSION } from "./Image.ts"
import { ARCHITECTURES } from "../oci/Platform.ts"
import { DIGEST_START, X_PATTERN } from "./TagPattern.ts"

/** A node of a Kubernetes structural schema, with the keywords that the Image uses. */
export interface StructuralSchema {
  readonly type?: string
  readonly description?: string
  readonly enum?: ReadonlyArray<string>
  readonly properties?: Readonly<Record<string, StructuralSchema>>
  readonly required?: ReadonlyArray<string>
  readonly items?: StructuralSchema
  readonly [keyword: string]: unknown
}

/** Turns an Effect Schema into Kubernetes' structural schema: without references, unions and closed objects. */
export const toStructuralSchema = (schema: Schema.Constraint): StructuralSchema => {
  const document = Schema.toJsonSchemaDocument(schema, {
    referencePolicy: () => undefined,
    includeAnnotationKey: (key) => key.startsWith("x-kubernetes-")
  })
  return structural(document.schema)
}

type Node = Record<string, unknown>

/** Keywords of JSON Schema that a structural schema lacks, or that have no meaning here. */
const DROPPED = ["additionalProperties", "allOf", "anyOf", "title", "$schema"]

const structural = (input: JsonSchema.JsonSchema): StructuralSchema => {
  const node: Node = { ...input }
  for (const part of asNodes(node["allOf"]))
    Object.assign(node, { ...structural(part), ...withoutKeys(node, ["allOf"]) })
  const members = asNodes(node["anyOf"])
  if (members.length > 0) throw new Error(`a union is not structural: ${JSON.stringify(members)}`)
  if (isNode(node["properties"])) {
    node["properties"] = Object.fromEntries(
      Object.entries(node["properties"]).map(([key, value]) => [key, structural(isNode(value) ? value : {})])
    )
  }
  if (isNode(node["items"])) node["items"] = structural(node["items"])
  if (node["type"] === "integer") {
    node["format"] = "int64"
    if (node["minimum"] === Number.MIN_SAFE_INTEGER) delete node["minimum"]
    if (node["maximum"] === Number.MAX_SAFE_INTEGER) delete node["maximum"]
  }
  return withoutKeys(node, DROPPED)
}

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && !Array.isArray(value)
const asNodes = (value: unknown): ReadonlyArray<Node> => (Array.isArray(value) ? value.filter(isNode) : [])
const withoutKeys = (node: Node, keys: ReadonlyArray<string>): Node =>
  Object.fromEntries(Object.entries(node).filter(([key]) => !keys.includes(key)))

const isListed = (version: string): string =>
  `(!${version}.matches('^sha256:|^sha512:|@') && (${version}.matches('[\\\\^~<>=*|\\\\s]') || ${version}.matches('${X_PATTERN}')))`

/**
 * The rules that a schema cannot express, as CEL. The decoder has the same rules ({@link ./rules.ts}). A table of
 * manifests runs against a real API server and the in-memory one, and checks that both agree.
 */
const SPEC_RULES = [
  {
    rule: `!has(self.destination.version) || !${isListed("self.source.version")} || self.destination.version == self.source.version`,
    message:
      "destination.version must be left out or equal source.version when that is a pattern or a range: each tag keeps its name",
    fieldPath: ".destination.version"
  },
  {
    rule: `!self.source.version.matches('${DIGEST_START}') || has(self.destination.version)`,
    message: "destination.version is required when source.version is a digest: name the tag to write",
    fieldPath: ".destination"
  },
  {
    rule: `!has(self.tags) || ${isListed("self.source.version")}`,
    message: "tags refines a pattern or a range; remove tags when source.version is a single tag or a digest",
    fieldPath: ".tags"
  }
]

const imageArchitecture = `{${[...ARCHITECTURES].map(([other, name]) => `'${other}': '${name}'`).join(", ")}}[self.split('/')[1]]`

/** The rule of a platform, with the message of `parsePlatform`. */
const PLATFORM_RULES = [
  {
    rule: `!self.matches('^[a-z0-9]+/(${[...ARCHITECTURES.keys()].join("|")})(/|$)')`,
    messageExpression: `'has the architecture ' + self.split('/')[1] + ', which images call ' + ${imageArchitecture} + '; write ' + self.split('/')[0] + '/' + ${imageArchitecture}`
  }
]

const withItemRules = (list: StructuralSchema, rules: ReadonlyArray<object>): StructuralSchema => ({
  ...list,
  items: { ...list.items, "x-kubernetes-validations": rules }
})

/** A value that is made when it is first needed. */
const lazily = <A>(make: () => A): (() => A) => {
  let made: { readonly value: A } | undefined
  return () => (made ??= { value: make() }).value
}

/**
 * The schema of the `spec`. Messages about a user's mistake take types and allowed values from it. The schemas take 4 ms, and a
 * command without a mistake needs none.
 */
export const specSchema = lazily((): StructuralSchema => {
  const structure = toStructuralSchema(ImageSpec)
  return {
    ...structure,
    properties: {
      ...structure.properties,
      platforms: withItemRules(structure.properties?.["platforms"] ?? {}, PLATFORM_RULES)
    },
    description: "The images to copy, their source and destination, and the interval of checks.",
    "x-kubernetes-validations": SPEC_RULES
  }
})

/** The schema of the `status`. The status of a new object must not count as observed. */
export const statusSchema = lazily((): StructuralSchema => ({
  ...toStructuralSchema(ImageStatus),
  description: "The state of the copies, which the operator writes.",
  default: { observedGeneration: -1 }
}))

/** The complete CustomResourceDefinition, which `crds/` and the chart contain. */
export const customResourceDefinition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${PLURAL}.${GROUP}` },
  spec: {
    group: GROUP,
    scope: "Namespaced",
    names: { kind: KIND, listKind: `${KIND}List`, plural: PLURAL, singular: "image", shortNames: ["img"] },
    versions: [
      {
        name: VERSION,
        served: true,
        storage: true,
        subresources: { status: {} },
        // What `kubectl get images --field-selector` can choose by; served since Kubernetes 1.31.
        selectableFields: [{ jsonPath: ".spec.source.name" }, { jsonPath: ".spec.destination.name" }],
        additionalPrinterColumns: [
          { name: "Source", type: "string", jsonPath: ".spec.source.name" },
          { name: "Version", type: "string", jsonPath: ".spec.source.version" },
          { name: "Mode", type: "string", jsonPath: ".spec.mode" },
          { name: "Tags", type: "string", jsonPath: ".status.tags" },
          { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
          { name: "Status", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
          { name: "Suspended", type: "boolean", jsonPath: ".spec.suspend", priority: 1 },
          { name: "Destination", type: "string", jsonPath: ".spec.destination.name", priority: 1 },
          { name: "Checked", type: "date", jsonPath: ".status.lastCheckedAt", priority: 1 },
          { name: "Message", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 },
          { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" }
        ],
        schema: {
          openAPIV3Schema: {
            type: "object",
            description: `An image, or the tags of a pattern, kept copied from one registry to another (${API_VERSION}).`,
            required: ["spec"],
            properties: {
              apiVersion: { type: "string" },
              kind: { type: "string" },
              metadata: { type: "object" },
              get spec() {
                return specSchema()
              },
              get status() {
                return statusSchema()
              }
            }
          }
        }
      }
    ]
  }
}
