/** Copies by Jobs in a namespace of their own, with every protection that the chart has. */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { Effect, Schema } from "effect"
import {
  apply,
  CLUSTER,
  describeInCluster,
  eventually,
  image,
  install,
  JOB_NAMESPACE,
  kubectl,
  live,
  NAMESPACE,
  PLAIN_HTTP,
  REGISTRIES,
  restrictedNamespace,
  run,
  uninstall
} from "../support/cluster.ts"
import { seed } from "../support/seeding.ts"

const environment = { ...CLUSTER, ...REGISTRIES, privateInCluster: process.env["E2E_PRIVATE_IN_CLUSTER"] ?? "" }
const RUN = `zone-${randomUUID().slice(0, 8)}`

const Jobs = Schema.fromJsonString(
  Schema.Struct({
    items: Schema.Array(
      Schema.Struct({
        spec: Schema.Struct({
          template: Schema.Struct({
            spec: Schema.Struct({
              serviceAccountName: Schema.String,
              automountServiceAccountToken: Schema.Boolean,
              containers: Schema.Array(
                Schema.Struct({ resources: Schema.Struct({ limits: Schema.Record(Schema.String, Schema.String) }) })
              )
            })
          })
        })
      })
    )
  })
)

const VALUES = [
  ...PLAIN_HTTP,
  `config.pullJobNamespace=${JOB_NAMESPACE}`,
  "config.jobDeletionDelaySeconds=3600",
  "config.credentials.createSecret=true",
  "config.credentials.destinationUsername=robot",
  "config.credentials.destinationPassword=hunter2-destination",
  `config.destination.registries={${environment.privateInCluster}}`,
  `config.registries.plainHttp={${environment.privateInCluster}}`,
  "jobNamespace.create=true",
  String.raw`jobNamespace.quota.count/jobs\.batch=20`,
  "jobNamespace.quota.pods=20",
  "networkPolicy.enabled=true",
  "policy.rules[0].name=default",
  "policy.rules[0].namespaces={default}",
  `policy.rules[0].destinations={${environment.privateInCluster}/$(namespace)}`,
  "policy.rules[0].operatorCredentials={source,destination}",
  "policy.rules[0].allow={privateHosts,unboundCredentials}"
]

const mirror = (name: string, path: string) =>
  image(name, {
    source: { name: `${environment.sourceInCluster}/${RUN}`, version: "v1" },
    destination: { name: `${environment.privateInCluster}/${path}`, version: "v1" }
  })

describeInCluster("the zone of Jobs in a cluster", { environment, programs: ["helm", "kubectl"] }, () => {
  beforeAll(() =>
    live(
      Effect.gen(function* () {
        yield* seed(environment.source, [[RUN, "v1", RUN]])
        yield* apply(restrictedNamespace(NAMESPACE))
        yield* install(...VALUES)
      })
    )
  )
  afterAll(() => live(uninstall(JOB_NAMESPACE)))

  it("an Image is copied by a Job in a namespace of its own, with a policy, a quota and admission policies", () =>
    live(
      Effect.gen(function* () {
        yield* apply(mirror("zone", `default/${RUN}`))
        yield* kubectl("wait", "--for=condition=Ready", "image/zone", "--timeout=90s")
        const { items } = yield* Effect.orDie(
          Schema.decodeUnknownEffect(Jobs)(yield* kubectl("get", "jobs", "-n", JOB_NAMESPACE, "-o", "json"))
        )
        assert.deepStrictEqual(
          items.map(({ spec }) => ({ ...spec.template.spec, containers: undefined })),
          [
            {
              serviceAccountName: `skopeo-operator-jobs.skopeo-operator.${NAMESPACE}`,
              automountServiceAccountToken: false,
              containers: undefined
            }
          ]
        )
        assert.strictEqual(items[0]?.spec.template.spec.containers[0]?.resources.limits["ephemeral-storage"], "1Gi")
        assert.strictEqual((yield* kubectl("get", "jobs", "-n", NAMESPACE, "-o", "name")).trim(), "")
        const policies = yield* kubectl("get", "networkpolicies", "-A", "-o", "name")
        assert.include(policies, `networkpolicy.networking.k8s.io/skopeo-operator-jobs.skopeo-operator.${NAMESPACE}`)
      })
    ))

  it("the API server refuses an Image whose destination the policy gives to another namespace", () =>
    live(
      Effect.gen(function* () {
        const refused = yield* eventually(
          Effect.filterOrFail(
            run("kubectl", ["create", "--dry-run=server", "-f", "-"], JSON.stringify(mirror("other", `other/${RUN}`))),
            ({ code }) => code !== 0
          )
        )
        assert.match(refused.stderr, /the nearest rule is default: its destinations \(.*\/default\) do not include/u)
      })
    ))

  it("the operator may create Secrets only where it may read none, unless it reads the Secrets of all namespaces", () =>
    live(
      Effect.gen(function* () {
        const can = (verb: string, resource: string, namespace: string) =>
          Effect.map(
            run("kubectl", [
              ...["auth", "can-i", verb, resource, "-n", namespace],
              `--as=system:serviceaccount:${NAMESPACE}:skopeo-operator`
            ]),
            ({ stdout }) => stdout.trim()
          )
        yield* install(...VALUES, "watchNamespaces={default}")
        assert.strictEqual(yield* can("create", "secrets", JOB_NAMESPACE), "yes")
        assert.strictEqual(yield* can("get", "secrets", "default"), "yes")
        for (const [verb, resource, namespace] of [
          ["get", "secrets", JOB_NAMESPACE],
          ["create", "secrets", "default"],
          ["create", "jobs.batch", NAMESPACE],
          ["create", "pods", JOB_NAMESPACE],
          ["list", "secrets", "default"],
          ["get", "secrets", "kube-system"]
        ] as const) {
          assert.strictEqual(yield* can(verb, resource, namespace), "no", `${verb} ${resource} in ${namespace}`)
        }
      })
    ))
})
