/** Two releases of the chart in one cluster, with one name, one namespace of Images, and one namespace of Jobs. */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import {
  apply,
  CLUSTER,
  describeInCluster,
  kubectl,
  live,
  REGISTRIES,
  removeCrd,
  restrictedNamespace,
  run
} from "../support/cluster.ts"
import { CHART, RELEASE, uninstall, upgrade as upgradeTo } from "../support/clusterReleases.ts"
import { seed } from "../support/seeding.ts"

const environment = { ...CLUSTER, ...REGISTRIES }
const RUN = `two-${randomUUID().slice(0, 8)}`
const [ONE, TWO, TEAM, JOBS] = ["one-system", "two-system", "two-team", "two-copies"]

const upgrade = (namespace: string, ...more: ReadonlyArray<string>) =>
  upgradeTo(
    namespace,
    {
      watchNamespaces: [TEAM],
      watchLabelSelector: `owner=${namespace}`,
      config: {
        source: { disabledTlsCheck: true },
        destination: { disabledTlsCheck: true },
        pullJobNamespace: JOBS
      },
      networkPolicy: { enabled: true },
      jobNamespace: { quota: { pods: 20 } },
      // Each release refuses what the other copies.
      policy: {
        rules: [
          { name: "own", allow: ["privateHosts"], sources: [`${environment.sourceInCluster}/${RUN}/${namespace}`] }
        ]
      }
    },
    ...more
  )

/** Copies a new tag for the release in a namespace. */
const copies = Effect.fnUntraced(function* (namespace: string, tag: string) {
  const path = `${RUN}/${namespace}/app`
  yield* seed(environment.source, [[path, tag, `${namespace} ${tag}`]])
  const name = `${namespace}-${tag}`
  yield* apply({
    apiVersion: "skopeo.io/v1alpha1",
    kind: "Image",
    metadata: { name, namespace: TEAM, labels: { owner: namespace } },
    spec: {
      source: { name: `${environment.sourceInCluster}/${path}`, version: tag },
      destination: { name: `${environment.destinationInCluster}/${path}` }
    }
  })
  const ready = yield* run("kubectl", ["wait", "--for=condition=Ready", `image/${name}`, "-n", TEAM, "--timeout=30s"])
  const conditions = yield* kubectl("get", "image", name, "-n", TEAM, "-o", "jsonpath={.status.conditions}")
  assert.strictEqual(ready.code, 0, conditions)
})

const ownerOfCrd = kubectl(
  "get",
  "crd",
  "images.skopeo.io",
  "-o",
  String.raw`jsonpath={.metadata.annotations.meta\.helm\.sh/release-namespace}`
)

/** The objects of one release, by the label of all releases of its name, in every namespace. */
const objectsOf = (namespace: string) =>
  Effect.map(
    kubectl(
      "get",
      "roles,rolebindings,serviceaccounts,networkpolicies,resourcequotas,deployments,configmaps,validatingadmissionpolicies",
      ...["-A", "-l", "app.kubernetes.io/name=skopeo-operator", "-o"],
      String.raw`jsonpath={range .items[*]}{.metadata.annotations.meta\.helm\.sh/release-namespace} {.kind} {.metadata.name}{"\n"}{end}`
    ),
    (text) => text.split("\n").filter((line) => line.startsWith(`${namespace} `))
  )

describeInCluster("two releases", { environment, programs: ["helm", "kubectl"] }, () => {
  beforeAll(() =>
    live(
      Effect.gen(function* () {
        // The CRD of other tests has an owner that is not installed.
        yield* removeCrd
        yield* apply(...[ONE, TWO, TEAM, JOBS].map(restrictedNamespace))
      })
    )
  )
  afterAll(() =>
    live(
      Effect.gen(function* () {
        for (const namespace of [ONE, TWO]) yield* run("helm", ["uninstall", RELEASE, "-n", namespace, "--wait"])
        yield* removeCrd
        yield* kubectl("delete", "namespace", ONE, TWO, TEAM, JOBS, "--timeout=120s")
      })
    )
  )

  it("a second release needs nothing special, both copy, and the uninstall of the second takes nothing of the first", () =>
    live(
      Effect.gen(function* () {
        yield* upgrade(ONE)
        const notes = yield* upgrade(TWO)
        assert.match(notes, /one-system\/skopeo-operator/u)
        assert.strictEqual(yield* ownerOfCrd, ONE)
        yield* copies(ONE, "1.0.0")
        yield* copies(TWO, "1.0.0")
        const before = yield* objectsOf(ONE)
        assert.isAtLeast(before.length, 12)
        assert.lengthOf(yield* objectsOf(TWO), before.length)
        yield* uninstall(TWO)
        assert.deepStrictEqual(yield* objectsOf(ONE), before)
        assert.deepStrictEqual(yield* objectsOf(TWO), [])
        assert.strictEqual(yield* ownerOfCrd, ONE)
        yield* copies(ONE, "1.1.0")
      })
    ))

  it("the uninstall of the first release leaves the CRD and all Images, and the second goes on and can take the CRD", () =>
    live(
      Effect.gen(function* () {
        yield* upgrade(TWO)
        // An upgrade of the owner keeps its CRD.
        yield* upgrade(ONE)
        assert.strictEqual(yield* ownerOfCrd, ONE)
        const images = yield* kubectl("get", "images", "-n", TEAM, "-o", "name")
        yield* uninstall(ONE)
        assert.strictEqual(yield* kubectl("get", "images", "-n", TEAM, "-o", "name"), images)
        yield* copies(TWO, "1.1.0")
        // No installed release has the CRD now. Helm says so, and the flag takes it over.
        const { code, stderr } = yield* run("helm", ["upgrade", RELEASE, ...CHART, "-n", TWO])
        assert.strictEqual(code, 1)
        assert.match(stderr, /images\.skopeo\.io.*cannot be imported.*release-namespace/su)
        yield* upgrade(TWO, "--take-ownership")
        assert.strictEqual(yield* ownerOfCrd, TWO)
        assert.strictEqual(
          yield* kubectl("get", "images", "-n", TEAM, "-o", "name"),
          `${images}image.skopeo.io/${TWO}-1.1.0\n`
        )
        yield* copies(TWO, "1.2.0")
      })
    ))
})
