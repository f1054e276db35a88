/** The tables of the generated documents say what the code and the chart do. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect } from "effect"
import { chartValues } from "../../scripts/documents/chartValues.ts"
import { VARIABLE_GROUPS } from "../../scripts/documents/variables.ts"
import * as Configuration from "../../src/Config.ts"

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")

const variables = VARIABLE_GROUPS.flatMap((group) => group.variables)
const configuration = Config.all(Object.values(Configuration).filter(Config.isConfig))

describe("the table of variables", () => {
  it.effect("the table of variables has each variable that the operator reads, and no other", () =>
    Effect.gen(function* () {
      const asked = new Set<string>()
      const provider = ConfigProvider.make((path) =>
        Effect.sync(() => {
          asked.add(path.join("_").toUpperCase())
          return undefined
        })
      )
      yield* Effect.provideService(configuration, ConfigProvider.ConfigProvider, provider)
      // The port is asked for if there is a host.
      asked.add("KUBERNETES_SERVICE_PORT")
      assert.sameMembers(
        variables.map(({ name }) => name),
        [...asked]
      )
    })
  )

  const withDefaults = variables.filter(({ value }) => value !== undefined)

  it("the table of variables has many defaults", () => assert.isAtLeast(withDefaults.length, 15))

  it.effect.each(withDefaults.map(({ name, value = "" }) => [name, value] as const))(
    "the table's default of %s is the default of the operator",
    ([name, value]) =>
      Effect.gen(function* () {
        const host = { KUBERNETES_SERVICE_HOST: "10.0.0.1" }
        const at = (env: Readonly<Record<string, string>>) =>
          Effect.provideService(
            configuration,
            ConfigProvider.ConfigProvider,
            ConfigProvider.fromEnv({ env: { ...host, ...env } })
          )
        assert.deepStrictEqual(yield* at({ [name]: value }), yield* at({}))
      })
  )
})

describe("the chart", () => {
  const values = chartValues(read("charts/skopeo-operator/values.yaml"))
  const templates = read("charts/skopeo-operator/templates/deployment.yaml")

  it("each value of the chart has a meaning", () => {
    assert.deepStrictEqual(
      values.filter(({ meaning }) => meaning === "").map(({ path }) => path),
      []
    )
  })

  it("each variable of the operator is set by a value of the chart, or has a reason why not", () => {
    const reasons: Readonly<Record<string, string>> = {
      LEADER_ELECTION_NAME: "The Lease has the name of the release, which is unique in its namespace.",
      LEADER_ELECTION_NAMESPACE: "The permission for the Lease is in the namespace of the release.",
      KUBERNETES_SERVICE_HOST: "Kubernetes sets it in each pod.",
      KUBERNETES_SERVICE_PORT: "Kubernetes sets it in each pod.",
      "The commands": "The operator does not read these variables in a pod.",
      "Logins of this machine": "A pod has no user who logs in; config.credentials.authSecret is the file.",
      "The AWS identity": "AWS sets them in pods by serviceAccount.annotations; extraEnv sets one by hand."
    }
    const unset = VARIABLE_GROUPS.flatMap(({ title, variables }) => {
      const names = variables.flatMap(({ chart, name }) => (chart === undefined ? [name] : []))
      return names.length === variables.length ? [title] : names
    })
    assert.sameMembers(unset, Object.keys(reasons))
  })

  it.each(variables.flatMap(({ chart, name }) => (chart === undefined ? [] : [[name, chart] as const])))(
    "the chart sets the variable %s from the value %s",
    (name, chart) => {
      assert.isTrue(values.some(({ path }) => path === chart))
      // The template makes the names of these four in a loop.
      if (/^CREDS_.*_(?:USERNAME|PASSWORD)$/u.test(name)) return
      assert.match(templates, new RegExp(`\\b${name}\\b`, "u"))
    }
  )
})
