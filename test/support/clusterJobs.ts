/** Helpers of tests of copy Jobs in a real cluster: Images with one tag, what their conditions say, and obstacles. */
import { beforeAll } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { Effect, Schema } from "effect"
import {
  apply,
  CLUSTER,
  column,
  describeInCluster,
  eventually,
  image,
  kubectl,
  live,
  NAMESPACE,
  PLAIN_HTTP,
  REGISTRIES,
  succeed,
  withOperator
} from "./cluster.ts"
import { onPath } from "./programs.ts"
import { seed } from "./seeding.ts"

export const environment = {
  ...CLUSTER,
  ...REGISTRIES,
  privateInCluster: process.env["E2E_PRIVATE_IN_CLUSTER"] ?? ""
}

/** Whether the API server has mutating admission policies, which need no webhook (Kubernetes 1.36 and later). */
const hasPolicies = (): boolean => {
  if (CLUSTER.kubeconfig === "" || !onPath("kubectl")) return false
  const kinds = execFileSync("kubectl", ["api-resources", "--api-group=admissionregistration.k8s.io", "--no-headers"])
  return /^mutatingadmissionpolicies +admissionregistration\.k8s\.io\/v1 /mu.test(kinds.toString())
}

const RUN = `jobs-${randomUUID().slice(0, 8)}`
const TAG = "v1"

/** The longest wait for a Job's first container. It is short, so that a test can wait for its end. */
export const START_SECONDS = 25

export const VALUES = [
  ...PLAIN_HTTP,
  `config.jobs.startSeconds=${START_SECONDS}`,
  "config.credentials.createSecret=true",
  "config.credentials.destinationUsername=robot",
  "config.credentials.destinationPassword=hunter2-destination",
  `config.destination.registries={${environment.privateInCluster}}`,
  `config.registries.plainHttp={${environment.privateInCluster}}`
]

/** The spec of an Image with its own destination. */
export const specOf = (name: string, registry = environment.destinationInCluster) => ({
  source: { name: `${environment.sourceInCluster}/${RUN}`, version: TAG },
  destination: { name: `${registry}/${RUN}/${name}`, version: TAG }
})

/** Applies an Image with its own destination. */
export const mirror = (name: string, registry?: string) => apply(image(name, specOf(name, registry)))

export const ready = (name: string) =>
  Effect.map(
    column(name, `{range .status.conditions[?(@.type=="Ready")]}{.status} {.reason} {.message}{end}`),
    (text) => text.trim()
  )

export const reconciling = (name: string) => column(name, `{.status.conditions[?(@.type=="Reconciling")].message}`)

/** Waits until the message of the condition Reconciling contains a text, and gives the message. */
export const waits = (name: string, text: string) =>
  eventually(
    Effect.filterOrFail(
      reconciling(name),
      (message) => message.includes(text),
      (message) => message
    ),
    10
  )

/** Waits until the condition Ready matches, and gives its text. */
export const says = (name: string, pattern: RegExp, seconds = 30) =>
  eventually(
    Effect.filterOrFail(
      ready(name),
      (text) => pattern.test(text),
      (text) => text
    ),
    seconds
  )

export const isReady = (name: string, seconds = 60) => says(name, /^True Copied /u, seconds)

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
export const ofCopies = (kind: string, name: string) =>
  Effect.gen(function* () {
    const text = yield* kubectl("get", kind, "-n", NAMESPACE, "-l", "skopeo.io/instance", "-o", "json")
    const { items } = yield* Effect.orDie(Schema.decodeUnknownEffect(Names)(text))
    return items.map(({ metadata }) => metadata).filter((metadata) => metadata.name.startsWith(`copy-${name}-`))
  })

/** Waits until there are such objects, and gives them. */
export const some = (kind: string, name: string) =>
  eventually(
    Effect.filterOrFail(
      ofCopies(kind, name),
      (found) => found.length > 0,
      () => `no ${kind} of ${name}`
    )
  )

/** Waits until there are no such objects. */
export const none = (kind: string, name: string, seconds = 60) =>
  eventually(
    Effect.flatMap(ofCopies(kind, name), (found) => (found.length === 0 ? Effect.void : Effect.fail(found))),
    seconds
  )

/** Runs a test while objects are in the cluster. */
export const during = <A>(objects: ReadonlyArray<object>, test: Effect.Effect<A>) =>
  Effect.acquireUseRelease(
    apply(...objects),
    () => test,
    () => succeed("kubectl", ["delete", "-f", "-"], objects.map((object) => JSON.stringify(object)).join("\n---\n"))
  )

export const quota = (hard: object) => [
  { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "quota", namespace: NAMESPACE }, spec: { hard } }
]

/** A policy that changes the Jobs of one Image, or the pods of these Jobs, when they are created. */
export const policy = (name: string, kind: "jobs" | "pods", expression: string) => {
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

/** A container of Skopeo's image that sleeps. */
export const sleeper = (name: string, seconds: number) =>
  `Object.spec.containers{name: "${name}", image: "${CLUSTER.skopeoImage}", command: ["sleep"], args: ["${seconds}"], securityContext: ${RESTRICTED}}`

/** A policy by which Skopeo starts some seconds late, and a deleted pod is killed after some seconds (`grace`). */
export const late = (name: string, seconds: number, grace: number) =>
  policy(
    name,
    "pods",
    `JSONPatch{op: "add", path: "/spec/initContainers", value: [${sleeper("late", seconds).replaceAll("containers", "initContainers")}]}, JSONPatch{op: "replace", path: "/spec/terminationGracePeriodSeconds", value: ${grace}}`
  )

/** Waits until the API server uses a new policy. */
export const inForce = Effect.sleep("3 seconds")

/** Tests with one image at the source and an operator. */
export const describeJobs = (title: string, needs: Readonly<Record<string, string>>, tests: () => void) =>
  describeInCluster(title, { environment: needs, programs: ["helm", "kubectl"] }, () => {
    beforeAll(() => live(seed(environment.source, [[RUN, TAG, RUN]])))
    withOperator(...VALUES)
    tests()
  })

/** The environment of tests with {@link policy}. */
export const WITH_POLICIES = { ...environment, "mutating admission policies": hasPolicies() ? "yes" : "" }
