import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { limitOf, parseRegistryLimits } from "../../../src/registry/limits/configured.ts"

describe("limits as they are written", () => {
  for (const [text, registry, expected] of [
    ["quay.io=5/s", "quay.io", { rate: { perSecond: 5, burst: 5 } }],
    ["quay.io=5/s+20", "quay.io", { rate: { perSecond: 5, burst: 20 } }],
    ["ghcr.io=10/s:8", "ghcr.io", { rate: { perSecond: 10, burst: 10 }, concurrent: 8 }],
    ["ghcr.io=10/s+50:8", "ghcr.io", { rate: { perSecond: 10, burst: 50 }, concurrent: 8 }],
    ["r.azurecr.io=1500/m", "r.azurecr.io", { rate: { perSecond: 25, burst: 25 } }],
    ["r.corp=180/h", "r.corp", { rate: { perSecond: 0.05, burst: 1 } }],
    ["r.corp=60/h", "r.corp", { rate: { perSecond: 1 / 60, burst: 1 } }],
    ["r.corp=1/m", "r.corp", { rate: { perSecond: 1 / 60, burst: 1 } }],
    ["r.corp=0.5/s", "r.corp", { rate: { perSecond: 0.5, burst: 1 } }],
    ["r.corp:5000=:4", "r.corp:5000", { concurrent: 4 }],
    ["localhost=1/s", "localhost", { rate: { perSecond: 1, burst: 1 } }],
    ["[::1]:5000=:1", "[::1]:5000", { concurrent: 1 }],
    ["index.docker.io=1/s", "docker.io", { rate: { perSecond: 1, burst: 1 } }],
    ["Quay.IO=unlimited", "quay.io", {}],
    [" a.io=1/s , b.io=2/s,", "b.io", { rate: { perSecond: 2, burst: 2 } }]
  ] as const) {
    it(`the limit ${text} applies to ${registry}`, () => {
      const limits = Result.getOrThrow(parseRegistryLimits(text))
      assert.deepStrictEqual(limitOf(limits, registry, true), expected)
    })
  }

  it("the limit of a domain applies to every registry below it, and the longest suffix wins", () => {
    const limits = Result.getOrThrow(parseRegistryLimits("*.corp=1/s,*.eu.corp=2/s,a.eu.corp=3/s"))
    const rateOf = (registry: string) => limitOf(limits, registry, true).rate?.perSecond
    assert.deepStrictEqual(["a.corp", "b.eu.corp", "a.eu.corp", "corp"].map(rateOf), [1, 2, 3, undefined])
  })

  for (const [text, ...words] of [
    ["quay.io", '"quay.io" is not a limit of a registry', "quay.io=5/s"],
    ["quay.io=", "HOST=LIMIT"],
    ["=5/s", "HOST=LIMIT"],
    ["quay.io/argoproj=5/s", "HOST=LIMIT"],
    ["quay.io=5", '"5" for quay.io is not a limit', "5/s+20"],
    ["quay.io=five/s", '"five/s" for quay.io'],
    ["quay.io=0/s", '"0/s" for quay.io'],
    ["quay.io=5/s:0", '"5/s:0"'],
    ["quay.io=5/d", '"5/d"'],
    ["quay.io=-5/s", '"-5/s"'],
    ["quay.io= 5/s", "not a limit"],
    ["quay.io=59/h", '"59/h" for quay.io is less than one request a minute', "write 1/m or more", "Retry-After"],
    ["quay.io=0.5/m+10", '"0.5/m+10" for quay.io is less than one request a minute'],
    ["quay.io=0.001/s:4", "less than one request a minute"],
    ["quay.io=5/s,quay.io=6/s", "quay.io has two limits"],
    ["docker.io=5/s,index.docker.io=6/s", "docker.io has two limits"]
  ] as const) {
    it(`the limit ${text} is refused with the remedy`, () => {
      const result = parseRegistryLimits(text)
      assert(Result.isFailure(result))
      for (const word of words) assert.include(result.failure, word)
    })
  }
})

describe("limits that are known", () => {
  for (const [registry, anonymous, expected] of [
    ["quay.io", true, 5],
    ["public.ecr.aws", true, 1],
    ["public.ecr.aws", false, 10],
    ["123456789012.dkr.ecr.eu-central-1.amazonaws.com", false, 100],
    ["123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", false, 100],
    ["123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", false, 100],
    ["123456789012.dkr-ecr.eu-central-1.on.aws", false, 100],
    ["docker.io", true, undefined],
    ["ghcr.io", true, undefined],
    ["localhost:5000", true, undefined],
    ["registry.corp", false, undefined]
  ] as const) {
    it(`the published rate of ${registry}${anonymous ? "" : " with credentials"} is ${expected ?? "unlimited"} a second`, () => {
      assert.strictEqual(limitOf(new Map(), registry, anonymous).rate?.perSecond, expected)
    })
  }

  it("a configured limit replaces a published one, even with unlimited", () => {
    const limits = Result.getOrThrow(parseRegistryLimits("quay.io=unlimited"))
    assert.deepStrictEqual(limitOf(limits, "quay.io", true), {})
  })
})
