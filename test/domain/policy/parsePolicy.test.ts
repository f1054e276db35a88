/** The text of a policy: what it means, and the field, the value, the remedy and the line of each mistake. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parsePolicy } from "../../../src/domain/policy/parsePolicy.ts"
import { formatProblem } from "../../../src/domain/Problem.ts"

const mistakesIn = (text: string): ReadonlyArray<string> =>
  Result.match(parsePolicy(text), {
    onSuccess: () => [],
    onFailure: (mistakes) => mistakes.map(({ line, ...mistake }) => `${line ?? ""}: ${formatProblem(mistake)}`)
  })

const rulesOf = (text: string) => Result.getOrThrow(parsePolicy(text))

describe("the text of a policy", () => {
  it("the rules of a YAML file keep their order, and an absent field grants nothing", () => {
    const text = `
rules:
  - name: no-evil
    deny: true
    sources: [docker.io/evil]
  - name: team-a
    namespaces: [team-a, "team-a-*"]
    sources: [docker.io, Quay.io/prometheus]
    destinations: ["registry.corp.example:5000/teams/$(namespace)"]
    operatorCredentials: [source, destination, cloudIdentity]
    allow: [privateHosts, unverifiedTls, unboundCredentials]
`
    assert.deepStrictEqual(rulesOf(text), [
      {
        name: "no-evil",
        deny: true,
        sources: [{ registry: "docker.io", path: "evil" }],
        operatorCredentials: new Set<never>(),
        allow: new Set<never>()
      },
      {
        name: "team-a",
        deny: false,
        namespaces: ["team-a", "team-a-*"],
        sources: [{ registry: "docker.io" }, { registry: "quay.io", path: "prometheus" }],
        destinations: [{ registry: "registry.corp.example:5000", path: "teams/$(namespace)" }],
        operatorCredentials: new Set(["source", "destination", "cloudIdentity"] as const),
        allow: new Set(["privateHosts", "unverifiedTls", "unboundCredentials"] as const)
      }
    ])
  })

  it("a policy may be JSON, and a policy without rules is a policy", () => {
    assert.deepStrictEqual(rulesOf('{"rules":[]}'), [])
    assert.strictEqual(rulesOf('{"rules":[{"name":"all"}]}')[0]?.name, "all")
  })

  it("the names of Docker Hub are one registry", () => {
    assert.deepStrictEqual(
      rulesOf("rules: [{ name: hub, sources: [index.docker.io, registry-1.docker.io/a] }]")[0]?.sources,
      [{ registry: "docker.io" }, { registry: "docker.io", path: "a" }]
    )
  })

  it.each<readonly [what: string, text: string, mistake: string]>([
    ["an empty text", "", ": the policy: is not a mapping; write rules: with a list of rules below it"],
    [
      "a list",
      "- name: a",
      '1: the policy: [{"name":"a"}] is not a mapping; write rules: with a list of rules below it'
    ],
    ["no rules", "{}", "1: rules: is missing; write a list of rules, or rules: [] to refuse every Image"],
    ["blank rules", "rules:", "1: rules: is missing; write a list of rules, or rules: [] to refuse every Image"],
    ["broken YAML", "rules:\n  - name: [a", "2: the policy: is not YAML: "],
    ["a key twice", "rules: []\nrules: []", "2: the policy: is not YAML: Map keys must be unique"],
    ["two documents", "rules: []\n---\nrules: []", "2: the policy: is not YAML: "],
    ["a misspelt field of the policy", "rule: []", "1: rule: [] is not a field of a policy; did you mean rules?"],
    [
      "a misspelt field of a rule",
      "rules:\n- name: a\n  source: [a.test]",
      '3: rules[0].source: ["a.test"] is not a field of a rule; did you mean sources?'
    ],
    ["a rule without a name", "rules:\n- deny: true", "2: rules[0].name: is missing; it is required"],
    ["a rule that is a text", "rules:\n- all", '2: rules[0]: "all" is not a rule; write a mapping with a name'],
    ["a name with spaces", "rules:\n- name: team a", '2: rules[0].name: "team a" is not the name of a rule; '],
    [
      "a name twice",
      "rules:\n- name: a\n- name: a",
      '3: rules[1].name: "a" is the name of an earlier rule; give each rule its own name'
    ],
    [
      "a name that is a number",
      "rules:\n- name: 7",
      "2: rules[0].name: 7 is not a text; write a text, in quotes if need be"
    ],
    [
      "a deny that is a text",
      'rules:\n- { name: a, deny: "yes" }',
      '2: rules[0].deny: "yes" is neither true nor false; write true or false'
    ],
    [
      "a blank list",
      "rules:\n- name: a\n  namespaces:\n",
      "3: rules[0].namespaces: is empty; remove the field to include everything, or write at least one entry"
    ],
    [
      "an empty list",
      "rules:\n- name: a\n  sources: []",
      "3: rules[0].sources: [] is empty; remove the field to include everything, or write at least one entry"
    ],
    [
      "a text instead of a list",
      "rules:\n- name: a\n  sources: docker.io",
      '3: rules[0].sources: "docker.io" is not a list; write a list'
    ],
    [
      "a namespace that none can have",
      "rules:\n- name: a\n  namespaces: [Team_A]",
      '3: rules[0].namespaces[0]: "Team_A" is not a namespace; write a name such as team-a, or a pattern such as team-*, in quotes'
    ],
    [
      "a misspelt credential",
      "rules:\n- name: a\n  operatorCredentials: [sources]",
      '3: rules[0].operatorCredentials[0]: "sources" must be one of source, destination, cloudIdentity; did you mean source?'
    ],
    [
      "an unknown permission",
      "rules:\n- name: a\n  allow: [everything]",
      '3: rules[0].allow[0]: "everything" must be one of privateHosts, unverifiedTls, unboundCredentials, unverifiedCredentials'
    ],
    [
      "a grant in a rule that refuses",
      "rules:\n- name: a\n  deny: true\n  allow: [privateHosts]",
      '4: rules[0].allow: ["privateHosts"] grants nothing in a rule with deny: true; remove the field'
    ],
    [
      "a scheme",
      "rules:\n- name: a\n  sources: [https://quay.io]",
      '3: rules[0].sources[0]: "https://quay.io" starts with https://; '
    ],
    [
      "a tag",
      "rules:\n- name: a\n  sources: [quay.io/a:v1]",
      '3: rules[0].sources[0]: "quay.io/a:v1" has a tag or a digest; '
    ],
    [
      "a path without a host",
      "rules:\n- name: a\n  sources: [team/app]",
      '3: rules[0].sources[0]: "team/app" names no registry; write the host first, such as docker.io/team/app'
    ],
    [
      "a word without a host",
      "rules:\n- name: a\n  sources: [nginx]",
      '3: rules[0].sources[0]: "nginx" names no registry; write the host first, such as docker.io/nginx'
    ],
    [
      "a glob in a path",
      "rules:\n- name: a\n  sources: [quay.io/team-*]",
      '3: rules[0].sources[0]: "quay.io/team-*" has a *; '
    ],
    [
      "an upper-case path",
      "rules:\n- name: a\n  sources: [quay.io/Team]",
      '3: rules[0].sources[0]: "quay.io/Team" has upper-case letters; '
    ],
    [
      "a slash at the end",
      "rules:\n- name: a\n  sources: [quay.io/]",
      '3: rules[0].sources[0]: "quay.io/" ends with a slash; write quay.io for all repositories of the registry'
    ],
    [
      "another variable",
      "rules:\n- name: a\n  destinations: [a.test/$(name)]",
      '3: rules[0].destinations[0]: "a.test/$(name)" has a $; only $(namespace) stands for something'
    ],
    [
      "a variable in the host",
      "rules:\n- name: a\n  destinations: [$(namespace).test]",
      '3: rules[0].destinations[0]: "$(namespace).test" has $(namespace) in the host; '
    ],
    ["a rule that contains itself", "rules: &r\n- *r", "2: rules[0]: "]
  ])("%s is a mistake with its line and the remedy", (_, text, mistake) => {
    const [first = ""] = mistakesIn(text)
    assert.isTrue(first.startsWith(mistake), first)
  })

  it("all mistakes are reported at once, and at most ten", () => {
    const text = (count: number) =>
      `rules:\n${Array.from({ length: count }, (_, index) => `- { name: r${index}, sources: [UPPER] }`).join("\n")}`
    assert.deepStrictEqual(
      mistakesIn(text(3)).map((mistake) => mistake.slice(0, 22)),
      ["2: rules[0].sources[0]", "3: rules[1].sources[0]", "4: rules[2].sources[0]"]
    )
    assert.lengthOf(mistakesIn(text(1_000)), 10)
  })

  it("a policy has at most 1,000 rules", () => {
    const text = (count: number) =>
      JSON.stringify({ rules: Array.from({ length: count }, (_, index) => ({ name: `r${index}` })) })
    assert.lengthOf(rulesOf(text(1_000)), 1_000)
    assert.deepStrictEqual(mistakesIn(text(1_001)), ["1: rules: has 1001 rules; write at most 1000"])
  })

  it("aliases that multiply and texts that nest deeply are refused in words", () => {
    const levels = Array.from({ length: 12 }, (_, level) => `a${level}: &a${level} [${`*a${level - 1},`.repeat(10)}]`)
    const laughs = ["x: &a0 [1]", ...levels.slice(1)].join("\n")
    assert.match(mistakesIn(laughs)[0] ?? "", /the policy/u)
    assert.match(mistakesIn("[".repeat(100_000))[0] ?? "", /the policy/u)
  })
})
