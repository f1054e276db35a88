/** What each value of the chart sets in its manifests, by Helm itself. */
import { assert, describe, it } from "@effect/vitest"
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Predicate, Result } from "effect"
import { isScalar, parse, parseAllDocuments, visit } from "yaml"
import { admitImage } from "../../src/domain/ImageDecoder.ts"
import { environmentIn, type Manifest, marksIn, refusal, template, templateObjects, valueAt } from "../support/chart.ts"
import { succeed } from "../support/cluster.ts"
import { blocksOf, examplesIn, examplesOf, readDocument, sectionOf } from "../support/markdown.ts"
import { itWithPrograms } from "../support/programs.ts"

const kindOf = (object: object): unknown => valueAt(object, "kind")
const nameOf = (object: object): unknown => valueAt(object, "metadata/name")

/** The object `Kind/name`. */
const objectIn = (objects: ReadonlyArray<object>, id: string): object | undefined =>
  objects.find((object) => `${String(kindOf(object))}/${String(nameOf(object))}` === id)

const POD = "spec/template/spec"
const CONTAINER = `${POD}/containers/0`
const DEPLOYMENT = "Deployment/skopeo-operator"

/** A path and its value as values of the chart: `a.b` and 1 are `{ a: { b: 1 } }`. */
const valuesOf = (path: string, value: unknown): object =>
  path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object

const withAll = (...parts: ReadonlyArray<object>): object => parts.reduce((all, part) => merge(all, part), {})
const merge = (one: object, other: object): object =>
  Object.fromEntries(
    [...new Set([...Object.keys(one), ...Object.keys(other)])].map((key) => {
      const [left, right] = [valueAt(one, key), valueAt(other, key)]
      return [
        key,
        Predicate.isObject(left) && Predicate.isObject(right) ? merge(left, right) : key in other ? right : left
      ]
    })
  )

/** The value that an object of the chart has at a path, for values. */
const rendered = (values: object, id: string, path: string) =>
  Effect.map(templateObjects(values), (objects) => {
    const object = objectIn(objects, id)
    assert.isDefined(object, id)
    return valueAt(object, path)
  })

const AFFINITY = { nodeAffinity: {} }
const TOLERATIONS = [{ key: "dedicated", operator: "Exists" }]
const RESOURCES = { requests: { cpu: "1" }, limits: { memory: "2Gi" } }
const SECRET = { config: { credentials: { createSecret: true } } }
const MONITOR = { monitoring: { podMonitor: { enabled: true } } }

/** A value of the earlier operator's chart, what is set there, and what it means: the object and the path with a value. */
type Meaning = readonly [path: string, value: unknown, id: string, at: string, expected: unknown, others?: object]

const EARLIER: ReadonlyArray<Meaning> = [
  ["image.repository", "registry.corp/op", DEPLOYMENT, `${CONTAINER}/image`, "registry.corp/op:0.1.0"],
  ["image.version", "9.9.9", DEPLOYMENT, `${CONTAINER}/image`, "ghcr.io/tchoupinax/skopeo-operator:9.9.9"],
  ["image.imagePullPolicy", "Always", DEPLOYMENT, `${CONTAINER}/imagePullPolicy`, "Always"],
  ["image.pullSecrets", ["pull"], DEPLOYMENT, `${POD}/imagePullSecrets`, [{ name: "pull" }]],
  ["affinity", AFFINITY, DEPLOYMENT, `${POD}/affinity`, AFFINITY],
  ["tolerations", TOLERATIONS, DEPLOYMENT, `${POD}/tolerations`, TOLERATIONS],
  ["resources", RESOURCES, DEPLOYMENT, `${CONTAINER}/resources/limits/memory`, "2Gi"],
  ["config.credentials.createSecret", true, "Secret/skopeo-operator", "type", "Opaque"],
  ["config.credentials.secretName", "other", "Secret/other", "type", "Opaque", SECRET],
  [
    "config.credentials.sourceUsername",
    "a",
    "Secret/skopeo-operator",
    "stringData/credentialsSourceUsername",
    "a",
    SECRET
  ],
  [
    "config.credentials.sourcePassword",
    "b",
    "Secret/skopeo-operator",
    "stringData/credentialsSourcePassword",
    "b",
    SECRET
  ],
  [
    "config.credentials.destinationUsername",
    "c",
    "Secret/skopeo-operator",
    "stringData/credentialsDestinationUsername",
    "c",
    SECRET
  ],
  [
    "config.credentials.destinationPassword",
    "d",
    "Secret/skopeo-operator",
    "stringData/credentialsDestinationPassword",
    "d",
    SECRET
  ],
  ["monitoring.podMonitor.enabled", true, "PodMonitor/skopeo-operator", "metadata/namespace", "operators"],
  [
    "monitoring.podMonitor.labels",
    { release: "p" },
    "PodMonitor/skopeo-operator",
    "metadata/labels/release",
    "p",
    MONITOR
  ],
  [
    "monitoring.podMonitor.podMetricsEndpoints",
    [{ port: "metrics", interval: "30s" }],
    "PodMonitor/skopeo-operator",
    "spec/podMetricsEndpoints/0/interval",
    "30s",
    MONITOR
  ]
]

const EARLIER_VARIABLES: ReadonlyArray<readonly [path: string, value: unknown, variable: string, expected: string]> = [
  ["config.source.disabledTlsCheck", true, "DISABLE_SRC_TLS_VERIFICATION", "true"],
  ["config.destination.disabledTlsCheck", true, "DISABLE_DEST_TLS_VERIFICATION", "true"],
  ["config.destination.defaultRegistry", "registry.corp", "DESTINATION_DEFAULT_REGISTRY", "registry.corp"],
  ["config.pullJobNamespace", "copies", "PULL_JOB_NAMESPACE", "copies"],
  ["config.skopeo.image", "registry.corp/skopeo", "SKOPEO_IMAGE", "registry.corp/skopeo"],
  ["config.skopeo.version", "v1.22.0", "SKOPEO_VERSION", "v1.22.0"],
  ["config.jobDeletionDelaySeconds", 60, "JOB_DELETION_DELAY_SECONDS", "60"],
  ["config.jobDeletionDelaySeconds", "60", "JOB_DELETION_DELAY_SECONDS", "60"],
  ["config.source.disabledTlsCheck", "true", "DISABLE_SRC_TLS_VERIFICATION", "true"]
]

describe("the values of the earlier operator's chart", () => {
  for (const [path, value, id, at, expected, others = {}] of EARLIER) {
    itWithPrograms(["helm"], `the earlier chart's value ${path} still sets ${id}`, () =>
      Effect.map(rendered(withAll(valuesOf(path, value), others), id, at), (found) =>
        assert.deepStrictEqual(found, expected)
      )
    )
  }

  for (const [path, value, variable, expected] of EARLIER_VARIABLES) {
    itWithPrograms(["helm"], `the earlier chart's value ${path}: ${JSON.stringify(value)} still sets ${variable}`, () =>
      Effect.map(template(valuesOf(path, value)), (manifests) =>
        assert.strictEqual(environmentIn(manifests)[variable], expected)
      )
    )
  }

  itWithPrograms(["helm"], "an existing Secret of the earlier chart still gives the four credentials", () =>
    Effect.gen(function* () {
      const objects = yield* templateObjects(valuesOf("config.credentials.secretName", "mine"))
      assert.isUndefined(objectIn(objects, "Secret/mine"))
      const env = valueAt(objectIn(objects, DEPLOYMENT), `${CONTAINER}/env`)
      const keys = ["SourceUsername", "SourcePassword", "DestinationUsername", "DestinationPassword"]
      assert.includeDeepMembers(
        Array.isArray(env) ? env : [],
        keys.map((key) => ({
          name: `CREDS_${key.replace(/(?=[UP][a-z]+$)/u, "_").toUpperCase()}`,
          valueFrom: { secretKeyRef: { name: "mine", key: `credentials${key}`, optional: true } }
        }))
      )
    })
  )
})

const CONSTRAINT = { maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule" }
const OWN_PODS = { matchLabels: { "kubernetes.io/name": "skopeo-operator" } }
const SERVICE_MONITOR = { monitoring: { serviceMonitor: { enabled: true } } }

const USUAL: ReadonlyArray<Meaning> = [
  ["ports.metrics", 9090, DEPLOYMENT, `${CONTAINER}/ports/0`, { name: "metrics", containerPort: 9090 }],
  ["ports.probes", 9091, DEPLOYMENT, `${CONTAINER}/ports/1`, { name: "probes", containerPort: 9091 }],
  ["deploymentAnnotations", { a: "b" }, DEPLOYMENT, "metadata/annotations", { a: "b" }],
  ["nodeSelector", { arch: "arm64" }, DEPLOYMENT, `${POD}/nodeSelector`, { arch: "arm64" }],
  ["priorityClassName", "high", DEPLOYMENT, `${POD}/priorityClassName`, "high"],
  ["terminationGracePeriodSeconds", 5, DEPLOYMENT, `${POD}/terminationGracePeriodSeconds`, 5],
  [
    "topologySpreadConstraints",
    [CONSTRAINT],
    DEPLOYMENT,
    `${POD}/topologySpreadConstraints`,
    [{ ...CONSTRAINT, labelSelector: OWN_PODS }]
  ],
  [
    "topologySpreadConstraints",
    [{ ...CONSTRAINT, labelSelector: { matchLabels: { a: "b" } } }],
    DEPLOYMENT,
    `${POD}/topologySpreadConstraints/0/labelSelector`,
    { matchLabels: { a: "b" } }
  ],
  ["podSecurityContext.runAsUser", null, DEPLOYMENT, `${POD}/securityContext/runAsUser`, undefined],
  ["podSecurityContext.fsGroup", 1, DEPLOYMENT, `${POD}/securityContext/fsGroup`, 1],
  ["securityContext.runAsUser", 1000, DEPLOYMENT, `${CONTAINER}/securityContext/runAsUser`, 1000],
  [
    "podDisruptionBudget.maxUnavailable",
    "50%",
    "PodDisruptionBudget/skopeo-operator",
    "spec",
    { maxUnavailable: "50%", unhealthyPodEvictionPolicy: "AlwaysAllow", selector: OWN_PODS },
    { podDisruptionBudget: { enabled: true } }
  ],
  ["extraEnvFrom", [{ secretRef: { name: "aws" } }], DEPLOYMENT, `${CONTAINER}/envFrom/0/secretRef/name`, "aws"],
  ["extraVolumes", [{ name: "a", emptyDir: {} }], DEPLOYMENT, `${POD}/volumes`, [{ name: "a", emptyDir: {} }]],
  [
    "extraVolumeMounts",
    [{ name: "a", mountPath: "/a" }],
    DEPLOYMENT,
    `${CONTAINER}/volumeMounts`,
    [{ name: "a", mountPath: "/a" }]
  ],
  ["serviceAccount.name", "mine", "ServiceAccount/mine", "metadata/namespace", "operators"],
  ["serviceAccount.name", "mine", DEPLOYMENT, `${POD}/serviceAccountName`, "mine"],
  ["monitoring.service.enabled", true, "Service/skopeo-operator-metrics", "spec/ports/0/targetPort", "metrics"],
  [
    "monitoring.service.annotations",
    { a: "b" },
    "Service/skopeo-operator-metrics",
    "metadata/annotations/a",
    "b",
    SERVICE_MONITOR
  ],
  [
    "monitoring.serviceMonitor.labels",
    { release: "p" },
    "ServiceMonitor/skopeo-operator",
    "metadata/labels/release",
    "p",
    SERVICE_MONITOR
  ],
  [
    "monitoring.serviceMonitor.endpoints",
    [{ port: "metrics", interval: "30s" }],
    "ServiceMonitor/skopeo-operator",
    "spec/endpoints/0/interval",
    "30s",
    SERVICE_MONITOR
  ]
]

describe("the usual values of charts", () => {
  for (const [path, value, id, at, expected, others = {}] of USUAL) {
    itWithPrograms(["helm"], `the value ${path}: ${JSON.stringify(value)} sets ${at} of ${id}`, () =>
      Effect.map(rendered(withAll(valuesOf(path, value), others), id, at), (found) =>
        assert.deepStrictEqual(found, expected)
      )
    )
  }

  itWithPrograms(["helm"], "common labels are on every object but the CRD, and on the operator's pods", () =>
    Effect.gen(function* () {
      const objects = yield* templateObjects({ commonLabels: { team: "platform" } })
      const without = objects.filter((object) => valueAt(object, "metadata/labels/team") !== "platform")
      assert.deepStrictEqual(without.map(kindOf), ["CustomResourceDefinition"])
      assert.strictEqual(valueAt(objectIn(objects, DEPLOYMENT), "spec/template/metadata/labels/team"), "platform")
    })
  )

  itWithPrograms(["helm"], "labels and annotations of pods replace common labels and the chart's own annotations", () =>
    Effect.gen(function* () {
      const { annotations, labels } = marksIn(
        yield* template({
          ports: { metrics: 9090 },
          commonLabels: { team: "platform" },
          podLabels: { team: "b" },
          podAnnotations: { "prometheus.io/scrape": "false" }
        })
      )
      assert.include(labels, { team: "b", "kubernetes.io/name": "skopeo-operator" })
      assert.deepStrictEqual(annotations, { "prometheus.io/scrape": "false", "prometheus.io/port": "9090" })
    })
  )

  itWithPrograms(["helm"], "a pod is replaced when the chart's own Secret changes, and has no hash of a password", () =>
    Effect.gen(function* () {
      assert.notProperty(marksIn(yield* template({})).annotations, "skopeo.io/credentials-of-revision")
      const { annotations } = marksIn(yield* template(SECRET))
      assert.strictEqual(annotations["skopeo.io/credentials-of-revision"], "1")
    })
  )

  itWithPrograms(
    ["helm"],
    "the operator's pod mounts its token itself, and its service account gives no other pod one",
    () =>
      Effect.gen(function* () {
        const objects = yield* templateObjects({})
        const accounts = objects.filter((object) => kindOf(object) === "ServiceAccount")
        assert.deepStrictEqual(
          accounts.map((object) => valueAt(object, "automountServiceAccountToken")),
          [false, false]
        )
        const pod = valueAt(objectIn(objects, DEPLOYMENT), POD)
        assert.include(pod, { automountServiceAccountToken: true, enableServiceLinks: false })
      })
  )

  itWithPrograms(["helm"], "names of digits, and names that YAML reads as other types, stay texts", () =>
    Effect.gen(function* () {
      const values = {
        watchNamespaces: ["3"],
        priorityClassName: "5",
        image: { pullSecrets: ["6"] },
        serviceAccount: { name: "7" },
        config: {
          credentials: { secretName: "8", authSecret: "9" },
          registries: { caConfigMap: "10" },
          jobs: { serviceAccountName: "11" }
        },
        notifications: { secretName: "12" },
        tracing: { endpoint: "http://collector:4318", headersSecret: "13" },
        podDisruptionBudget: { enabled: true },
        networkPolicy: { enabled: true },
        monitoring: { service: { enabled: true } }
      }
      const release = ["template", "1e3", "charts/skopeo-operator", "-n", "2", "-f", "-"]
      for (const more of [{}, { config: { ...values.config, pullJobNamespace: "4" } }]) {
        const text = yield* succeed("helm", release, JSON.stringify({ ...values, ...more }))
        const NAMES = /^(?:.*[nN]ame|namespace|value|.*\/instance|priorityClassName)$/u
        for (const document of parseAllDocuments(text)) {
          if (document.get("kind") === "CustomResourceDefinition") continue
          visit(document, {
            Pair: (_, { key, value }) => {
              if (isScalar(key) && NAMES.test(String(key.value)) && isScalar(value)) {
                assert.isString(value.value, `${String(key.value)} of ${String(document.getIn(["metadata", "name"]))}`)
              }
            }
          })
        }
      }
    })
  )

  itWithPrograms(["helm"], "further variables are added to those of the chart", () =>
    Effect.gen(function* () {
      const manifests = yield* template({ logLevel: "debug", extraEnv: [{ name: "AWS_REGION", value: "eu-west-1" }] })
      assert.include(environmentIn(manifests), { AWS_REGION: "eu-west-1", LOG_LEVEL: "debug" })
    })
  )

  itWithPrograms(
    ["helm"],
    "an existing service account gets the permissions, and the guard of the API server judges it",
    () =>
      Effect.gen(function* () {
        const objects = yield* templateObjects({ serviceAccount: { create: false, name: "mine" } })
        assert.isUndefined(objectIn(objects, "ServiceAccount/mine"))
        const subjects = objects.flatMap((object) => {
          const found = valueAt(object, "subjects/0/name")
          return found === undefined ? [] : [found]
        })
        assert.deepStrictEqual([...new Set(subjects)], ["mine"])
        const guard = objectIn(objects, "ValidatingAdmissionPolicy/secrets.skopeo-operator.operators.skopeo.io")
        assert.include(valueAt(guard, "spec/matchConditions/0/expression"), "system:serviceaccount:operators:mine")
      })
  )

  itWithPrograms(
    ["helm"],
    "the label of a release's Jobs fits into 63 characters, and differs for another namespace",
    () =>
      Effect.gen(function* () {
        const instanceIn = (namespace: string, values: object = { config: { pullJobNamespace: "copies" } }) =>
          Effect.map(template(values, namespace), (manifests) => environmentIn(manifests)["INSTANCE_NAME"] ?? "")
        assert.strictEqual(yield* instanceIn("operators", {}), "skopeo-operator")
        assert.strictEqual(yield* instanceIn("operators"), "skopeo-operator.operators")
        assert.strictEqual(yield* instanceIn("operators", { instanceName: "mine" }), "mine")
        const [one, other] = [yield* instanceIn("a".repeat(63)), yield* instanceIn(`${"a".repeat(62)}b`)]
        assert.lengthOf(one, 63)
        assert.notStrictEqual(one, other)
      })
  )

  itWithPrograms(["helm"], "with the values of docs/install.md every object is in the namespace of the release", () =>
    Effect.gen(function* () {
      const example = examplesOf("docs/install.md").find(({ text }) => text.includes("crd: { create: false }"))
      const values = { ...parse(example?.text ?? ""), policy: { rules: [] }, networkPolicy: { enabled: true } }
      const objects = yield* templateObjects(values, "team-a")
      assert.isAtLeast(objects.length, 8)
      assert.deepStrictEqual([...new Set(objects.map((object) => valueAt(object, "metadata/namespace")))], ["team-a"])
    })
  )

  /** Permissions of the ClusterRole `admin` of Kubernetes 1.30. A user can grant only permissions that the user has. */
  const OF_ADMIN = new Set([
    ...["get", "list", "watch", "create", "patch", "delete"].map((verb) => `${verb} jobs.batch`),
    ...["list pods.", "watch pods.", "list events.", "get secrets.", "create secrets.", "delete secrets."]
  ])
  const permissionsIn = (manifests: ReadonlyArray<Pick<Manifest, "rules">>): ReadonlyArray<string> =>
    manifests.flatMap(({ rules = [] }) =>
      rules.flatMap(({ apiGroups, resources, verbs }) =>
        apiGroups.flatMap((group) => resources.flatMap((kind) => verbs.map((verb) => `${verb} ${kind}.${group}`)))
      )
    )

  itWithPrograms(
    ["helm"],
    "with the role of docs/install.md an admin of a namespace may grant what the chart grants",
    () =>
      Effect.gen(function* () {
        const section = blocksOf(sectionOf("docs/install.md", "In a namespace only"), "yaml").map((text) => parse(text))
        assert.lengthOf(section, 2)
        const [role, values] = section
        const own = new Set(permissionsIn([role]))
        const granted = permissionsIn(yield* template(values, "team-a"))
        assert.isAtLeast(granted.length, 10)
        assert.deepStrictEqual(
          granted.filter((permission) => !own.has(permission) && !OF_ADMIN.has(permission)),
          []
        )
      })
  )

  const REFUSED: ReadonlyArray<readonly [string, object, RegExp]> = [
    [
      "a variable of the chart among the further ones",
      { extraEnv: [{ name: "AWS_REGION" }, { name: "COPY_ENGINE", value: "direct" }] },
      /extraEnv\[1\]\.name: the chart sets the variable COPY_ENGINE itself; docs\/configuration\.md/u
    ],
    [
      "a further variable that is there twice",
      { extraEnv: [{ name: "A" }, { name: "A" }] },
      /extraEnv\[1\]\.name: A is there twice; remove one of the two/u
    ],
    [
      "a service account without a name",
      { serviceAccount: { create: false } },
      /serviceAccount\.create: false, but serviceAccount\.name is empty; name the service account/u
    ],
    [
      "a common label that selects pods",
      { commonLabels: { "kubernetes.io/name": "a" } },
      /commonLabels: the chart sets the label kubernetes\.io\/name itself, .*; remove it/u
    ],
    [
      "a label of pods that selects pods",
      { podLabels: { "app.kubernetes.io/instance": "a" } },
      /podLabels: the chart sets the label app\.kubernetes\.io\/instance itself/u
    ],
    [
      "two monitors",
      { monitoring: { podMonitor: { enabled: true }, serviceMonitor: { enabled: true } } },
      /would read each pod twice; enable one of them/u
    ]
  ]
  for (const [title, values, words] of REFUSED) {
    itWithPrograms(["helm"], `the chart refuses ${title}, and says the remedy`, () =>
      Effect.map(refusal(values), (text) => assert.match(text, words))
    )
  }
})

describe("the schema of the values", () => {
  const REFUSED: ReadonlyArray<readonly [string, object, RegExp]> = [
    ["a misspelt value", { replica: 2 }, /at '': additional properties 'replica' not allowed/u],
    [
      "a misspelt value in a group",
      valuesOf("config.copies.totl", 1),
      /at '\/config\/copies': additional properties 'totl' not allowed/u
    ],
    ["a text for a list", { watchNamespaces: "team-a" }, /at '\/watchNamespaces': got string, want array/u],
    ["an unknown word", valuesOf("config.copyEngine", "jobs"), /at '\/config\/copyEngine': value must be one of/u],
    [
      "the values of an earlier chart",
      { networkPolicy: null },
      /the values have no networkPolicy, .* upgrade with --reset-then-reuse-values instead of --reuse-values/u
    ],
    ["a number out of range", valuesOf("ports.metrics", 0), /at '\/ports\/metrics': minimum: got 0, want 1/u]
  ]
  for (const [title, values, words] of REFUSED) {
    itWithPrograms(["helm"], `Helm refuses ${title}, and names it`, () =>
      Effect.map(refusal(values), (text) => assert.match(text, words))
    )
  }

  const known = Object.keys(parse(readDocument("charts/skopeo-operator/values.yaml")))
  const isOfValues = (value: unknown): value is object =>
    Predicate.isObject(value) && Object.keys(value).every((key) => known.includes(key))
  const examples = examplesIn("yaml").flatMap(({ at, text }) => {
    const values: unknown = text.includes("\n---") ? undefined : parse(text)
    return isOfValues(values) ? [{ at, values }] : []
  })

  it("the documents have several examples of values", () => assert.isAtLeast(examples.length, 6))

  for (const { at, values } of examples) {
    itWithPrograms(["helm"], `the chart accepts the values at ${at}`, () =>
      Effect.map(template(values), (manifests) => assert.isNotEmpty(manifests))
    )
  }

  itWithPrograms(["helm"], "the chart passes helm lint --strict", () =>
    Effect.asVoid(succeed("helm", ["lint", "--strict", "charts/skopeo-operator"]))
  )

  itWithPrograms(["helm"], "the chart may be a dependency of another chart, with global values and a condition", () =>
    Effect.gen(function* () {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-umbrella-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const chart = { apiVersion: "v2", name: "umbrella", version: "1.0.0" }
      const dependency = { name: "skopeo-operator", version: "*", condition: "skopeo-operator.enabled" }
      writeFileSync(join(directory, "Chart.yaml"), JSON.stringify({ ...chart, dependencies: [dependency] }))
      cpSync("charts/skopeo-operator", join(directory, "charts/skopeo-operator"), { recursive: true })
      const values = { global: { a: 1 }, "skopeo-operator": { enabled: true, replicas: 2 } }
      const text = yield* succeed("helm", ["template", "mine", directory, "-f", "-"], JSON.stringify(values))
      assert.match(text, /^ {2}replicas: 2$/mu)
    })
  )
})

/** The NOTES of an installation, which Helm prints without a cluster. */
const notesOf = (values: object) =>
  Effect.map(
    succeed(
      "helm",
      ["install", "skopeo-operator", "charts/skopeo-operator", "-n", "operators", "--dry-run=client", "-f", "-"],
      JSON.stringify(values)
    ),
    (text) => text.slice(text.indexOf("NOTES:\n") + "NOTES:\n".length)
  )

describe("the notes after an installation", () => {
  itWithPrograms(
    ["helm"],
    "the notes have the next steps, with an Image that is accepted, in less than forty lines",
    () =>
      Effect.gen(function* () {
        const notes = yield* notesOf({})
        const lines = notes.trim().split("\n")
        assert.isBelow(lines.length, 40)
        assert.deepStrictEqual(
          lines.filter((line) => line.length > 100),
          []
        )
        for (const words of ["rollout status", "kubectl get images", "port-forward", "monitoring.podMonitor.enabled"]) {
          assert.include(notes, words)
        }
        const [, example = ""] = /<<'IMAGE'\n([^]*?)^ *IMAGE$/mu.exec(notes) ?? []
        assert.isTrue(Result.isSuccess(admitImage(parse(example))), example)
      })
  )

  const SAFE = {
    watchNamespaces: ["team-a"],
    policy: { rules: [{ name: "all" }] },
    config: { pullJobNamespace: "copies" },
    networkPolicy: {
      enabled: true,
      jobs: { clusterCIDRs: ["10.0.0.0/8"] },
      operator: { metricsFrom: [{ namespaceSelector: {} }] }
    }
  }
  itWithPrograms(["helm"], "the notes of a safe installation warn of nothing", () =>
    Effect.map(notesOf(SAFE), (notes) => assert.notMatch(notes, /Before you rely on it|UNSAFE/u))
  )

  const WARNINGS: ReadonlyArray<readonly [string, object, RegExp]> = [
    [
      "credentials without registries",
      valuesOf("config.credentials.secretName", "mine"),
      /^- UNSAFE: the credentials .*\n  .*config\.source\.registries, config\.destination\.registries/mu
    ],
    [
      "certificates that are not verified",
      valuesOf("config.source.disabledTlsCheck", true),
      /^- UNSAFE: certificates .*\n.*config\.registries\.caConfigMap/mu
    ],
    [
      "passwords in values",
      valuesOf("config.credentials.createSecret", true),
      /^- The passwords .*\n.*config\.credentials\.secretName/mu
    ],
    [
      "credentials by plain HTTP",
      valuesOf("config.registries.plainHttp", ["registry.corp:5000"]),
      /^- UNSAFE: credentials of some .* plain HTTP.*\n.*config\.registries\.plainHttp/mu
    ],
    [
      "a permission for the Secrets of all namespaces",
      { watchNamespaces: [] },
      /^- The operator may read any Secret of the cluster.*\n.*watchNamespaces, or credentials\.perImage=false/mu
    ],
    ["no policy", { policy: null }, /^- Any user who may create .*\n.*: policy\./mu],
    [
      "Jobs in the operator's namespace",
      valuesOf("config.pullJobNamespace", ""),
      /^- Jobs run in .*\n.*config\.pullJobNamespace=operators-jobs, jobNamespace\.create=true/mu
    ],
    [
      "no guard",
      valuesOf("admission.operatorGuard", false),
      /^- UNSAFE: the operator may create .* namespace copies:\n.*admission\.operatorGuard=true/mu
    ],
    [
      "no network policy",
      valuesOf("networkPolicy.enabled", false),
      /^- The metadata .*\n.*networkPolicy\.enabled=true/mu
    ],
    [
      "Jobs that reach the cluster",
      valuesOf("networkPolicy.jobs.clusterCIDRs", []),
      /^- Jobs reach .*\n.*networkPolicy\.jobs\.clusterCIDRs/mu
    ],
    [
      "metrics that no pod may read",
      valuesOf("networkPolicy.operator.metricsFrom", []),
      /^- No pod .*\n.*networkPolicy\.operator\.metricsFrom/mu
    ]
  ]
  for (const [title, values, words] of WARNINGS) {
    itWithPrograms(["helm"], `the notes warn of ${title}, in two lines that name the value`, () =>
      Effect.map(notesOf(withAll(SAFE, values)), (notes) => assert.match(notes, words))
    )
  }
})
