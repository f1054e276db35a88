/** The token servers that get the credentials of a registry. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { isTrustedWith, parseTokenServers, sameRegistrableDomain } from "../../src/registry/tokenServers.ts"

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
    ["registry.team-a.svc.cluster.local", "registry.team-a.svc.cluster.local", true],
    ["registry.team-a.svc.cluster.local", "evil.team-b.svc.cluster.local", false],
    ["registry.team-a.svc", "evil.team-b.svc", false],
    ["registry.corp.internal", "sso.corp.internal", false],
    ["registry.corp.lan", "sso.corp.lan", false],
    ["registry.10-0-0-1.nip.io", "evil.10-0-0-2.nip.io", false],
    ["registry.10-0-0-1.nip.io", "registry.10-0-0-1.nip.io", true],
    ["10-0-0-1.sslip.io", "10-0-0-2.sslip.io", false],
    ["registry", "tokens", false]
  ] as const) {
    it.effect(`sameRegistrableDomain is ${String(expected)} for ${registry} and ${realm}`, () =>
      Effect.map(sameRegistrableDomain(registry, realm), (related) => assert.strictEqual(related, expected))
    )
  }
})

describe("isTrustedWith", () => {
  const configured = Result.getOrThrow(
    parseTokenServers(
      "registry.corp:5000=SSO.example.net, index.docker.io=hub.corp:443 ,registry.corp:5000=[fd00::1]:8443,registry.corp.internal=sso.corp.internal,"
    )
  )
  for (const [registry, realm, expected] of [
    ["registry.corp:5000", "https://sso.example.net/token", true],
    ["registry.corp:5000", "https://[fd00::1]:8443/token", true],
    ["registry.corp:5000", "https://sso.example.net:8443/token", false],
    ["registry.corp:5000", "https://sub.sso.example.net/token", false],
    ["registry.corp:5000", "https://sso.example.net.evil.test/token", false],
    ["registry.corp:5000", "https://sso.example.net@evil.test/token", false],
    ["registry.corp:5001", "https://sso.example.net/token", false],
    ["registry.corp", "https://sso.example.net/token", false],
    ["registry.corp.internal", "https://sso.corp.internal/token", true],
    ["registry.corp.internal", "https://evil.corp.internal/token", false],
    ["docker.io", "https://hub.corp/token", true],
    ["docker.io", "https://auth.docker.io/token", true],
    ["registry.gitlab.com", "https://gitlab.com/jwt/auth", true],
    ["lscr.io", "https://ghcr.io/token", true],
    ["registry.redhat.io", "https://sso.redhat.com/auth/realms/rhcc/protocol/redhat-docker-v2/auth", true],
    ["rg.fr-par.scw.cloud", "https://api.scaleway.com/registry-internal/v1/regions/fr-par/tokens", true],
    ["rg.fr-par.scw.cloud.evil.test", "https://api.scaleway.com/tokens", false],
    ["evil.lscr.io", "https://ghcr.io/token", false],
    ["ghcr.io", "https://lscr.io/token", false]
  ] as const) {
    it.effect(`isTrustedWith is ${String(expected)} for ${registry} and ${realm}`, () =>
      Effect.map(isTrustedWith(configured, registry, new URL(realm)), (trusted) =>
        assert.strictEqual(trusted, expected)
      )
    )
  }
})

describe("parseTokenServers", () => {
  for (const text of [
    "sso.example.net",
    "a=b=c",
    "https://a=b",
    "a=https://b",
    "a=b/token",
    "a=",
    "=b",
    "a b=c",
    "a=*.b"
  ]) {
    it(`parseTokenServers refuses ${JSON.stringify(text)} and shows the form`, () => {
      assert.include(Result.getOrThrow(Result.flip(parseTokenServers(text))), "write REGISTRY=TOKENSERVER")
    })
  }

  it("parseTokenServers reads an empty text as no pair", () => {
    assert.strictEqual(Result.getOrThrow(parseTokenServers(" , ")).size, 0)
  })
})
