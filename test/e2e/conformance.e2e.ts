/** The API server of KUBECONFIG behaves as the server in memory does. */
import { randomUUID } from "node:crypto"
import { assert, describe } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { customResourceDefinition } from "../../src/domain/CustomResourceDefinition.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import type { Resource } from "../../src/kube/Resource.ts"
import { kubeClientConformance } from "../conformance/kubeClient.ts"
import { apply, image, kubectl } from "../support/cluster.ts"
import { itWithPrograms } from "../support/programs.ts"
import { ObjectMeta } from "../support/wholeObjects.ts"
import { kubeClient } from "../support/kubeClient.ts"

const Crd = Schema.Struct({
  metadata: ObjectMeta,
  spec: Schema.optionalKey(Schema.Unknown),
  status: Schema.optionalKey(
    Schema.Struct({
      conditions: Schema.optionalKey(Schema.Array(Schema.Struct({ type: Schema.String, status: Schema.String })))
    })
  )
})
type Crd = typeof Crd.Type

const Crds: Resource<Crd> = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  schema: Crd,
  statusSubresource: true
}

const isServed = (crd: Crd): boolean =>
  crd.status?.conditions?.some(({ status, type }) => type === "Established" && status === "True") ?? false

/** Installs the CRD of this source, and waits until the server serves it. */
const installed = Layer.effectDiscard(
  Effect.gen(function* () {
    const kube = yield* KubeClient
    const { metadata, spec } = customResourceDefinition
    const crd = yield* kube.apply(Crds, { metadata, spec }, "conformance")
    if (isServed(crd)) return
    yield* kube.watch(Crds, { resourceVersion: crd.metadata.resourceVersion ?? "" }).pipe(
      Stream.filter(
        (event) => "object" in event && event.object.metadata.name === metadata.name && isServed(event.object)
      ),
      Stream.take(1),
      Stream.runDrain,
      Effect.timeout("1 minute")
    )
  })
)

const apiServer = installed.pipe(Layer.provideMerge(kubeClient))

describe.skipIf((process.env["KUBECONFIG"] ?? "") === "")("with the cluster that KUBECONFIG names", () => {
  kubeClientConformance("KubeClientHttp", apiServer, { forget: Effect.void })

  itWithPrograms(["kubectl"], "kubectl chooses Images by the names of their source and destination", () =>
    Effect.gen(function* () {
      yield* Layer.build(apiServer)
      const run = randomUUID().slice(0, 8)
      const names = [`field-a-${run}`, `field-b-${run}`]
      yield* Effect.addFinalizer(() => kubectl("delete", "image", ...names))
      yield* apply(
        ...names.map((name) =>
          image(name, {
            source: { name: `registry.invalid/${name}`, version: "v1" },
            destination: { name: `registry.invalid/${run}` }
          })
        )
      )
      const chosen = (selector: string) =>
        Effect.map(kubectl("get", "images", "--field-selector", selector, "-o", "name"), (text) =>
          text.split("\n").filter((line) => line !== "")
        )
      const [a = "", b = ""] = names
      assert.deepStrictEqual(yield* chosen(`spec.source.name=registry.invalid/${b}`), [`image.skopeo.io/${b}`])
      assert.deepStrictEqual(yield* chosen(`spec.destination.name=registry.invalid/${run}`), [
        `image.skopeo.io/${a}`,
        `image.skopeo.io/${b}`
      ])
      assert.deepStrictEqual(yield* chosen("spec.source.name=registry.invalid/none"), [])
    })
  )
})
