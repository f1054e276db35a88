/** The judgement of a policy on an Image: a table of Images and the rule that decides on each. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { judge, type PolicyRequest, type PolicySide } from "../../../src/domain/policy/judge.ts"
import { parsePolicy } from "../../../src/domain/policy/parsePolicy.ts"
import { parseRepository } from "../../../src/oci/Reference.ts"

const side = (name: string, more: Partial<PolicySide> = {}): PolicySide => ({
  repository: Result.getOrThrow(parseRepository(name)),
  isPrivate: false,
  isUnverified: false,
  usesCloudIdentity: false,
  ...more
})

interface Facts {
  readonly namespace?: string
  readonly source?: string
  readonly destination?: string
  readonly of?: Partial<PolicySide>
}

const request = ({
  destination = "registry.corp/team-a/app",
  namespace = "team-a",
  of = {},
  source = "nginx"
}: Facts): PolicyRequest => ({
  namespace,
  source: side(source, of),
  destination: side(destination)
})

const judgedBy = (policy: string, facts: Facts) => judge(Result.getOrThrow(parsePolicy(policy)), request(facts))

/** The name of the rule that accepts an Image, or the message of the refusal. */
const outcome = (policy: string, facts: Facts): string => {
  const judgement = judgedBy(policy, facts)
  return judgement._tag === "Accepted" ? judgement.grant.rule : judgement.message
}

const POLICY = `
rules:
- { name: no-evil, deny: true, sources: [docker.io/evil, docker.io/malware] }
- name: ci
  namespaces: ["ci-*", "*-ci-*-end"]
- name: team
  namespaces: ["team-*"]
  sources: [docker.io, quay.io/prometheus]
  destinations: ["registry.corp/$(namespace)", "registry.corp/shared/$(namespace)-images"]
- name: cloud
  namespaces: [cloud]
  operatorCredentials: [cloudIdentity]
  allow: [unverifiedTls]
`

describe("the judgement on an Image", () => {
  it.each<readonly [what: string, facts: Facts, rule: string]>([
    ["an official image of Docker Hub, below the namespace's path", {}, "team"],
    ["an image of an organization on Docker Hub", { source: "grafana/grafana" }, "team"],
    ["the path of the namespace itself", { destination: "registry.corp/team-a" }, "team"],
    ["the namespace as a part of a component", { destination: "registry.corp/shared/team-a-images/app" }, "team"],
    ["an image below a path of another registry", { source: "quay.io/prometheus/node-exporter" }, "team"],
    ["a namespace that the end of a glob stands for", { namespace: "ci-1" }, "ci"],
    ["a namespace that several stars stand for", { namespace: "a-ci-b-end", destination: "a.test/b" }, "ci"],
    ["the default port of a registry", { source: "quay.io:443/prometheus/app" }, "team"],
    ["a cloud identity that the rule grants", { namespace: "cloud", of: { usesCloudIdentity: true } }, "cloud"],
    ["an unverified registry that the rule allows", { namespace: "cloud", of: { isUnverified: true } }, "cloud"]
  ])("the policy accepts %s", (_, facts, rule) => {
    assert.strictEqual(outcome(POLICY, facts), rule)
  })

  it.each<readonly [what: string, facts: Facts, words: ReadonlyArray<string>]>([
    [
      "a source that a rule refuses",
      { source: "evil/app" },
      [
        "its rule no-evil refuses copies from docker.io/evil/app to registry.corp/team-a/app for the namespace team-a",
        "ask the administrator of the operator to change the rule no-evil"
      ]
    ],
    [
      "an official image by its short name in a rule that refuses",
      { source: "malware" },
      ["no-evil refuses copies from docker.io/library/malware"]
    ],
    [
      "a refused source also where a later rule accepts everything",
      { namespace: "ci-1", source: "evil/app" },
      ["no-evil"]
    ],
    [
      "a component that only begins like the path of a rule",
      { source: "quay.io/prometheus-evil/app" },
      [
        "the nearest rule is team: its sources (docker.io, quay.io/prometheus) do not include quay.io/prometheus-evil/app",
        "add quay.io/prometheus-evil/app to sources of the rule team, or change spec.source.name"
      ]
    ],
    [
      "the path of another namespace",
      { destination: "registry.corp/team-b/app" },
      [
        "the nearest rule is team: its destinations (registry.corp/team-a, registry.corp/shared/team-a-images) do not include registry.corp/team-b/app"
      ]
    ],
    [
      "a registry with another port",
      { destination: "registry.corp:5000/team-a/app" },
      ["do not include registry.corp:5000/team-a/app"]
    ],
    [
      "a namespace that no rule names",
      { namespace: "stranger", destination: "registry.corp/stranger/app" },
      ["the nearest rule is ci: it is not for the namespace stranger", "add stranger to namespaces of the rule ci"]
    ],
    [
      "an unverified registry",
      { of: { isUnverified: true } },
      [
        "by its rule team: it does not allow spec.source.tlsVerify: false",
        "add unverifiedTls to allow of the rule team, or remove spec.source.tlsVerify"
      ]
    ],
    [
      "a private host",
      { namespace: "cloud", source: "10.0.0.1:5000/app", of: { isPrivate: true } },
      [
        "by its rule cloud: it does not allow the private host 10.0.0.1:5000",
        "add privateHosts to allow of the rule cloud, or change spec.source.name"
      ]
    ],
    [
      "a cloud identity",
      { of: { usesCloudIdentity: true } },
      [
        "by its rule team: it does not grant the operator's cloud identity, which spec.source.useAwsIRSA asks for",
        "add cloudIdentity to operatorCredentials of the rule team, or remove spec.source.useAwsIRSA"
      ]
    ],
    [
      "several things at once",
      { of: { isUnverified: true, isPrivate: true } },
      ["add unverifiedTls to allow and privateHosts to allow of the rule team"]
    ]
  ])("the policy refuses %s, and says what does not fit and the remedy", (_, facts, words) => {
    const message = outcome(POLICY, facts)
    assert.match(message, /^the operator's policy does not accept this Image/u)
    for (const part of words) assert.include(message, part)
  })

  it("a rule that refuses a host refuses the other names of Docker Hub and the other ports of the host too", () => {
    const policy =
      "rules: [{ name: no-evil, deny: true, sources: [docker.io/evil, evil.test, 10.0.0.1] }, { name: all }]"
    for (const source of [
      "evil/app",
      "index.docker.io/evil/app",
      "registry-1.docker.io/evil/app",
      "registry-1.docker.io:443/evil/app",
      "docker.io:80/evil/app",
      "EVIL.test/app",
      "evil.test:443/app",
      "evil.test:5000/app",
      "10.0.0.1:5000/app"
    ]) {
      assert.include(outcome(policy, { source }), "its rule no-evil refuses", source)
    }
    for (const source of ["evil.test.example/app", "quay.io/evil/app"]) {
      assert.strictEqual(outcome(policy, { source }), "all", source)
    }
  })

  it("the first rule that matches decides, also if a later rule grants more", () => {
    const policy =
      "rules: [{ name: strict, namespaces: [team-a] }, { name: lax, operatorCredentials: [cloudIdentity] }]"
    assert.include(outcome(policy, { of: { usesCloudIdentity: true } }), "by its rule strict")
    assert.strictEqual(outcome(policy, { namespace: "team-b", of: { usesCloudIdentity: true } }), "lax")
  })

  it("of two rules that an Image fails alike, the first is named", () => {
    const policy = "rules: [{ name: first, sources: [a.test] }, { name: second, sources: [b.test] }]"
    assert.include(outcome(policy, {}), "the nearest rule is first")
  })

  it("a rule that the Image would fail after it matches counts what it does not allow", () => {
    const policy = `
rules:
- { name: verified, sources: [quay.io] }
- { name: unverified, sources: [ghcr.io], allow: [unverifiedTls] }
`
    assert.include(outcome(policy, { of: { isUnverified: true } }), "the nearest rule is unverified: ")
  })

  it("a policy without a rule that accepts refuses every Image, and says which rule to ask for", () => {
    for (const policy of ["rules: []", "rules: [{ name: none, deny: true, sources: [quay.io] }]"]) {
      assert.strictEqual(
        outcome(policy, {}),
        "the operator's policy does not accept any Image; ask the administrator of the operator to add a rule for the namespace team-a"
      )
    }
  })

  it("what a rule does not name is not granted", () => {
    const judgement = judgedBy("rules: [{ name: all }]", {})
    assert(judgement._tag === "Accepted")
    assert.deepStrictEqual(judgement.grant, {
      rule: "all",
      operatorCredentials: new Set<never>(),
      allow: new Set<never>()
    })
  })

  it("an empty namespace is below no path of a namespace", () => {
    const policy = 'rules: [{ name: own, destinations: ["registry.corp/$(namespace)"] }]'
    assert.include(
      outcome(policy, { namespace: "", destination: "registry.corp/app" }),
      "do not include registry.corp/app"
    )
  })

  it("a message names at most five repositories of a rule, and stays short for the longest names", () => {
    const sources = Array.from({ length: 900 }, (_, index) => `r${index}.test`).join(", ")
    const message = outcome(`rules: [{ name: many, sources: [${sources}] }]`, {})
    assert.include(message, "r4.test and 895 more")
    assert.isBelow(message.length, 500)
  })

  it("a glob with many stars is judged in no time", () => {
    const policy = `rules: [{ name: stars, namespaces: ["${"*a".repeat(31)}b"] }]`
    assert.include(outcome(policy, { namespace: "a".repeat(63) }), "nearest rule is stars")
  })
})
