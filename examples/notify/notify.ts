// One reconcile with your own copy engine. This engine copies nothing and prints the copies that it would make.
import { Console, Effect, Layer, Stream } from "effect"
import {
  CopyEngine,
  Credentials,
  DestinationClaims,
  ImageEvents,
  Images,
  KubeClient,
  Metrics,
  Policy,
  readStoredImage,
  Reconciler
} from "skopeo-operator"
import { KubeClientMemory, pushSampleImage, RegistryClientMemory, RegistryStore } from "skopeo-operator/testing"

const Notify = Layer.succeed(CopyEngine, {
  supports: { platforms: true, referrers: true, manifests: false },
  start: (task) => Effect.as(Console.log(`would copy ${task.tag} to ${task.destination.repository.path}`), true),
  copies: () => Effect.succeed([]),
  cancel: () => Effect.void,
  release: () => Effect.void,
  changes: Stream.empty
})

const quay = new RegistryStore()
for (const tag of ["v2.13.0", "v2.13.1", "v2.14.0"]) pushSampleImage(quay, "argoproj/argocd", tag, tag)
const registries = new Map([
  ["quay.io", quay],
  ["registry.corp", new RegistryStore()]
])

const program = Effect.gen(function* () {
  const image = yield* (yield* KubeClient).create(Images, {
    metadata: { namespace: "team-a", name: "argocd" },
    spec: {
      source: { name: "quay.io/argoproj/argocd", version: "v2.13.x" },
      destination: { name: "registry.corp/argoproj/argocd" }
    }
  })
  const { next } = yield* (yield* Reconciler).reconcile(readStoredImage(image))
  yield* Console.log(`checks again: ${next._tag === "At" ? next.why : next._tag}`)
})

const Services = Layer.mergeAll(Notify, KubeClientMemory.layer(), RegistryClientMemory.layer(registries))
const Live = Reconciler.layer.pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      Services,
      Credentials.layerAnonymous,
      Policy.layerNone,
      Metrics.layerNoop,
      DestinationClaims.layerNone,
      ImageEvents.layerNone
    )
  )
)
await Effect.runPromise(program.pipe(Effect.provide(Live)))
