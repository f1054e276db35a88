/** values.schema.json accepts the defaults of values.yaml, and knows each value. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Predicate } from "effect"
import { parse } from "yaml"
import { chartSchema } from "../../scripts/documents/chartSchema.ts"
import { chartValues } from "../../scripts/documents/chartValues.ts"

const read = (file: string): string =>
  readFileSync(new URL(`../../charts/skopeo-operator/${file}`, import.meta.url), "utf8")

interface Node {
  readonly type?: string | ReadonlyArray<string>
  readonly enum?: ReadonlyArray<unknown>
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, Node>>
  readonly additionalProperties?: boolean | Node
  readonly items?: Node
  readonly description?: string
}

const schema = JSON.parse(read("values.schema.json")) as Node
const defaults: unknown = parse(read("values.yaml"))

const typesOf = (value: unknown): ReadonlyArray<string> => {
  if (value === null) return ["null"]
  if (Array.isArray(value)) return ["array"]
  if (typeof value === "number") return Number.isInteger(value) ? ["integer", "number"] : ["number"]
  return [typeof value]
}

/** The problems of a value, by the keywords that the schema uses. */
const problemsOf = (node: Node, value: unknown, path = ""): ReadonlyArray<string> => {
  const allowed = node.type === undefined ? undefined : [node.type].flat()
  if (allowed !== undefined && !typesOf(value).some((type) => allowed.includes(type))) {
    return [`${path}: got ${typesOf(value).join()}, want ${allowed.join()}`]
  }
  if (node.enum !== undefined && !node.enum.includes(value)) return [`${path}: ${String(value)} is none of the values`]
  if (typeof value === "string" && node.pattern !== undefined && !new RegExp(node.pattern, "u").test(value)) {
    return [`${path}: ${value} has another form`]
  }
  if (typeof value === "number" && (value < (node.minimum ?? value) || value > (node.maximum ?? value))) {
    return [`${path}: ${value} is out of range`]
  }
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => problemsOf(node.items ?? {}, item, `${path}[${index}]`))
  }
  if (!Predicate.isObject(value)) return []
  return Object.entries(value).flatMap(([key, child]) => {
    const known = node.properties?.[key] ?? node.additionalProperties ?? true
    if (known === false) return [`${path}.${key}: there is no such value`]
    return known === true ? [] : problemsOf(known, child, `${path}.${key}`)
  })
}

/** The nodes of the schema, by the path of their value. */
const nodesOf = (node: Node, path: string): ReadonlyArray<readonly [string, Node]> => [
  [path, node],
  ...Object.entries(node.properties ?? {}).flatMap(([key, child]) =>
    nodesOf(child, path === "" ? key : `${path}.${key}`)
  )
]
const nodes = nodesOf(schema, "")

describe("the schema of the chart's values", () => {
  it("the schema accepts every default", () => assert.deepStrictEqual(problemsOf(schema, defaults), []))

  it("the schema has each value with its meaning, and only these two others", () => {
    const values = chartValues(read("values.yaml"))
    const leaves = nodes.filter(([, { properties }]) => properties === undefined).map(([path]) => path)
    assert.sameMembers(leaves, [
      ...values.filter(({ value }) => value !== undefined).map(({ path }) => path),
      "global",
      "enabled"
    ])
    const described = new Map(nodes.map(([path, { description }]) => [path, description]))
    for (const { meaning, path } of values) assert.strictEqual(described.get(path), meaning, path)
  })

  it("each group of values refuses a value that it does not have", () => {
    const groups = nodes.filter(([, { properties }]) => properties !== undefined)
    assert.isAtLeast(groups.length, 20)
    for (const [path, { additionalProperties }] of groups) assert.isFalse(additionalProperties, path)
  })

  it("each value has a type, but for the policy, which the templates check", () => {
    const untyped = nodes.filter(([, node]) => node.type === undefined && node.enum === undefined)
    assert.deepStrictEqual(
      untyped.map(([path]) => path),
      ["policy"]
    )
  })

  it("the chart asks for each group of values, so that an upgrade with --reuse-values says what to do", () => {
    const [, list = ""] = /range \$group := list (.*?) \}\}/u.exec(read("templates/validate.yaml")) ?? []
    const groups = nodes.flatMap(([path, { properties }]) => (properties === undefined || path === "" ? [] : [path]))
    assert.sameMembers(
      [...list.matchAll(/"([^"]+)"/gu)].map(([, path = ""]) => path),
      // null removes all requests and limits.
      groups.filter((path) => !path.endsWith("resources"))
    )
  })

  const WRONG: ReadonlyArray<readonly [unknown, string]> = [
    [{ replica: 1 }, ".replica: there is no such value"],
    [{ config: { copies: { totl: 1 } } }, ".config.copies.totl: there is no such value"],
    [{ ports: { metrics: 0 } }, ".ports.metrics: 0 is out of range"],
    [{ watchNamespaces: "team-a" }, ".watchNamespaces: got string, want array"],
    [{ watchNamespaces: ["team-a", "Team"] }, ".watchNamespaces[1]: Team has another form"],
    [{ logLevel: "loud" }, ".logLevel: loud is none of the values"],
    [{ podLabels: { a: 1 } }, ".podLabels.a: got integer,number, want string"]
  ]
  it.each(WRONG)("the schema refuses %j: %s", (value, problem) =>
    assert.deepStrictEqual(problemsOf(schema, value), [problem])
  )

  it("a default that does not show its type needs one by name, and a type needs its value", () => {
    assert.throws(
      () => chartSchema(`${read("values.yaml")}\n# A new value.\nnewValue: {}\n`),
      /newValue: its default \{\}/u
    )
    assert.throws(
      () => chartSchema(read("values.yaml").replace(/^replicas: 1$/mu, "")),
      /replicas: values\.yaml has no/u
    )
  })
})
