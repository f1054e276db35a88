import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { sameRegistrableDomain } from "../../../src/registry/pipeline/tokens.ts"

describe("sameRegistrableDomain", () => {
  for (const [registry, realm, expected] of [
    ["registry-1.docker.io", "auth.docker.io", true],
    ["ghcr.io", "ghcr.io", true],
    ["registry.gitlab.com", "gitlab.com", true],
    ["registry.corp.example.com", "sso.example.com", true],
    ["registry.example.co.uk", "auth.example.co.uk", true],
    ["one.co.uk", "two.co.uk", false],
    ["quay.io", "quay.io.evil.example", false],
    ["alice.github.io", "bob.github.io", false],
    ["a.s3.amazonaws.com", "b.s3.amazonaws.com", false],
    ["10.0.0.1", "10.0.0.1", true],
    ["10.0.0.1", "10.0.0.2", false],
    ["[fd00::1]", "[fd00::2]", false],
    ["registry.internal", "localhost", false],
    ["registry", "tokens", false]
  ] as const) {
    it.effect(`sameRegistrableDomain is ${String(expected)} for ${registry} and ${realm}`, () =>
      Effect.map(sameRegistrableDomain(registry, realm), (related) => assert.strictEqual(related, expected))
    )
  }
})
