/**
 * The operator's judgement on the Images of policy.table.ts, which the chart's ValidatingAdmissionPolicy shares. test/e2e has the
 * API server's judgement on the same Images.
 */
import { assert, it } from "@effect/vitest"
import { Result } from "effect"
import { judge, type PolicySide } from "../../src/domain/policy/judge.ts"
import { parsePolicy } from "../../src/domain/policy/parsePolicy.ts"
import { parseRepository } from "../../src/oci/Reference.ts"
import { CASES, POLICY, type PolicyCase } from "./policy.table.ts"

const rules = Result.getOrThrow(parsePolicy(JSON.stringify(POLICY)))

const side = ({ name, tlsVerify, useAwsIRSA = false }: PolicyCase["source"], registry?: string): PolicySide => ({
  repository: Result.getOrThrow(parseRepository(name, registry)),
  isPrivate: name.startsWith("10."),
  isUnverified: tlsVerify === false,
  usesCloudIdentity: useAwsIRSA
})

it.each(CASES)("the operator judges as the API server does: $title", ({ destination, namespace, refused, source }) => {
  const judgement = judge(rules, {
    namespace,
    source: side(source),
    destination: side(destination, "registry.corp.example")
  })
  if (refused === undefined) assert.strictEqual(judgement._tag, "Accepted")
  else assert.match(judgement._tag === "Refused" ? judgement.message : "accepted", refused)
})
