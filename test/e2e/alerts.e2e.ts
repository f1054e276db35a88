/** The alerts of the chart by promtool, and the PrometheusRule that Helm makes of them. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { ALERT_TESTS_FILE, ALERTS_FILE, decodeRules, rules, rulesFile } from "../support/alerts.ts"
import { refusal, template } from "../support/chart.ts"
import { succeed } from "../support/cluster.ts"
import { itWithPrograms } from "../support/programs.ts"

describe("the alerts", () => {
  itWithPrograms(["promtool"], "promtool finds no mistake in the rules file", () =>
    Effect.gen(function* () {
      const output = yield* succeed("promtool", ["check", "rules", "--lint=all", "--lint-fatal", ALERTS_FILE])
      assert.include(output, `SUCCESS: ${rules.length} rules found`)
    })
  )

  itWithPrograms(["promtool"], "each alert fires when it should and is silent when it should be, by promtool", () =>
    Effect.gen(function* () {
      assert.include(yield* succeed("promtool", ["test", "rules", ALERT_TESTS_FILE]), "SUCCESS")
    })
  )
})

describe("the PrometheusRule of the chart", () => {
  const prometheusRule = (prometheusRule: object) =>
    Effect.map(template({ monitoring: { prometheusRule: { enabled: true, ...prometheusRule } } }), (manifests) => {
      const found = manifests.filter(({ kind }) => kind === "PrometheusRule")
      assert.lengthOf(found, 1)
      return found[0]
    })
  const rulesWith = (values: object) =>
    Effect.map(prometheusRule(values), (manifest) => decodeRules(manifest?.spec).groups.flatMap((group) => group.rules))

  itWithPrograms(["helm"], "the PrometheusRule has the rules of the file, word for word, and its own labels", () =>
    Effect.gen(function* () {
      const manifest = yield* prometheusRule({ labels: { release: "monitoring" } })
      assert.deepStrictEqual(decodeRules(manifest?.spec), rulesFile)
      assert.strictEqual(manifest?.metadata.labels?.["release"], "monitoring")
      const others = yield* template({})
      assert.isEmpty(others.filter(({ kind }) => kind === "PrometheusRule"))
    })
  )

  itWithPrograms(
    ["helm"],
    "SkopeoOperatorDown looks for the processes of its own release if the chart has them scraped",
    () =>
      Effect.gen(function* () {
        const manifests = yield* template({
          monitoring: { prometheusRule: { enabled: true }, podMonitor: { enabled: true } }
        })
        const manifest = manifests.find(({ kind }) => kind === "PrometheusRule")
        const changed = decodeRules(manifest?.spec)
          .groups.flatMap((group) => group.rules)
          .filter(({ alert, expr }) => expr !== rules.find((rule) => rule.alert === alert)?.expr)
        assert.deepStrictEqual(
          changed.map(({ alert }) => alert),
          ["SkopeoOperatorDown"]
        )
        assert.include(
          changed[0]?.expr ?? "",
          `absent_over_time(skopeo_operator_build_info{namespace="${manifest?.metadata.namespace}"}[10m])`
        )
      })
  )

  itWithPrograms(["helm"], "the time out of sync that fires is a value of the chart", () =>
    Effect.gen(function* () {
      const changed = (yield* rulesWith({ outOfSyncSeconds: 1_234_567 })).filter(
        ({ alert, expr }) => expr !== rules.find((rule) => rule.alert === alert)?.expr
      )
      assert.deepStrictEqual(
        changed.map(({ alert }) => alert),
        ["SkopeoImageOutOfSync"]
      )
      assert.match(changed[0]?.expr ?? "", /, 1234567\)$/u)
    })
  )

  itWithPrograms(["helm"], "values leave alerts out and change their fields, and a misspelt alert is refused", () =>
    Effect.gen(function* () {
      const changed = yield* rulesWith({
        disabled: ["SkopeoPolicyInvalid"],
        overrides: { SkopeoOperatorDown: { for: "1h", labels: { severity: "page" } } }
      })
      assert.deepStrictEqual(
        changed,
        rules
          .filter(({ alert }) => alert !== "SkopeoPolicyInvalid")
          .map((rule) =>
            rule.alert === "SkopeoOperatorDown" ? { ...rule, for: "1h", labels: { severity: "page" } } : rule
          )
      )
      assert.deepStrictEqual(yield* rulesWith({ disabled: null, overrides: null }), rules)
      for (const values of [{ disabled: ["SkopeoPolicyInvald"] }, { overrides: { SkopeoPolicyInvald: {} } }]) {
        const text = yield* refusal({ monitoring: { prometheusRule: { enabled: true, ...values } } })
        assert.include(text, "no alert SkopeoPolicyInvald; the alerts are SkopeoOperatorDown")
      }
    })
  )
})
