/** The three manifests of the earlier operator's README, with the hosts of the test's registries and nothing else changed. */
import { assert, beforeAll, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  CLUSTER,
  column,
  describeInCluster,
  digestAt,
  kubectl,
  live,
  PLAIN_HTTP,
  REGISTRIES,
  succeed,
  withOperator
} from "../support/cluster.ts"
import { EARLIER_MANIFESTS } from "../support/earlierManifests.ts"
import { seed } from "../support/seeding.ts"

const { destination, destinationInCluster, source, sourceInCluster } = REGISTRIES

/** The third manifest names no host. */
const MANIFESTS = Object.values(EARLIER_MANIFESTS)
  .join("---\n")
  .replaceAll("name: quay.io/", `name: ${sourceInCluster}/`)
  .replace("name: source/", `name: ${sourceInCluster}/`)

describeInCluster(
  "the manifests of the earlier operator's README",
  { environment: { ...CLUSTER, ...REGISTRIES }, programs: ["helm", "kubectl", "regctl"] },
  () => {
    beforeAll(() =>
      live(
        seed(source, [
          ["nginx/nginx-ingress", "3.7-alpine", "nginx"],
          ["argoproj/argocd", "v2.12.9", "2.12.9"],
          ["argoproj/argocd", "v2.13.0", "2.13.0"],
          ["argoproj/argocd", "v2.13.1-rc2", "2.13.1-rc2"]
        ])
      )
    )
    withOperator(...PLAIN_HTTP, `config.destination.defaultRegistry=${destinationInCluster}`)

    it("each Image is Ready, and exactly the tags that its manifest selects are copied", () =>
      live(
        Effect.gen(function* () {
          yield* succeed("kubectl", ["apply", "-f", "-"], MANIFESTS)
          const images = ["nginx-alpine", "argocd-2-13-rc", "name"]
          yield* kubectl("wait", "--for=condition=Ready", ...images.map((name) => `image/${name}`), "--timeout=120s")
          assert.deepStrictEqual(yield* Effect.forEach(images, (name) => column(name, "{.status.tags}")), [
            "1/1",
            "2/2",
            "1/1"
          ])
          const digest = (path: string, tag: string) => digestAt(destination, path, tag)
          assert.strictEqual(
            yield* digest("tchoupinax/nginx/nginx-ingress", "3.7-alpine"),
            yield* digestAt(source, "nginx/nginx-ingress", "3.7-alpine")
          )
          for (const tag of ["v2.13.0", "v2.13.1-rc2"]) {
            assert.strictEqual(
              yield* digest("tchoupinax/argoproj/argocd", tag),
              yield* digestAt(source, "argoproj/argocd", tag)
            )
          }
          assert.notStrictEqual(yield* digest("destination/argoproj/argocd", "v2.13.0"), "")
          assert.strictEqual(yield* digest("destination/argoproj/argocd", "v2.13.1-rc2"), "")
          assert.strictEqual(yield* digest("tchoupinax/argoproj/argocd", "v2.12.9"), "")
        })
      ))
  }
)
