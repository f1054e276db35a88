import { readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import { parse } from "yaml"

const template = readFileSync(
  new URL("../../charts/skopeo-operator/templates/deployment.yaml", import.meta.url),
  "utf8"
)

it("the chart's Deployment ends its pod before it makes another, and can follow on one with the default strategy", () => {
  // The block has no templates in it, and so is YAML.
  const [block = ""] = /^ {2}strategy:\n(?: {4}.*\n)+/mu.exec(template) ?? []
  assert.deepStrictEqual(parse(block), {
    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } }
  })
  assert.match(template, /^ {2}replicas: \{\{ .Values.replicas \}\}$/mu)
})
