/** The rules file of the chart, and the tests of its alerts for promtool. */
import { readFileSync } from "node:fs"
import { Schema } from "effect"
import { parse } from "yaml"

export const ALERTS_FILE = "charts/skopeo-operator/files/alerts.yaml"
export const ALERT_TESTS_FILE = "test/observe/alerts.test.yaml"

export const readProjectFile = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")

const Rule = Schema.Struct({
  alert: Schema.String,
  expr: Schema.String,
  for: Schema.String,
  labels: Schema.Struct({ severity: Schema.String }),
  annotations: Schema.Struct({ summary: Schema.String, description: Schema.String, runbook_url: Schema.String })
})
export type Rule = typeof Rule.Type

const RulesFile = Schema.Struct({
  groups: Schema.Array(Schema.Struct({ name: Schema.String, rules: Schema.Array(Rule) }))
})
export type RulesFile = typeof RulesFile.Type

export const decodeRules = Schema.decodeUnknownSync(RulesFile)

export const rulesFile: RulesFile = decodeRules(parse(readProjectFile(ALERTS_FILE)))

export const rules: ReadonlyArray<Rule> = rulesFile.groups.flatMap((group) => group.rules)

const AlertTests = Schema.Struct({
  tests: Schema.Array(
    Schema.Struct({
      alert_rule_test: Schema.Array(
        Schema.Struct({ alertname: Schema.String, exp_alerts: Schema.optionalKey(Schema.Array(Schema.Unknown)) })
      )
    })
  )
})

/** For each time at which a test looks at an alert: whether the test expects the alert to fire. */
export const expectations: ReadonlyArray<{ readonly alert: string; readonly fires: boolean }> =
  Schema.decodeUnknownSync(AlertTests)(parse(readProjectFile(ALERT_TESTS_FILE))).tests.flatMap(({ alert_rule_test }) =>
    alert_rule_test.map(({ alertname, exp_alerts = [] }) => ({ alert: alertname, fires: exp_alerts.length > 0 }))
  )
