/** The alerts of the chart, their runbooks, and their tests belong together. */
import { assert, describe, it } from "@effect/vitest"
import { isReason } from "../../src/domain/Reason.ts"
import { expectations, readProjectFile, rules } from "../support/alerts.ts"

const names = rules.map(({ alert }) => alert)
const runbooks = readProjectFile("docs/runbooks.md")

describe("the alerts", () => {
  it("a person gets between five and eight alerts", () => {
    assert.isAtLeast(names.length, 5)
    assert.isAtMost(names.length, 8)
    assert.lengthOf(new Set(names), names.length)
  })

  it("only what stops all work is critical, and every other alert is a warning", () =>
    assert.deepStrictEqual(
      rules.filter(({ labels }) => labels.severity !== "warning").map(({ alert, labels }) => [alert, labels.severity]),
      [["SkopeoOperatorDown", "critical"]]
    ))

  it.each(names)("%s has a runbook, and a test in which it fires, and one in which it is silent", (name) => {
    assert.match(runbooks, new RegExp(`^## ${name}$`, "mu"))
    const expected = expectations.filter(({ alert }) => alert === name).map(({ fires }) => fires)
    assert.includeMembers(expected, [true, false])
  })

  it("each reason that an alert selects is a reason of the operator", () => {
    const selected = rules.flatMap(({ annotations, expr }) =>
      [...`${expr} ${annotations.description}`.matchAll(/reason!?=~["']([^"']+)["']/gu)].flatMap(([, list = ""]) =>
        list.split("|")
      )
    )
    assert.isAtLeast(selected.length, 5)
    assert.deepStrictEqual(
      selected.filter((reason) => !isReason(reason)),
      []
    )
  })

  it.each(rules)("$alert links to its runbook", ({ alert, annotations }) =>
    assert.strictEqual(
      annotations.runbook_url,
      `https://github.com/tchoupinax/skopeo-operator/blob/main/docs/runbooks.md#${alert.toLowerCase()}`
    )
  )

  it("each section of the runbooks is that of an alert, and has the same five questions", () => {
    const sections = runbooks.split(/^## /mu).slice(1)
    assert.sameMembers(
      sections.map((section) => section.split("\n")[0] ?? ""),
      names
    )
    for (const section of sections) {
      assert.deepStrictEqual(
        Array.from(section.matchAll(/^### (.*)$/gmu), ([, title]) => title),
        ["Meaning", "What users notice", "Look at these", "Causes and remedies", "When to silence"]
      )
    }
  })
})
