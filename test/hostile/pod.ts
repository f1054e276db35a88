/** The operator as a pod of its chart, in the cluster of KUBECONFIG. Hostile servers are on this machine. */
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { Context, Effect, Exit, Layer, Ref, Schedule, Schema, type Scope } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import { makeAuthority } from "../support/certificates.ts"
import { apply, install, kubectl, NAMESPACE, REGISTRIES, restrictedNamespace, uninstall } from "../support/cluster.ts"
import { seed } from "../support/seeding.ts"
import { HONEST_SEED } from "./Attack.ts"
import { CHART_LIMIT } from "./chartLimit.ts"
import { attacks, namespaceOf, VICTIMS, type World } from "./suite.ts"
import { kubeClient } from "../support/kubeClient.ts"

/** The address of this machine for pods. */
export const MACHINE = process.env["E2E_MACHINE_IN_CLUSTER"] ?? ""

const CA = "hostile-ca"
const namespaces = [VICTIMS, ...attacks.map(namespaceOf)]

const Pods = Schema.fromJsonString(
  Schema.Struct({
    items: Schema.Array(
      Schema.Struct({
        metadata: Schema.Struct({ name: Schema.String, deletionTimestamp: Schema.optionalKey(Schema.String) }),
        status: Schema.Struct({
          containerStatuses: Schema.optionalKey(
            Schema.Array(
              Schema.Struct({
                restartCount: Schema.Int,
                lastState: Schema.Struct({
                  terminated: Schema.optionalKey(Schema.Struct({ reason: Schema.optionalKey(Schema.String) }))
                })
              })
            )
          )
        })
      })
    )
  })
)

/** The API server without TLS and without authentication, on this machine. Succeeds with the URL. */
const proxied: Effect.Effect<string, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly child: ReturnType<typeof spawn> }>((resume) => {
      const child = spawn("kubectl", ["proxy", "--port=0"], { stdio: ["ignore", "pipe", "inherit"] })
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        const port = /127\.0\.0\.1:([0-9]+)/u.exec(text)?.[1]
        if (port !== undefined) resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, child }))
      })
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGTERM"))
  ),
  ({ url }) => url
)

const valueOf = (exposition: string, metric: string): number =>
  Number(new RegExp(`^${metric} ([0-9.e+]+)$`, "mu").exec(exposition)?.[1] ?? 0)

/** The most memory of the pod by its cgroup, with the page cache. The kubelet's cAdvisor reports it some seconds later. */
const cgroupPeak = (exposition: string, pod: string): number =>
  Math.max(
    0,
    ...[...exposition.matchAll(/^container_memory_max_usage_bytes\{.*pod="([^"]*)"\} (\S+)/gmu)]
      .filter(([, name]) => name === pod)
      .map(([, , bytes]) => Number(bytes))
  )

export interface PodWorld extends World {
  /** The most memory by the cgroup of the newest pod, in bytes. */
  readonly cgroupBytes: Effect.Effect<number>
}

/** Installs the operator. All of it is removed with the scope. */
export const startWorld = Effect.gen(function* (): Effect.fn.Return<PodWorld, unknown, Scope.Scope> {
  const authority = makeAuthority("hostile suite")
  const run = `hostile-${randomUUID().slice(0, 8)}`
  yield* seed(process.env["E2E_SOURCE"] ?? "", [[`${run}/app`, "1.0.0", HONEST_SEED]])
  const context = yield* Layer.build(Layer.merge(kubeClient, FetchHttpClient.layer))
  const http = Context.get(context, HttpClient.HttpClient)
  const url = yield* proxied
  const text = Effect.fnUntraced(function* (path: string) {
    const response = yield* http.get(`${url}${path}`)
    if (response.status !== 200) return yield* Effect.die(new Error(`${path} answered ${response.status}`))
    return yield* response.text
  })

  // Before the installation, so that a failed one is removed too.
  yield* Effect.addFinalizer(() =>
    Effect.andThen(kubectl("delete", "namespace", "--wait=false", ...namespaces), uninstall())
  )
  yield* apply(
    restrictedNamespace(NAMESPACE),
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: CA, namespace: NAMESPACE },
      data: { "ca.crt": authority.certificate }
    },
    ...namespaces.map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } }))
  )
  yield* install("config.copyEngine=direct", `config.registries.caConfigMap=${CA}`)

  const pods = `/api/v1/namespaces/${NAMESPACE}/pods`
  const pod = Effect.gen(function* () {
    const { items } = yield* Schema.decodeUnknownEffect(Pods)(
      yield* text(`${pods}?labelSelector=kubernetes.io/name%3Dskopeo-operator`)
    )
    const newest = items.find(({ metadata }) => metadata.deletionTimestamp === undefined)
    return newest ?? (yield* Effect.die(new Error("the operator has no pod")))
  })
  const name = Effect.map(pod, ({ metadata }) => metadata.name)
  const metrics = Effect.flatMap(name, (name) => text(`${pods}/${name}:8080/proxy/metrics`))
  const log = Effect.flatMap(name, (name) => text(`${pods}/${name}/log`))
  const node = (yield* kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")).trim()

  const peak = yield* Ref.make(0)
  const sample = Effect.flatMap(metrics, (exposition) =>
    Ref.update(peak, (most) => Math.max(most, valueOf(exposition, "process_resident_memory_bytes")))
  )
  // A sample that the operator is too busy to give is missed.
  yield* Effect.forkScoped(Effect.repeat(Effect.exit(sample), Schedule.spaced("500 millis")))
  let earlier = ""

  return {
    kube: Context.get(context, KubeClient),
    stage: {
      address: MACHINE,
      destination: `${REGISTRIES.destinationInCluster}/${run}`,
      certificate: authority.issue([MACHINE])
    },
    honest: `${REGISTRIES.sourceInCluster}/${run}/app`,
    target: {
      log: Effect.map(Effect.orDie(log), (text) => earlier + text),
      metrics: Effect.map(Effect.exit(metrics), (exit) => (Exit.isSuccess(exit) ? exit.value : "")),
      peakBytes: Effect.andThen(Effect.exit(sample), Ref.getAndSet(peak, 0)),
      limitBytes: CHART_LIMIT * 1024 ** 2,
      restart: Effect.gen(function* () {
        earlier += yield* log
        const deployment = ["-n", NAMESPACE, "deployment/skopeo-operator"]
        yield* kubectl("rollout", "restart", ...deployment)
        yield* kubectl("rollout", "status", ...deployment, "--timeout=60s")
      }).pipe(Effect.orDie),
      death: Effect.map(Effect.orDie(pod), ({ status: { containerStatuses = [] } }) => {
        const [{ lastState, restartCount } = { lastState: {}, restartCount: 0 }] = containerStatuses
        const { terminated } = lastState
        return restartCount === 0
          ? undefined
          : `the pod was restarted ${restartCount} times: ${terminated?.reason ?? "unknown"}`
      })
    },
    cgroupBytes: Effect.gen(function* () {
      return cgroupPeak(yield* text(`/api/v1/nodes/${node}/proxy/metrics/cadvisor`), yield* name)
    }).pipe(Effect.orDie)
  }
})
