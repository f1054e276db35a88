import { readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import { parseAllDocuments } from "yaml"

const template = readFileSync(new URL("../../charts/skopeo-operator/templates/userroles.yaml", import.meta.url), "utf8")

it("the chart lets users with the role view read Images, and users with edit or admin change them, each by a value", () => {
  const others = template.trimEnd().split("\n")
  assert.deepStrictEqual(
    others.filter((line) => line.startsWith("{{-")),
    ["{{- if .Values.aggregatedRoles.view }}", "{{- end }}", "{{- if .Values.aggregatedRoles.edit }}", "{{- end }}"]
  )
  // Without the lines of Helm, and with a name for its name, the template is YAML.
  const text = others
    .filter((line) => !/^\s*\{\{-/u.test(line))
    .join("\n")
    .replaceAll(/\{\{.*?\}\}/gu, "role")
  const roles = parseAllDocuments(text).map((document): unknown => document.toJS())
  const label = (role: string) => [`rbac.authorization.k8s.io/aggregate-to-${role}`, "true"] as const
  const role = (name: string, aggregated: ReadonlyArray<string>, verbs: ReadonlyArray<string>) => ({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name: `role:${name}`, labels: Object.fromEntries(aggregated.map(label)) },
    rules: [{ apiGroups: ["skopeo.io"], resources: ["images"], verbs }]
  })
  assert.deepStrictEqual(roles, [
    role("view", ["view", "edit", "admin"], ["get", "list", "watch"]),
    role("edit", ["edit", "admin"], ["create", "update", "patch", "delete"])
  ])
})
