/** Two replicas of the chart: one leads, and the other leads after the leader is stopped or killed. */
import { assert, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { Clock, Effect } from "effect"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import { Jobs, Leases, Pods } from "../../src/kube/Resources.ts"
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
  withOperator
} from "../support/cluster.ts"
import { follow, withClient } from "../support/following.ts"
import { seed } from "../support/seeding.ts"

const environment = { ...CLUSTER, ...REGISTRIES }

const LEASE = "skopeo-operator.skopeo.io"
const GRACEFUL_MILLIS = 4_400
const CRASH_MILLIS = 19_400

/** A unique name of this run, because registries outlive a run and keep its copies. */
const RUN = `e2e-${randomUUID().slice(0, 8)}`
const TAGS = Array.from({ length: 12 }, (_, patch) => `v1.0.${patch}`)

/** Collects the holders of the Lease, each with the time when the watch brought it. */
const followLease = Effect.map(
  follow(Leases, NAMESPACE),
  (seen) => () => seen.map(({ at, object }) => ({ at, holder: object.spec?.holderIdentity ?? "" }))
)

const podOf = (holder: string): string => holder.slice(0, holder.lastIndexOf("_"))

const holder = kubectl("get", "lease", LEASE, "-n", NAMESPACE, "-o", "jsonpath={.spec.holderIdentity}")

const readyReplicas = kubectl(
  ...["get", "deployment", "skopeo-operator", "-n", NAMESPACE],
  ...["-o", "jsonpath={.status.readyReplicas} {.status.replicas}"]
)

/** Waits until both pods are ready and one of them holds the Lease. */
const bothReady = eventually(
  Effect.filterOrFail(
    Effect.all([readyReplicas, holder]),
    ([ready, name]) => ready === "2 2" && name !== "",
    ([ready, name]) => `${ready} of ${name}`
  )
)

/** Waits until a test has observed a value. */
const observed = <A>(find: () => A | undefined) =>
  eventually(
    Effect.flatMap(Effect.sync(find), (found) => (found === undefined ? Effect.fail("not yet") : Effect.succeed(found)))
  )

const masterStatus = (pod: string) =>
  Effect.map(
    kubectl("get", "--raw", `/api/v1/namespaces/${NAMESPACE}/pods/${pod}:8080/proxy/metrics`),
    (metrics) => /^leader_election_master_status\{name="(.*)"\} (.*)$/mu.exec(metrics)?.slice(1) ?? []
  )

/** Kills the operator's process of a pod from outside, because no process in a container can kill the container's first process. */
const killProcess = Effect.fnUntraced(function* (pod: string) {
  const uid = yield* kubectl("get", "pod", pod, "-n", NAMESPACE, "-o", "jsonpath={.metadata.uid}")
  const script = `
    const { readdirSync, readFileSync } = require("node:fs")
    const text = (file) => { try { return readFileSync(file, "utf8") } catch { return "" } }
    const found = readdirSync("/proc").filter((pid) => /^[0-9]+$/.test(pid)
      && /pod${uid.replaceAll("-", "[-_]")}/.test(text("/proc/" + pid + "/cgroup"))
      && text("/proc/" + pid + "/cmdline").includes("/app/main.cjs"))
    if (found.length !== 1) throw new Error("found " + found.length)
    process.kill(Number(found[0]), "SIGKILL")`
  const killer = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `killer-${RUN}`, namespace: "default" },
    spec: {
      hostPID: true,
      restartPolicy: "Never",
      containers: [
        {
          name: "killer",
          image: environment.operatorImage,
          command: ["node", "-e", script],
          securityContext: { privileged: true, runAsUser: 0 }
        }
      ]
    }
  }
  yield* Effect.addFinalizer(() => kubectl("delete", "pod", killer.metadata.name, "-n", "default", "--wait=false"))
  yield* apply(killer)
  yield* kubectl(
    ...["wait", "pod", killer.metadata.name, "-n", "default"],
    ...["--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s"]
  )
})

describeInCluster("two replicas", { environment, programs: ["helm", "kubectl"] }, () => {
  withOperator("replicas=2", "podDisruptionBudget.enabled=true", ...PLAIN_HTTP)

  it("both replicas are ready, and one of them leads", () =>
    live(
      Effect.gen(function* () {
        yield* bothReady
        const leader = podOf(yield* holder)
        const pods = (yield* kubectl("get", "pods", "-n", NAMESPACE, "-o", "name")).trim().split("\n")
        assert.lengthOf(pods, 2)
        for (const pod of pods.map((name) => name.replace("pod/", ""))) {
          assert.deepStrictEqual(yield* masterStatus(pod), [LEASE, pod === leader ? "1" : "0"])
        }
        // The operator may update its own Lease and no other Lease.
        const may = (verb: string, what: string) =>
          Effect.map(
            Effect.result(
              kubectl(
                ...["auth", "can-i", verb, what, "-n", NAMESPACE],
                `--as=system:serviceaccount:${NAMESPACE}:skopeo-operator`
              ).pipe(Effect.sandbox)
            ),
            ({ _tag }) => _tag === "Success"
          )
        assert.isTrue(yield* may("update", `leases.coordination.k8s.io/${LEASE}`))
        assert.isFalse(yield* may("update", "leases.coordination.k8s.io/another"))
        assert.isFalse(yield* may("delete", `leases.coordination.k8s.io/${LEASE}`))
      })
    ))

  it("another replica leads within 4.4 seconds after the leader's pod is deleted", () =>
    withClient(
      Effect.gen(function* () {
        yield* bothReady
        const kube = yield* KubeClient
        const changes = yield* followLease
        const before = (yield* observed(() => changes().findLast(({ holder }) => holder !== ""))).holder
        const deleted = yield* Clock.currentTimeMillis
        yield* kube.delete(Pods, { namespace: NAMESPACE, name: podOf(before) })
        const next = yield* observed(() => changes().find(({ holder }) => holder !== "" && holder !== before))
        const released = changes().find(({ holder }) => holder === "")
        assert(released !== undefined, "the leader released its Lease")
        console.info(
          `graceful failover: released ${released.at - deleted} ms after the deletion, led again after ${next.at - deleted} ms`
        )
        assert.isAtMost(next.at - deleted, GRACEFUL_MILLIS)
      })
    ))

  it("another replica leads within 19.4 seconds after a copying leader is killed, and no tag is copied twice", () =>
    withClient(
      Effect.gen(function* () {
        yield* bothReady
        yield* seed(
          environment.source,
          TAGS.map((tag) => [`${RUN}/app`, tag, tag] as const)
        )
        const changes = yield* followLease
        const jobs = yield* follow(Jobs, NAMESPACE)
        yield* apply(
          image("failover", {
            source: { name: `${environment.sourceInCluster}/${RUN}/app`, version: "v1.0.x" },
            destination: { name: `${environment.destinationInCluster}/${RUN}/app` }
          })
        )
        yield* observed(() => jobs.at(0))
        const before = yield* holder
        const started = yield* Clock.currentTimeMillis
        yield* killProcess(podOf(before))
        const next = yield* observed(() => changes().find(({ at, holder }) => at > started && holder !== before))
        // The restarted process of the same pod may lead next. It is another candidate.
        assert.notStrictEqual(next.holder, "", "a killed leader does not release the Lease")
        const renewals = changes().filter(({ at, holder }) => holder === before && at < next.at)
        const renewed = renewals.at(-1)?.at ?? 0
        // The time counts from the last renewal, which was before the kill.
        console.info(`failover after a crash: led again ${next.at - renewed} ms after the last renewal`)
        assert.isAtMost(next.at - renewed, CRASH_MILLIS)

        yield* kubectl("wait", "--for=condition=Ready", "image/failover", "--timeout=120s")
        assert.strictEqual(yield* column("failover", "{.status.tags}"), "12/12")
        const uids = new Set(jobs.map(({ object }) => object.metadata.uid))
        assert.strictEqual(uids.size, TAGS.length, "there is one Job for each tag")
        yield* bothReady
      })
    ))
})
