/** Label selectors, as https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ has them. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { matchesLabels, parseLabelSelector } from "../../src/kube/LabelSelector.ts"

const OBJECTS = {
  none: {},
  prod: { env: "prod", team: "a" },
  stage: { env: "stage", "corp.example/tier": "1" },
  empty: { env: "" }
}

/** Which of the objects a selector chooses. */
const rows: ReadonlyArray<readonly [selector: string, chosen: ReadonlyArray<keyof typeof OBJECTS>]> = [
  ["env=prod", ["prod"]],
  ["env==prod", ["prod"]],
  [" env = prod , team = a ", ["prod"]],
  ["env=prod,team=b", []],
  ["env=", ["empty"]],
  ["env!=prod", ["none", "stage", "empty"]],
  ["env in (prod)", ["prod"]],
  ["env in ( prod, stage )", ["prod", "stage"]],
  ["env in (prod,)", ["prod", "empty"]],
  ["env notin (prod, stage)", ["none", "empty"]],
  ["env", ["prod", "stage", "empty"]],
  ["!env", ["none"]],
  ["env,!team", ["stage", "empty"]],
  ["corp.example/tier=1", ["stage"]],
  ["env in (prod,stage),!team,corp.example/tier", ["stage"]],
  ["in=a", []],
  ["in", []]
]

const WRONG = [
  "",
  ",",
  "env=prod,",
  "env=a b",
  "env in",
  "env in prod",
  "env in (prod",
  "env in (a/b)",
  "env>1",
  "=a",
  "-env=a",
  "env=-a",
  "Corp/env=a",
  "a/b/c=d",
  `env=${"x".repeat(64)}`
]

describe("a label selector", () => {
  for (const [selector, chosen] of rows) {
    it(`chooses ${chosen.join(", ") || "nothing"}: ${selector}`, () => {
      const requirements = Result.getOrThrow(parseLabelSelector(selector))
      assert.deepStrictEqual(
        Object.entries(OBJECTS).flatMap(([name, labels]) => (matchesLabels(requirements, labels) ? [name] : [])),
        [...chosen]
      )
    })
  }

  for (const selector of WRONG) {
    it(`is refused: ${JSON.stringify(selector.slice(0, 20))}`, () => {
      assert.isTrue(Result.isFailure(parseLabelSelector(selector)))
    })
  }
})
