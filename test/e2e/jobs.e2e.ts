/**
 * Copy Jobs in a real cluster that is not kind to them: quotas, taints, sidecars, policies, queues, missing rights. Each time the
 * Image says within seconds what is wrong, and its copy is made once that is mended.
 */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import {
  apply,
  CLUSTER,
  column,
  describeInCluster,
  eventually,
  image,
  install,
  kubectl,
  live,
  NAMESPACE,
  restrictedNamespace,
  succeed,
  uninstall
} from "../support/cluster.ts"
import { onPath } from "../support/programs.ts"

const environment = {
  ...CLUSTER,
  source: process.env["E2E_SOURCE"] ?? "",
  sourceInCluster: process.env["E2E_SOURCE_IN_CLUSTER"] ?? "",
  destinationInCluster: process.env["E2E_DESTINATION_IN_CLUSTER"] ?? "",
  privateInCluster: process.env["E2E_PRIVATE_IN_CLUSTER"] ?? ""
}

/** Kubernetes 1.36 and later change objects by policies without a webhook's server. */
const hasPolicies = (): boolean => {
  if (CLUSTER.kubeconfig === "" || !onPath("kubectl")) return false
  const kinds = execFileSync("kubectl", ["api-resources", "--api-group=admissionregistration.k8s.io", "--no-headers"])
  return /^mutatingadmissionpolicies +admissionregistration\.k8s\.io\/v1 /mu.test(kinds.toString())
}

const RUN = `jobs-${randomUUID().slice(0, 8)}`
const TAG = "v1"

/** How long a Job may wait for its first container: short, so that a test sees the end of it. */
const START_SECONDS = 25

const VALUES = [
  "config.source.disabledTlsCheck=true",
  "config.destination.disabledTlsCheck=true",
  `config.jobs.startSeconds=${START_SECONDS}`,
  "config.credentials.createSecret=true",
  "config.credentials.destinationUsername=robot",
  "config.credentials.destinationPassword=hunter2-destination",
  `config.destination.registries={${environment.privateInCluster}}`
]

/** An image at the source, pushed by the command line's own `sync`. */
const seed = Effect.scoped(
  Effect.gen(function* () {
    const { host, store } = yield* startRegistry()
    pushSampleImage(store, RUN, TAG, RUN)
    const manifest = image("seed", {
      source: { name: `${host}/${RUN}`, version: TAG, tlsVerify: false },
      destination: { name: `${environment.source}/${RUN}`, version: TAG, tlsVerify: false }
    })
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-jobs-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const file = join(directory, "seed.yaml")
    writeFileSync(file, JSON.stringify(manifest))
    yield* succeed(process.execPath, ["src/main.ts", "sync", "-f", file])
  })
)

/** An Image of its own destination. */
const mirror = (name: string, registry = environment.destinationInCluster) =>
  apply(
    image(name, {
      source: { name: `${environment.sourceInCluster}/${RUN}`, version: TAG },
      destination: { name: `${registry}/${RUN}/${name}`, version: TAG }
    })
  )

const ready = (name: string) =>
  Effect.map(
    column(name, `{range .status.conditions[?(@.type=="Ready")]}{.status} {.reason} {.message}{end}`),
    (text) => text.trim()
  )

/** The condition Ready, once it matches; it has to within what a person would wait. */
const says = (name: string, pattern: RegExp, seconds = 30) =>
  eventually(
    Effect.flatMap(ready(name), (text) => (pattern.test(text) ? Effect.succeed(text) : Effect.fail(text))),
    seconds
  )

const isReady = (name: string, seconds = 60) => says(name, /^True Copied /u, seconds)

const Names = Schema.fromJsonString(
  Schema.Struct({
    items: Schema.Array(
      Schema.Struct({
        metadata: Schema.Struct({ name: Schema.String, deletionTimestamp: Schema.optionalKey(Schema.String) })
      })
    )
  })
)

/** The objects of a kind that belong to the copies of an Image. */
const ofCopies = (kind: string, name: string) =>
  Effect.gen(function* () {
    const text = yield* kubectl("get", kind, "-n", NAMESPACE, "-l", "skopeo.io/instance", "-o", "json")
    const { items } = yield* Effect.orDie(Schema.decodeUnknownEffect(Names)(text))
    return items.map(({ metadata }) => metadata).filter((metadata) => metadata.name.startsWith(`copy-${name}-`))
  })

const none = (kind: string, name: string, seconds = 60) =>
  eventually(
    Effect.flatMap(ofCopies(kind, name), (found) => (found.length === 0 ? Effect.void : Effect.fail(found))),
    seconds
  )

/** Something that is in the cluster for as long as a test uses it. */
const during = <A>(objects: ReadonlyArray<object>, test: Effect.Effect<A>) =>
  Effect.acquireUseRelease(
    apply(...objects),
    () => test,
    () => succeed("kubectl", ["delete", "-f", "-"], objects.map((object) => JSON.stringify(object)).join("\n---\n"))
  )

const quota = (hard: object) => [
  { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "quota", namespace: NAMESPACE }, spec: { hard } }
]

/** A policy that changes the Jobs of one Image's copies, or their pods, as they are created. */
const policy = (name: string, kind: "jobs" | "pods", expression: string) => {
  const metadata = { name: `${RUN}-${name}` }
  const apiVersion = "admissionregistration.k8s.io/v1"
  return [
    {
      apiVersion,
      kind: "MutatingAdmissionPolicy",
      metadata,
      spec: {
        failurePolicy: "Fail",
        reinvocationPolicy: "Never",
        matchConstraints: {
          resourceRules: [
            {
              apiGroups: [kind === "jobs" ? "batch" : ""],
              apiVersions: ["v1"],
              operations: ["CREATE"],
              resources: [kind]
            }
          ]
        },
        matchConditions: [
          {
            name: "copies",
            expression: `object.metadata.namespace == '${NAMESPACE}' && (has(object.metadata.name) ? object.metadata.name : object.metadata.generateName).startsWith('copy-${name}-')`
          }
        ],
        mutations: [{ patchType: "JSONPatch", jsonPatch: { expression: `[${expression}]` } }]
      }
    },
    {
      apiVersion,
      kind: "MutatingAdmissionPolicyBinding",
      metadata,
      spec: { policyName: metadata.name }
    }
  ]
}

const RESTRICTED = `Object.spec.containers.securityContext{allowPrivilegeEscalation: false, capabilities: Object.spec.containers.securityContext.capabilities{drop: ["ALL"]}}`

/** A container of Skopeo's image that does nothing for as long as it is let. */
const sleeper = (name: string, seconds: number) =>
  `Object.spec.containers{name: "${name}", image: "${CLUSTER.skopeoImage}", command: ["sleep"], args: ["${seconds}"], securityContext: ${RESTRICTED}}`

/** Skopeo begins late, and the pod is killed at once where it is to end. */
const late = (name: string, seconds: number, grace: number) =>
  policy(
    name,
    "pods",
    `JSONPatch{op: "add", path: "/spec/initContainers", value: [${sleeper("late", seconds).replaceAll("containers", "initContainers")}]}, JSONPatch{op: "replace", path: "/spec/terminationGracePeriodSeconds", value: ${grace}}`
  )

/** Policies are in force a moment after they are made. */
const inForce = Effect.sleep("3 seconds")

const programs = ["helm", "kubectl"]

describeInCluster("Jobs in a cluster", { environment, programs }, () => {
  beforeAll(() =>
    live(
      Effect.gen(function* () {
        yield* apply(restrictedNamespace(NAMESPACE))
        yield* seed
        yield* install(...VALUES)
      })
    )
  )

  afterAll(() => live(uninstall()))

  it("the condition of a Job whose image cannot be pulled names the setting, and another image gets new Jobs", () =>
    live(
      Effect.gen(function* () {
        yield* install(...VALUES, "config.skopeo.version=none")
        yield* mirror("pull")
        const text = yield* says("pull", /^False PodImageNotPulled /u)
        assert.match(text, /:none cannot be pulled: .*correct SKOPEO_IMAGE and SKOPEO_VERSION/u)
        yield* install(...VALUES)
        yield* isReady("pull", 20)
      })
    ))

  it("the condition of a Job whose pods a quota refuses has the quota's text, and the Job continues without the quota", () =>
    live(
      Effect.gen(function* () {
        yield* during(
          quota({ "limits.cpu": "4" }),
          Effect.gen(function* () {
            yield* mirror("quota")
            yield* says("quota", /^False PodNotCreated .*must specify limits\.cpu/u)
          })
        )
        yield* isReady("quota")
      })
    ))

  it("Jobs obey a quota and a taint if the chart's values say how", () =>
    live(
      Effect.gen(function* () {
        const obeying = [
          "config.jobs.resources.limits.cpu=1",
          "config.jobs.tolerations[0].key=dedicated",
          "config.jobs.tolerations[0].operator=Exists"
        ]
        yield* install(...VALUES, ...obeying)
        yield* Effect.acquireUseRelease(
          kubectl("taint", "nodes", "--all", "dedicated=infra:NoSchedule"),
          () => during(quota({ "limits.cpu": "4" }), Effect.andThen(mirror("obeys"), isReady("obeys"))),
          () => kubectl("taint", "nodes", "--all", "dedicated:NoSchedule-")
        )
        yield* install(...VALUES)
      })
    ))

  it("the condition of a Job whose pods a limit range refuses has the limit range's text", () =>
    live(
      Effect.gen(function* () {
        const limit = {
          apiVersion: "v1",
          kind: "LimitRange",
          metadata: { name: "limit", namespace: NAMESPACE },
          spec: { limits: [{ type: "Container", max: { memory: "512Mi" } }] }
        }
        yield* during(
          [limit],
          Effect.gen(function* () {
            yield* mirror("limit")
            yield* says("limit", /^False PodNotCreated .*maximum memory usage per Container is 512Mi/u)
          })
        )
        yield* isReady("limit")
      })
    ))

  it("the condition of a Job that no node takes has the scheduler's text, and the Job gives up its slot in time", () =>
    live(
      Effect.gen(function* () {
        yield* Effect.acquireUseRelease(
          kubectl("taint", "nodes", "--all", "dedicated=infra:NoSchedule"),
          () =>
            Effect.gen(function* () {
              const stuck = ["stuck-1", "stuck-2", "stuck-3", "stuck-4"]
              for (const name of stuck) yield* mirror(name)
              for (const name of stuck) yield* says(name, /^False PodUnschedulable .*untolerated taint/u)
              yield* mirror("fifth")
              const words = yield* eventually(
                Effect.flatMap(column("fifth", `{.status.conditions[?(@.type=="Reconciling")].message}`), (text) =>
                  text.includes("waiting for a free slot") ? Effect.succeed(text) : Effect.fail(text)
                ),
                10
              )
              assert.include(words, "4 per registry")
              for (const name of stuck) {
                const text = yield* column(name, `{.status.conditions[?(@.type=="Reconciling")].message}`)
                assert.notInclude(text, "free slot")
              }
              // A place is given back, and the fifth has a Job of its own.
              yield* says("fifth", /^False PodUnschedulable /u, START_SECONDS + 20)
            }),
          () => kubectl("taint", "nodes", "--all", "dedicated:NoSchedule-")
        )
        for (const name of ["stuck-1", "fifth"]) yield* isReady(name, 120)
      })
    ))

  it("the condition of a Job whose Secret a quota refuses has the reason, and the Job starts without the quota", () =>
    live(
      Effect.gen(function* () {
        yield* during(
          quota({ "count/secrets": "0" }),
          Effect.gen(function* () {
            yield* mirror("secret", environment.privateInCluster)
            yield* says("secret", /^False SecretNotCreated .*exceeded quota/u)
          })
        )
        yield* isReady("secret", 90)
      })
    ))

  it("no Job is started while the operator may not watch Jobs: the Image says so, and the operator is not ready", () =>
    live(
      Effect.gen(function* () {
        const rules = (verbs: ReadonlyArray<string>) =>
          JSON.stringify([{ op: "replace", path: "/rules/0/verbs", value: verbs }])
        const role = ["role", "skopeo-operator", "-n", NAMESPACE, "--type=json", "-p"]
        const restart = kubectl("delete", "pod", "-n", NAMESPACE, "-l", "kubernetes.io/name=skopeo-operator", "--wait")
        for (const [name, verbs] of [
          ["nowatch", ["get", "list", "create", "patch", "delete"]],
          ["nolist", ["get", "create", "patch", "delete"]]
        ] as const) {
          yield* kubectl("patch", ...role, rules(verbs))
          yield* restart
          // A right that was given just now may be refused once.
          yield* Effect.sleep("8 seconds")
          yield* mirror(name)
          yield* says(name, /^False JobsForbidden .*cannot (watch|list) resource "jobs"/u)
          const state = kubectl(
            ...["get", "pods", "-n", NAMESPACE, "-l", "kubernetes.io/name=skopeo-operator"],
            ...["-o", "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"]
          )
          yield* eventually(
            Effect.flatMap(state, (text) => (text.includes("True") ? Effect.fail(text) : Effect.void)),
            30
          )
        }
        yield* kubectl("patch", ...role, rules(["get", "list", "watch", "create", "patch", "delete"]))
        yield* isReady("nowatch", 90)
        yield* isReady("nolist", 90)
        yield* kubectl("rollout", "status", "deployment/skopeo-operator", "-n", NAMESPACE, "--timeout=90s")
      })
    ))
})

const needed = { ...environment, "mutating admission policies": hasPolicies() ? "yes" : "" }

describeInCluster("Jobs that a cluster's policies change", { environment: needed, programs }, () => {
  beforeAll(() =>
    live(
      Effect.gen(function* () {
        yield* apply(restrictedNamespace(NAMESPACE))
        yield* seed
        yield* install(...VALUES)
      })
    )
  )

  afterAll(() => live(uninstall()))

  it("a copy is done when Skopeo is, and a sidecar that lives on is ended with its Job", () =>
    live(
      Effect.gen(function* () {
        const sidecar = `JSONPatch{op: "add", path: "/spec/containers/-", value: ${sleeper("istio-proxy", 100_000)}}`
        yield* during(
          policy("sidecar", "pods", sidecar),
          Effect.gen(function* () {
            yield* inForce
            yield* mirror("sidecar")
            yield* isReady("sidecar", 15)
            const pods = yield* ofCopies("pods", "sidecar")
            assert.lengthOf(pods, 1, "the sidecar lives on")
            yield* none("pods", "sidecar", 90)
          })
        )
      })
    ))

  it("the condition of a Job that was killed for its memory names the limit, and the Job leaves no Secret behind", () =>
    live(
      Effect.gen(function* () {
        const small = `JSONPatch{op: "replace", path: "/spec/template/spec/containers/0/resources", value: Object.spec.template.spec.containers.resources{limits: {"memory": "6Mi"}, requests: {"memory": "6Mi"}}}`
        yield* during(
          policy("small", "jobs", small),
          Effect.gen(function* () {
            yield* inForce
            yield* mirror("small", environment.privateInCluster)
            const text = yield* says("small", /^False OOMKilled /u, 60)
            assert.include(text, "more memory than its limit of 6Mi; raise resources.limits.memory in JOB_TEMPLATE")
          })
        )
        yield* isReady("small", 90)
        yield* none("secrets", "small", 60)
      })
    ))

  it("a Job continues after each eviction of its pod", () =>
    live(
      Effect.gen(function* () {
        yield* during(
          late("evicted", 12, 1),
          Effect.gen(function* () {
            yield* inForce
            yield* mirror("evicted")
            const evicted = new Set<string>()
            while (evicted.size < 3) {
              const [pod] = yield* eventually(
                Effect.flatMap(ofCopies("pods", "evicted"), (pods) => {
                  const fresh = pods.filter((pod) => pod.deletionTimestamp === undefined && !evicted.has(pod.name))
                  return fresh.length > 0 ? Effect.succeed(fresh) : Effect.fail(pods)
                })
              )
              const name = pod?.name ?? ""
              const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: NAMESPACE } }
              yield* succeed(
                "kubectl",
                ["create", "--raw", `/api/v1/namespaces/${NAMESPACE}/pods/${name}/eviction`, "-f", "-"],
                JSON.stringify(eviction)
              )
              evicted.add(name)
              const text = yield* ready("evicted")
              assert.isFalse(text.startsWith("False"), text)
            }
          })
        )
        yield* isReady("evicted", 90)
      })
    ))

  it("the condition of a suspended Job says so, and the Job continues when it is resumed", () =>
    live(
      Effect.gen(function* () {
        yield* during(
          policy("queue", "jobs", `JSONPatch{op: "add", path: "/spec/suspend", value: true}`),
          Effect.gen(function* () {
            yield* inForce
            yield* mirror("queue")
            yield* says("queue", /^False JobSuspended .*resume the Job/u)
            const [job] = yield* ofCopies("jobs", "queue")
            yield* kubectl("patch", "job", job?.name ?? "", "-n", NAMESPACE, "-p", `{"spec":{"suspend":false}}`)
            yield* isReady("queue", 20)
          })
        )
      })
    ))

  it("the end of a Job is seen after a policy has changed its app.kubernetes.io/managed-by label", () =>
    live(
      Effect.gen(function* () {
        const label = `JSONPatch{op: "replace", path: "/metadata/labels/app.kubernetes.io~1managed-by", value: "policy"}`
        yield* during(
          policy("relabel", "jobs", label),
          Effect.gen(function* () {
            yield* inForce
            yield* mirror("relabel")
            yield* isReady("relabel", 20)
          })
        )
      })
    ))

  it("the next Job for a tag starts only when the pod of the cancelled Job is gone", () =>
    live(
      Effect.gen(function* () {
        yield* during(
          late("again", 600, 8),
          Effect.gen(function* () {
            yield* inForce
            yield* mirror("again")
            const [first] = yield* eventually(
              Effect.flatMap(ofCopies("pods", "again"), (pods) =>
                pods.length > 0 ? Effect.succeed(pods) : Effect.fail(pods)
              )
            )
            yield* Effect.sleep("2 seconds")
            yield* kubectl("delete", "image", "again", "--wait")
            yield* mirror("again")
            const words = yield* eventually(
              Effect.flatMap(column("again", `{.status.conditions[?(@.type=="Reconciling")].message}`), (text) =>
                text.includes("waiting for pod") ? Effect.succeed(text) : Effect.fail(text)
              ),
              10
            )
            assert.include(words, first?.name ?? "no pod")
            assert.lengthOf(yield* ofCopies("jobs", "again"), 0)
            yield* eventually(
              Effect.flatMap(ofCopies("jobs", "again"), (jobs) =>
                jobs.length > 0 ? Effect.succeed(jobs) : Effect.fail(jobs)
              )
            )
            const phase = yield* kubectl(
              ...[
                "get",
                "pod",
                first?.name ?? "",
                "-n",
                NAMESPACE,
                "--ignore-not-found",
                "-o",
                "jsonpath={.status.phase}"
              ]
            )
            assert.match(phase, /^(|Failed|Succeeded)$/u)
          })
        )
      })
    ))
})
