/** The policies of the documents are valid. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parsePolicy } from "../../../src/domain/policy/parsePolicy.ts"
import { formatProblem } from "../../../src/domain/Problem.ts"

const policiesOf = (document: string): ReadonlyArray<readonly [string, string]> => {
  const text = readFileSync(new URL(`../../../${document}`, import.meta.url), "utf8")
  return [...text.matchAll(/^```yaml\n(rules:[^]*?)^```$/gmu)].map(
    ([, policy = ""], index) => [`${document} ${index + 1}`, policy] as const
  )
}

describe("the policies of the documents", () => {
  const policies = [...policiesOf("docs/policy.md"), ...policiesOf("README.md")]

  it("the documents have several policies", () => assert.isAtLeast(policies.length, 5))

  it.each(policies)("the policy %s is accepted", (_, text) => {
    const parsed = parsePolicy(text)
    assert.deepStrictEqual(Result.isFailure(parsed) ? parsed.failure.map(formatProblem) : [], [])
  })
})
