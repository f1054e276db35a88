/**
 * Copy Jobs in a real cluster with obstacles: quotas, taints, sidecars, policies, queues, missing permissions. The condition Ready
 * names each obstacle within seconds, and the copy is made once the obstacle is gone.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { eventually, install, kubectl, live, NAMESPACE, succeed } from "../support/cluster.ts"
import {
  describeJobs,
  during,
  environment,
  inForce,
  isReady,
  late,
  mirror,
  none,
  ofCopies,
  policy,
  quota,
  ready,
  reconciling,
  says,
  sleeper,
  some,
  START_SECONDS,
  VALUES,
  waits,
  WITH_POLICIES
} from "../support/clusterJobs.ts"

describeJobs("Jobs in a cluster", environment, () => {
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
              assert.include(yield* waits("fifth", "waiting for a free slot"), "4 per registry")
              for (const name of stuck) assert.notInclude(yield* reconciling(name), "free slot")
              // One of the other Jobs has given up its slot, so the fifth copy has a Job.
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

  it("no Job starts while the operator may not watch Jobs, the condition says so, and the operator is not ready", () =>
    live(
      Effect.gen(function* () {
        const rules = (verbs: ReadonlyArray<string>) =>
          JSON.stringify([{ op: "replace", path: "/rules/0/verbs", value: verbs }])
        const role = ["role", `skopeo-operator:${NAMESPACE}:skopeo-operator:jobs`, "-n", NAMESPACE, "--type=json", "-p"]
        const restart = kubectl("delete", "pod", "-n", NAMESPACE, "-l", "kubernetes.io/name=skopeo-operator", "--wait")
        for (const [name, verbs] of [
          ["nowatch", ["get", "list", "create", "patch", "delete"]],
          ["nolist", ["get", "create", "patch", "delete"]]
        ] as const) {
          yield* kubectl("patch", ...role, rules(verbs))
          yield* restart
          // The API server may use the earlier permissions for some seconds.
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

describeJobs("Jobs that a cluster's policies change", WITH_POLICIES, () => {
  it("a copy is complete when Skopeo is, and a sidecar that still runs ends with its Job", () =>
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
            assert.lengthOf(pods, 1, "the sidecar still runs")
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

  it("a copy succeeds although a policy has changed the app.kubernetes.io/managed-by label of its Job", () =>
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
            const [first] = yield* some("pods", "again")
            yield* Effect.sleep("2 seconds")
            yield* kubectl("delete", "image", "again", "--wait")
            yield* mirror("again")
            assert.include(yield* waits("again", "waiting for pod"), first?.name ?? "no pod")
            assert.lengthOf(yield* ofCopies("jobs", "again"), 0)
            yield* some("jobs", "again")
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
