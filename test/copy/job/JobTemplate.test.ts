/** The parser of JOB_TEMPLATE. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parse } from "yaml"
import { DEFAULT_TEMPLATE, parseJobTemplate } from "../../../src/copy/job/JobTemplate.ts"

describe("parseJobTemplate", () => {
  it("Absent fields of a template have their defaults", () => {
    assert.deepStrictEqual(Result.getOrThrow(parseJobTemplate("{}")), DEFAULT_TEMPLATE)
    assert.deepStrictEqual(Result.getOrThrow(parseJobTemplate(`{"runAsUser":null}`)), {
      ...DEFAULT_TEMPLATE,
      runAsUser: null
    })
  })

  it.each([
    [`not JSON`, /^"not JSON" is not JSON; write an object such as /u],
    [`{"tolerations":{}}`, /tolerations/u],
    [`{"nodeSelectors":{}}`, /^nodeSelectors: there is no such field; known are labels, .*nodeSelector/u],
    [`{"resources":{"limit":{}}}`, /^resources\.limit: there is no such field; known are requests, limits$/u],
    [`{"resources":{"limits":{"cpu":true}}}`, /resources\.limits\.cpu/u],
    [`{"runAsUser":0}`, /^runAsUser: 0 is not accepted; expected a value greater than or equal to 1$/u],
    [`{"runAsUser":"root"}`, /^runAsUser: "root" is not accepted; expected number \| null$/u],
    [`[]`, /^the template: \[\] is not accepted/u],
    [`{"deadlineSeconds":"1h","startSeconds":0}`, /deadlineSeconds: .*; startSeconds: /u]
  ])("The template %s is refused with the name of the field", (text, words) => {
    const problem = Result.match(parseJobTemplate(text), { onFailure: (why) => why, onSuccess: () => "" })
    assert.match(problem, words)
    assert.notInclude(problem, "\n")
  })
})

it("The chart's config.jobs has every field of a template, with its default", () => {
  const values = readFileSync(new URL("../../../charts/skopeo-operator/values.yaml", import.meta.url), "utf8")
  const { config } = parse(values)
  assert.deepStrictEqual(config.jobs, DEFAULT_TEMPLATE)
})
