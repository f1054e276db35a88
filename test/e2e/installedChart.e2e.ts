/** The chart at a real API server: each set of values is accepted, and a release is installed, upgraded, rolled back and removed. */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { Effect } from "effect"
import { templateObjects } from "../support/chart.ts"
import {
  apply,
  CLUSTER,
  describeInCluster,
  image,
  kubectl,
  live,
  removeCrd,
  restrictedNamespace,
  run,
  succeed
} from "../support/cluster.ts"
import { CHART, RELEASE, uninstall, upgrade } from "../support/clusterReleases.ts"

const NAMESPACE = "chart-system"
const JOBS = "chart-copies"
const TEAM = "chart-team"

const RULE = { name: "all", sources: ["quay.io"], destinations: ["registry.example.com/$(namespace)"] }
const PROXY = "http://proxy.example.com:3128"

/** The values of an installation that uses everything at once, but for the objects of the Prometheus operator. */
const EVERYTHING = {
  image: { pullSecrets: ["pull"] },
  replicas: 2,
  podDisruptionBudget: { enabled: true },
  logLevel: "debug",
  ports: { metrics: 9090, probes: 9091 },
  commonLabels: { team: "platform" },
  deploymentAnnotations: { a: "b" },
  podLabels: { a: "b" },
  podAnnotations: { a: "b" },
  affinity: { podAntiAffinity: {} },
  tolerations: [{ key: "dedicated", operator: "Exists" }],
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: "kubernetes.io/hostname", whenUnsatisfiable: "ScheduleAnyway" }
  ],
  nodeSelector: { "kubernetes.io/os": "linux" },
  priorityClassName: "system-cluster-critical",
  terminationGracePeriodSeconds: 10,
  extraEnv: [{ name: "AWS_REGION", value: "eu-west-1" }],
  extraEnvFrom: [{ configMapRef: { name: "more", optional: true } }],
  extraVolumes: [{ name: "more", emptyDir: {} }],
  extraVolumeMounts: [{ name: "more", mountPath: "/more" }],
  watchNamespaces: [TEAM],
  watchLabelSelector: "team in (a, b),!paused",
  serviceAccount: { name: "mirror", annotations: { a: "b" } },
  config: {
    source: { registries: ["quay.io"] },
    destination: { defaultRegistry: "registry.example.com" },
    registries: {
      limits: "quay.io=10/s",
      privateHosts: [".internal"],
      plainHttp: [".internal"],
      tokenServers: ["registry.example.com=sso.example.net"]
    },
    proxy: { https: PROXY, http: PROXY, noProxy: ".internal" },
    credentials: { createSecret: true, sourceUsername: "robot", sourcePassword: "password" },
    pullJobNamespace: JOBS,
    copies: { perNamespace: 5 },
    jobs: { labels: { a: "b" }, hostUsers: false, priorityClassName: "system-cluster-critical" }
  },
  jobNamespace: { quota: { pods: 50 } },
  policy: { rules: [RULE] },
  networkPolicy: {
    enabled: true,
    jobs: { clusterCIDRs: ["10.0.0.0/8"], allowCIDRs: ["10.1.2.3/32"] },
    operator: { metricsFrom: [{ namespaceSelector: {} }] }
  },
  monitoring: { service: { enabled: true } },
  aggregatedRoles: { edit: true }
}

const MATRIX: Readonly<Record<string, object>> = {
  "no values": {},
  "everything at once": EVERYTHING,
  "copies in the operator itself": { config: { copyEngine: "direct" } },
  "watched namespaces": { watchNamespaces: [TEAM, NAMESPACE] },
  "two replicas": { replicas: 2, podDisruptionBudget: { enabled: true } },
  "one replica without a Lease": { leaderElection: { enabled: false } },
  "a Secret of the chart": { config: { credentials: { createSecret: true } } },
  "existing Secrets": {
    config: { credentials: { secretName: "mine", authSecret: "hub" }, proxy: { secretName: "proxy" } }
  },
  "a private authority": { config: { registries: { caConfigMap: "registry-ca" } } },
  proxies: { config: { proxy: { https: PROXY, noProxy: ".internal" } } },
  "network policies": { networkPolicy: { enabled: true } },
  "a policy": { policy: { rules: [RULE] } },
  "a policy without rules": { policy: { rules: [] } },
  "no admission policies": { admission: { imagePolicy: false, operatorGuard: false } },
  "a namespace of Jobs": { config: { pullJobNamespace: JOBS }, jobNamespace: { quota: { pods: 50 } } },
  "no Secrets of Images": { credentials: { perImage: false } },
  "users of the cluster's choice": {
    podSecurityContext: { runAsUser: null, runAsGroup: null },
    config: { jobs: { runAsUser: null } }
  },
  "an existing service account": { serviceAccount: { create: false, name: "mine" } },
  "no CRD": { crd: { create: false } }
}

/** The objects in the cluster that belong to a release, by the label of the chart. */
const objectsOfChart = kubectl(
  "get",
  "roles,rolebindings,clusterroles,clusterrolebindings,serviceaccounts,services,networkpolicies,resourcequotas,deployments,configmaps,poddisruptionbudgets,validatingadmissionpolicies,validatingadmissionpolicybindings",
  ...["-A", "-l", "kubernetes.io/name=skopeo-operator", "-o", "name"]
)

const deployment = (path: string) => kubectl("get", "deployment", RELEASE, "-n", NAMESPACE, "-o", `jsonpath={${path}}`)

describeInCluster("the chart in a cluster", { environment: { ...CLUSTER }, programs: ["helm", "kubectl"] }, () => {
  beforeAll(() =>
    live(
      Effect.gen(function* () {
        yield* removeCrd
        yield* apply(...[NAMESPACE, JOBS, TEAM].map(restrictedNamespace))
      })
    )
  )
  afterAll(() =>
    live(
      Effect.gen(function* () {
        for (const namespace of [NAMESPACE, "default"])
          yield* run("helm", ["uninstall", RELEASE, "-n", namespace, "--wait"])
        yield* removeCrd
        yield* kubectl("delete", "namespace", NAMESPACE, JOBS, TEAM, "--timeout=120s")
      })
    )
  )

  it.each(Object.entries(MATRIX))("the API server accepts all objects of the chart with %s", (_, values) =>
    live(
      Effect.gen(function* () {
        const objects = yield* templateObjects(values, NAMESPACE)
        const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects })
        const dryRun = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"]
        assert.lengthOf((yield* succeed("kubectl", dryRun, list)).trim().split("\n"), objects.length)
      })
    )
  )

  it("a release is installed without values, upgraded to other values, rolled back, and uninstalled without a trace but the CRD and the Images", () =>
    live(
      Effect.gen(function* () {
        yield* upgrade(NAMESPACE, {})
        const spec = {
          suspend: true,
          source: { name: "nginx", version: "1" },
          destination: { name: "registry.example.com/nginx" }
        }
        yield* apply({ ...image("kept", spec), metadata: { name: "kept", namespace: TEAM } })
        const withDefaults = yield* objectsOfChart

        // The image is on the node, so that the Secret to pull it with may be missing.
        yield* upgrade(NAMESPACE, EVERYTHING)
        assert.strictEqual(yield* deployment(".status.readyReplicas"), "2")
        // The CRD is no longer among the objects of the release, and is kept.
        yield* upgrade(NAMESPACE, { config: { copyEngine: "direct" }, crd: { create: false } })
        assert.strictEqual(yield* deployment(".status.readyReplicas"), "1")

        yield* succeed("helm", ["rollback", RELEASE, "1", "-n", NAMESPACE, "--wait", "--timeout", "90s"])
        assert.strictEqual(yield* objectsOfChart, withDefaults)
        assert.strictEqual(yield* deployment(".status.readyReplicas"), "1")

        yield* uninstall(NAMESPACE)
        assert.strictEqual(yield* objectsOfChart, "")
        assert.strictEqual(yield* kubectl("get", "images", "-n", TEAM, "-o", "name"), "image.skopeo.io/kept\n")
        yield* removeCrd
      })
    ))

  it("the chart is installed by the shortest command, without a namespace and values, into the namespace of the context", () =>
    live(
      Effect.gen(function* () {
        yield* succeed("helm", ["upgrade", "--install", RELEASE, ...CHART, "--wait", "--timeout", "90s"])
        yield* kubectl("rollout", "status", "deployment/skopeo-operator", "-n", "default", "--timeout=10s")
        yield* uninstall("default")
        yield* removeCrd
      })
    ))
})
