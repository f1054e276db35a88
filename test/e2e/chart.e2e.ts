/** What the chart makes of its values, by Helm itself. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { parse } from "yaml"
import { itWithPrograms } from "../support/programs.ts"
import { environmentIn, type Manifest, namesOf, podIn, refusal, template } from "../support/chart.ts"
import { POLICY } from "../charts/policy.table.ts"

/** Whether a ClusterRole is a part of the roles of users. The operator is bound to none of these. */
const isForUsers = (name: string): boolean => /^skopeo-operator:.*:(?:view|edit)$/u.test(name)

/** `Role team-a/skopeo-operator:operators:skopeo-operator:images: images get,list,watch; …` */
const rightsIn = (manifests: ReadonlyArray<Manifest>): ReadonlyArray<string> =>
  manifests
    .filter(({ kind, metadata: { name } }) => (kind === "Role" || kind === "ClusterRole") && !isForUsers(name))
    .map(({ kind, metadata: { name, namespace = "*" }, rules = [] }) => {
      const rights = rules.map(({ resources, verbs }) => `${resources.join(",")} ${verbs.join(",")}`)
      return `${kind} ${namespace}/${name}: ${rights.join("; ")}`
    })

/** What the operator is bound to, and where. */
const bindingsIn = (manifests: ReadonlyArray<Manifest>): ReadonlyArray<string> =>
  manifests.flatMap(({ metadata: { namespace = "*" }, roleRef, subjects = [] }) =>
    roleRef === undefined
      ? []
      : subjects.map(
          (subject) => `${namespace}: ${roleRef.kind} ${roleRef.name} to ${subject.namespace}/${subject.name}`
        )
  )

const IMAGES = "images get,list,watch; images/status patch; events create,patch; secrets get"
/** The name has the namespace and the name of the release: a second release takes no permission of the first. */
const CLUSTER_ROLE = "skopeo-operator:operators:skopeo-operator"
const jobsIn = (namespace: string) =>
  `Role ${namespace}/${CLUSTER_ROLE}:jobs: jobs get,list,watch,create,patch,delete; pods list,watch; events list; secrets create,delete`
const JOBS = jobsIn("operators")
const LEASES = "Role operators/skopeo-operator-leader-election: leases create; leases get,update"

const found = (manifests: ReadonlyArray<Manifest>, kind: string, name: string): Manifest => {
  const manifest = manifests.find((each) => each.kind === kind && each.metadata.name === name)
  assert.isDefined(manifest, `${kind} ${name}`)
  return manifest
}

describe("the permissions of the chart", () => {
  itWithPrograms(
    ["helm"],
    "users with the role view read Images, and users with edit change them only by a value",
    () =>
      Effect.gen(function* () {
        const namesFor = (values: object) =>
          Effect.map(template(values), (manifests) =>
            manifests.map(({ metadata: { name } }) => name).filter((name) => isForUsers(name))
          )
        assert.deepStrictEqual(yield* namesFor({}), [`${CLUSTER_ROLE}:view`])
        assert.deepStrictEqual(yield* namesFor({ aggregatedRoles: { edit: true } }), [
          `${CLUSTER_ROLE}:view`,
          `${CLUSTER_ROLE}:edit`
        ])
        assert.deepStrictEqual(yield* namesFor({ aggregatedRoles: { view: false } }), [])
        const bound = (yield* template({ aggregatedRoles: { edit: true } })).flatMap(
          ({ roleRef }) => roleRef?.name ?? []
        )
        assert.isNotEmpty(bound)
        assert.deepStrictEqual(bound.filter(isForUsers), [])
      })
  )

  itWithPrograms(
    ["helm"],
    "lets the operator read Images and their Secrets in the whole cluster where it says nothing else",
    () =>
      Effect.gen(function* () {
        const manifests = yield* template({})
        assert.sameMembers([...rightsIn(manifests)], [`ClusterRole */${CLUSTER_ROLE}: ${IMAGES}`, JOBS, LEASES])
        assert.sameMembers(
          [...bindingsIn(manifests)],
          [
            `*: ClusterRole ${CLUSTER_ROLE} to operators/skopeo-operator`,
            `operators: Role ${CLUSTER_ROLE}:jobs to operators/skopeo-operator`,
            "operators: Role skopeo-operator-leader-election to operators/skopeo-operator"
          ]
        )
        const environment = environmentIn(manifests)
        assert.notProperty(environment, "WATCH_NAMESPACES")
        assert.notProperty(environment, "WATCH_LABEL_SELECTOR")
      })
  )

  itWithPrograms(
    ["helm"],
    "lets the operator read them in the watched namespaces alone, that of the Jobs among them",
    () =>
      Effect.gen(function* () {
        const manifests = yield* template({
          watchNamespaces: ["team-a", "operators"],
          watchLabelSelector: "team in (a, b),!paused"
        })
        assert.sameMembers(
          [...rightsIn(manifests)],
          [
            `Role team-a/${CLUSTER_ROLE}:images: ${IMAGES}`,
            `Role operators/${CLUSTER_ROLE}:images: ${IMAGES}`,
            JOBS,
            LEASES
          ]
        )
        assert.sameMembers(
          [...bindingsIn(manifests)],
          [
            `team-a: Role ${CLUSTER_ROLE}:images to operators/skopeo-operator`,
            `operators: Role ${CLUSTER_ROLE}:images to operators/skopeo-operator`,
            `operators: Role ${CLUSTER_ROLE}:jobs to operators/skopeo-operator`,
            "operators: Role skopeo-operator-leader-election to operators/skopeo-operator"
          ]
        )
        const environment = environmentIn(manifests)
        assert.strictEqual(environment["WATCH_NAMESPACES"], "team-a,operators")
        assert.strictEqual(environment["WATCH_LABEL_SELECTOR"], "team in (a, b),!paused")
      })
  )

  itWithPrograms(["helm"], "names the hosts that get credentials by plain HTTP, and the token servers", () =>
    Effect.gen(function* () {
      const without = environmentIn(yield* template({}))
      for (const name of ["REGISTRY_PLAIN_HTTP", "REGISTRY_TOKEN_SERVERS"]) assert.notProperty(without, name)
      const registries = {
        plainHttp: ["registry.corp:5000", ".internal"],
        tokenServers: ["registry.corp=sso.example.net", "quay.corp=sso.example.net"]
      }
      const environment = environmentIn(yield* template({ config: { registries } }))
      assert.strictEqual(environment["REGISTRY_PLAIN_HTTP"], "registry.corp:5000,.internal")
      assert.strictEqual(
        environment["REGISTRY_TOKEN_SERVERS"],
        "registry.corp=sso.example.net,quay.corp=sso.example.net"
      )
    })
  )

  itWithPrograms(["helm"], "gives no right to Secrets where Images may name none, in namespaces too", () =>
    Effect.gen(function* () {
      const manifests = yield* template({ watchNamespaces: ["team-a"], credentials: { perImage: false } })
      assert.sameMembers(
        [...rightsIn(manifests)],
        [
          `Role team-a/${CLUSTER_ROLE}:images: images get,list,watch; images/status patch; events create,patch`,
          JOBS,
          LEASES
        ]
      )
    })
  )

  itWithPrograms(
    ["helm"],
    "with watched namespaces and Jobs elsewhere, no namespace has reading and creating Secrets",
    () =>
      Effect.gen(function* () {
        const manifests = yield* template({ watchNamespaces: ["team-a"], config: { pullJobNamespace: "copies" } })
        assert.sameMembers(
          [...rightsIn(manifests)],
          [`Role team-a/${CLUSTER_ROLE}:images: ${IMAGES}`, jobsIn("copies"), LEASES]
        )
      })
  )

  itWithPrograms(
    ["helm"],
    "with copies in the operator itself the chart grants nothing for Jobs and makes nothing for them",
    () =>
      Effect.gen(function* () {
        const manifests = yield* template({
          config: { copyEngine: "direct", pullJobNamespace: "copies" },
          jobNamespace: { create: true, quota: { pods: 1 } },
          networkPolicy: { enabled: true }
        })
        assert.sameMembers([...rightsIn(manifests)], [`ClusterRole */${CLUSTER_ROLE}: ${IMAGES}`, LEASES])
        assert.deepStrictEqual(
          manifests.filter(({ metadata: { name, namespace } }) => namespace === "copies" || name === "copies"),
          []
        )
        assert.deepStrictEqual(namesOf(manifests, "ValidatingAdmissionPolicy"), [])
      })
  )
})

describe("the zone of Jobs", () => {
  itWithPrograms(
    ["helm"],
    "Jobs have a service account of their own, without a token, and nothing else is new by default",
    () =>
      Effect.gen(function* () {
        const manifests = yield* template({})
        const account = found(manifests, "ServiceAccount", "skopeo-operator-jobs")
        assert.isFalse(account.automountServiceAccountToken)
        assert.strictEqual(account.metadata.namespace, "operators")
        const jobs: unknown = JSON.parse(environmentIn(manifests)["JOB_TEMPLATE"] ?? "")
        assert.deepInclude(jobs, { serviceAccountName: "skopeo-operator-jobs", hostUsers: null, runAsUser: 65_532 })
        for (const kind of ["Namespace", "NetworkPolicy", "ResourceQuota", "ConfigMap"]) {
          assert.deepStrictEqual(namesOf(manifests, kind), [])
        }
      })
  )

  itWithPrograms(["helm"], "Jobs may have a namespace with a quota, and another service account", () =>
    Effect.gen(function* () {
      const manifests = yield* template({
        config: { pullJobNamespace: "copies", jobs: { serviceAccountName: "mine", hostUsers: false, runAsUser: null } },
        jobNamespace: { create: true, quota: { "count/jobs.batch": 200, pods: "50" } }
      })
      const { metadata } = found(manifests, "Namespace", "copies")
      assert.include(metadata.labels, { "pod-security.kubernetes.io/enforce": "restricted" })
      assert.include(metadata.annotations, { "helm.sh/resource-policy": "keep" })
      const { spec, ...quota } = found(manifests, "ResourceQuota", "skopeo-operator-jobs.skopeo-operator.operators")
      assert.strictEqual(quota.metadata.namespace, "copies")
      assert.deepStrictEqual(spec, { hard: { "count/jobs.batch": "200", pods: "50" } })
      assert.deepStrictEqual(namesOf(manifests, "ServiceAccount"), ["operators/skopeo-operator"])
      const jobs: unknown = JSON.parse(environmentIn(manifests)["JOB_TEMPLATE"] ?? "")
      assert.deepInclude(jobs, { serviceAccountName: "mine", hostUsers: false, runAsUser: null })
    })
  )

  itWithPrograms(
    ["helm"],
    "network policies exclude the metadata services, and for Jobs the ranges of the cluster",
    () =>
      Effect.gen(function* () {
        const manifests = yield* template({
          config: { pullJobNamespace: "copies" },
          networkPolicy: {
            enabled: true,
            jobs: { clusterCIDRs: ["10.0.0.0/8", "fd00:10::/32"], allowCIDRs: ["10.1.2.3/32"] },
            operator: { allowCIDRs: ["169.254.170.23/32"], metricsFrom: [{ namespaceSelector: {} }] }
          }
        })
        const dns = {
          ports: [53, 5353].flatMap((port) => ["UDP", "TCP"].map((protocol) => ({ protocol, port })))
        }
        const metadata = ["169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"]
        const metadata6 = ["fe80::/10", "fd00:ec2::/32", "fd20:ce::254/128", "fd00:42::42/128"]
        assert.deepStrictEqual(
          found(manifests, "NetworkPolicy", "skopeo-operator-jobs.skopeo-operator.operators").spec,
          {
            podSelector: { matchLabels: { "skopeo.io/instance": "skopeo-operator.operators" } },
            policyTypes: ["Ingress", "Egress"],
            ingress: [],
            egress: [
              dns,
              {
                to: [
                  { ipBlock: { cidr: "0.0.0.0/0", except: [...metadata, "10.0.0.0/8"] } },
                  { ipBlock: { cidr: "::/0", except: [...metadata6, "fd00:10::/32"] } },
                  { ipBlock: { cidr: "10.1.2.3/32" } }
                ]
              }
            ]
          }
        )
        assert.deepStrictEqual(found(manifests, "NetworkPolicy", "skopeo-operator").spec, {
          podSelector: {
            matchLabels: { "kubernetes.io/name": "skopeo-operator", "app.kubernetes.io/instance": "skopeo-operator" }
          },
          policyTypes: ["Ingress", "Egress"],
          ingress: [{ ports: [{ protocol: "TCP", port: 8080 }], from: [{ namespaceSelector: {} }] }],
          egress: [
            dns,
            {
              to: [
                { ipBlock: { cidr: "0.0.0.0/0", except: metadata } },
                { ipBlock: { cidr: "::/0", except: metadata6 } },
                { namespaceSelector: {} },
                { ipBlock: { cidr: "169.254.170.23/32" } }
              ]
            }
          ]
        })
      })
  )
})

describe("the policy", () => {
  itWithPrograms(
    ["helm"],
    "the operator reads the policy of the values from a file, and the API server enforces the policy",
    () =>
      Effect.gen(function* () {
        const manifests = yield* template({ policy: POLICY, watchNamespaces: ["zone-a"] })
        const { data = {} } = found(manifests, "ConfigMap", "skopeo-operator-policy")
        assert.deepStrictEqual(parse(data["policy.yaml"] ?? ""), POLICY)
        assert.strictEqual(environmentIn(manifests)["POLICY_FILE"], "/etc/skopeo-operator/policy/policy.yaml")
        const { containers, volumes } = podIn(manifests)
        assert.deepInclude(containers[0]?.volumeMounts ?? [], {
          name: "policy",
          mountPath: "/etc/skopeo-operator/policy"
        })
        assert.deepInclude(volumes ?? [], { name: "policy", configMap: { name: "skopeo-operator-policy" } })
        const name = "images.skopeo-operator.operators.skopeo.io"
        assert.include(namesOf(manifests, "ValidatingAdmissionPolicy"), `/${name}`)
        assert.deepStrictEqual(found(manifests, "ValidatingAdmissionPolicyBinding", name).spec, {
          policyName: name,
          validationActions: ["Deny"],
          matchResources: {
            namespaceSelector: {
              matchExpressions: [{ key: "kubernetes.io/metadata.name", operator: "In", values: ["zone-a"] }]
            }
          }
        })
      })
  )

  itWithPrograms(["helm"], "the API server judges only the Images that the label selector of the release selects", () =>
    Effect.gen(function* () {
      const watchLabelSelector = "team in (a, b),!paused,tier!=test, empty=,skopeo.io/mirror,zone == 5,q notin (w)"
      const manifests = yield* template({ policy: POLICY, watchLabelSelector })
      const binding = found(manifests, "ValidatingAdmissionPolicyBinding", "images.skopeo-operator.operators.skopeo.io")
      assert.deepStrictEqual(binding.spec?.["matchResources"], {
        objectSelector: {
          matchExpressions: [
            { key: "team", operator: "In", values: ["a", "b"] },
            { key: "paused", operator: "DoesNotExist" },
            { key: "tier", operator: "NotIn", values: ["test"] },
            { key: "empty", operator: "In", values: [""] },
            { key: "skopeo.io/mirror", operator: "Exists" },
            { key: "zone", operator: "In", values: ["5"] },
            { key: "q", operator: "NotIn", values: ["w"] }
          ]
        }
      })
    })
  )

  itWithPrograms(["helm"], "without a policy there is no file, and a policy without rules is a policy", () =>
    Effect.gen(function* () {
      const name = "/images.skopeo-operator.operators.skopeo.io"
      const without = yield* template({})
      assert.notProperty(environmentIn(without), "POLICY_FILE")
      assert.notInclude(namesOf(without, "ValidatingAdmissionPolicy"), name)
      const empty = yield* template({ policy: { rules: [] } })
      assert.property(environmentIn(empty), "POLICY_FILE")
      assert.include(namesOf(empty, "ValidatingAdmissionPolicy"), name)
      const file = yield* template({ policy: POLICY, admission: { imagePolicy: false, operatorGuard: false } })
      assert.property(environmentIn(file), "POLICY_FILE")
      assert.deepStrictEqual(namesOf(file, "ValidatingAdmissionPolicy"), [])
    })
  )

  const rule = (fields: object) => ({ policy: { rules: [{ name: "first" }, { name: "team-a", ...fields }] } })
  const REFUSED: ReadonlyArray<readonly [string, object, RegExp]> = [
    ["another field", { policy: { rulez: [] } }, /policy\.rulez: there is no such field; a policy has only rules/u],
    ["a text", { policy: "none" }, /policy: "none" is not a mapping; write rules: with a list/u],
    ["rules that are no list", { policy: { rules: "all" } }, /policy\.rules: "all" is not a list/u],
    ["a rule that is a text", { policy: { rules: ["all"] } }, /policy\.rules\[0\]: "all" is not a rule/u],
    ["another field of a rule", rule({ source: ["docker.io"] }), /policy\.rules\[1\]\.source: there is no such field/u],
    ["a rule without a name", { policy: { rules: [{ deny: true }] } }, /policy\.rules\[0\]\.name: .* is not the name/u],
    ["a name with a quote", rule({ name: `a" + "b` }), /policy\.rules\[1\]\.name: "a\\" \+ \\"b" is not the name/u],
    ["a name with a newline", rule({ name: "team-a\n" }), /policy\.rules\[1\]\.name: "team-a\\n" is not the name/u],
    ["one name twice", rule({ name: "first" }), /policy\.rules\[1\]\.name: "first" is the name of an earlier rule/u],
    ["a deny that is a text", rule({ deny: "false" }), /policy\.rules\[1\]\.deny: "false" is neither true nor false/u],
    ["a grant in a refusal", rule({ deny: true, allow: [] }), /policy\.rules\[1\]\.allow: grants nothing/u],
    ["an empty list", rule({ sources: [] }), /policy\.rules\[1\]\.sources: is empty; remove the field/u],
    ["a text for a list", rule({ sources: "docker.io" }), /policy\.rules\[1\]\.sources: "docker\.io" is not a list/u],
    ["a number", rule({ sources: [5000] }), /policy\.rules\[1\]\.sources\[0\]: "5000" is not a text/u],
    ["a regular expression for a namespace", rule({ namespaces: ["team-.*"] }), /namespaces\[0\]: "team-\.\*" is not/u],
    ["a namespace that leaves its quotes", rule({ namespaces: ["a')||('"] }), /namespaces\[0\]: "a'\)\|\|\('" is not/u],
    ["a namespace with a newline", rule({ namespaces: ["a", "b\nc"] }), /namespaces\[1\]: "b\\nc" is not a namespace/u],
    ["a source without a registry", rule({ sources: ["nginx"] }), /sources\[0\]: "nginx" names no registry; write/u],
    ["a source with a star", rule({ sources: ["quay.io/*"] }), /sources\[0\]: "quay\.io\/\*" has a \*/u],
    ["a source with a tag", rule({ sources: ["quay.io/a:v1"] }), /sources\[0\]: "quay\.io\/a:v1" has no path/u],
    ["a source with a quote", rule({ sources: [`quay.io/a"`] }), /sources\[0\]: "quay\.io\/a\\"" has no path/u],
    ["a host with a quote", rule({ sources: [`quay.io"] || true`] }), /sources\[0\]: .* names the registry/u],
    ["a port that is none", rule({ sources: ["a.io:65536"] }), /sources\[0\]: .* names the registry "a\.io:65536"/u],
    ["a source with a newline", rule({ sources: ["quay.io/a\n"] }), /sources\[0\]: "quay\.io\/a\\n" has no path/u],
    ["a path that ends with a slash", rule({ sources: ["quay.io/"] }), /sources\[0\]: "quay\.io\/" has no path/u],
    ["a variable for a host", rule({ destinations: ["$(namespace).io"] }), /destinations\[0\]: .* names the registry/u],
    [
      "another variable",
      rule({ destinations: ["a.io/$(name)"] }),
      /destinations\[0\]: .* only \$\(namespace\) stands/u
    ],
    [
      "an unknown credential",
      rule({ operatorCredentials: ["both"] }),
      /operatorCredentials\[0\]: "both" must be one of/u
    ],
    ["an unknown allowance", rule({ allow: ["all"] }), /allow\[0\]: "all" must be one of privateHosts, unverifiedTls/u]
  ]
  for (const [title, values, words] of REFUSED) {
    itWithPrograms(["helm"], `the chart refuses a policy with ${title}, and names the field and the remedy`, () =>
      Effect.map(refusal(values), (text) => assert.match(text, words))
    )
  }
})

describe("a policy of a thousand rules", () => {
  const rules = Array.from({ length: 1_000 }, (_, index) => ({
    name: `rule-${index}`,
    sources: Array.from({ length: 5 }, (_, source) => `quay.io/corp-${index}/part-${source}`)
  }))

  itWithPrograms(
    ["helm"],
    "the chart refuses an admission policy that the API server cannot compile, and names the remedy",
    () =>
      Effect.gen(function* () {
        assert.match(yield* refusal({ policy: { rules } }), /policy\.rules: .* set admission\.imagePolicy: false/u)
        const manifests = yield* template({ policy: { rules }, admission: { imagePolicy: false } })
        assert.property(environmentIn(manifests), "POLICY_FILE")
      })
  )
})

describe("the chart's values", () => {
  const networkPolicy = (rest: object) => ({ networkPolicy: { enabled: true, ...rest } })
  const REFUSED: ReadonlyArray<readonly [string, object, RegExp]> = [
    [
      "a namespace to create that is the release's",
      { jobNamespace: { create: true } },
      /jobNamespace\.create: true, but Jobs run in the release's namespace operators; set config\.pullJobNamespace/u
    ],
    [
      "an address for a range",
      networkPolicy({ jobs: { clusterCIDRs: ["10.0.0.0/8", "10.1.2.3"] } }),
      /networkPolicy\.jobs\.clusterCIDRs\[1\]: "10\.1\.2\.3" is not a range of addresses; write one such as 10\.0\.0\.0\/8/u
    ],
    [
      "a name for a range",
      networkPolicy({ denyCIDRs: ["metadata"] }),
      /networkPolicy\.denyCIDRs\[0\]: "metadata" is not/u
    ],
    [
      "a newline in a range",
      networkPolicy({ operator: { allowCIDRs: ["10.0.0.0/8\n"] } }),
      /networkPolicy\.operator\.allowCIDRs\[0\]: "10\.0\.0\.0\/8\\n" is not/u
    ]
  ]
  for (const [title, values, words] of REFUSED) {
    itWithPrograms(["helm"], `the chart refuses ${title}, and names the value and the remedy`, () =>
      Effect.map(refusal(values), (text) => assert.match(text, words))
    )
  }
})
