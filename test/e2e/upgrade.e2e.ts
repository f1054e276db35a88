/** Helm's upgrade from the chart of the earlier operator, whose Deployment has the default strategy. */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { CLUSTER, describeInCluster, kubectl, live, NAMESPACE, succeed } from "../support/cluster.ts"

const labels = { "kubernetes.io/name": "skopeo-operator" }
const earlier = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "skopeo-operator" },
  spec: {
    replicas: 1,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: { containers: [{ name: "operator", image: "registry.invalid/earlier:1" }] }
    }
  }
}

const directory = mkdtempSync(join(tmpdir(), "skopeo-operator-upgrade-"))

describeInCluster(
  "an upgrade from the earlier chart",
  { environment: { kubeconfig: CLUSTER.kubeconfig }, programs: ["helm", "kubectl"] },
  () => {
    beforeAll(() => {
      mkdirSync(join(directory, "templates"))
      writeFileSync(join(directory, "Chart.yaml"), "apiVersion: v2\nname: skopeo-operator\nversion: 0.0.1\n")
      writeFileSync(join(directory, "templates/deployment.yaml"), JSON.stringify(earlier))
    })

    afterAll(() =>
      live(
        Effect.gen(function* () {
          rmSync(directory, { recursive: true })
          yield* kubectl("delete", "namespace", NAMESPACE, "--timeout=120s")
        })
      )
    )

    for (const [method, serverSide] of [
      ["server-side apply", "true"],
      ["Helm's own merge", "false"]
    ] as const) {
      it(`the earlier chart's Deployment is upgraded by ${method}`, () =>
        live(
          Effect.gen(function* () {
            const helm = (...args: ReadonlyArray<string>) => succeed("helm", [...args, "-n", NAMESPACE])
            const applied = `--server-side=${serverSide}`
            yield* Effect.addFinalizer(() => helm("uninstall", "skopeo-operator"))
            yield* helm("install", "skopeo-operator", directory, "--create-namespace", applied)
            // The CRD may remain from another test, because Helm keeps CRDs.
            yield* helm("upgrade", "skopeo-operator", "charts/skopeo-operator", "--take-ownership", applied)
            assert.deepStrictEqual(
              JSON.parse(
                yield* kubectl(
                  "get",
                  "deployment",
                  "skopeo-operator",
                  "-n",
                  NAMESPACE,
                  "-o",
                  "jsonpath={.spec.strategy}"
                )
              ),
              { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } }
            )
          })
        ))
    }
  }
)
