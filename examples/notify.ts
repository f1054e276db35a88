// Posts a message for each copy that has ended, as a chat or a webhook would get it.
import { Console, Effect, Layer, References, Stream } from "effect"
import { formatRepository, OutcomeListener, sync } from "skopeo-operator"
import { OperatorMemory, pushSampleImage, RegistryStore } from "skopeo-operator/testing"

/** Your request to the chat. */
const post = (text: string) => Console.log(text)

const Notify = Layer.succeed(OutcomeListener, (image, { ended }) =>
  Effect.forEach(
    ended,
    ({ destination, state, tag }) => {
      const copy = `${image.namespace}/${image.name}: ${tag} to ${formatRepository(destination.repository)}`
      return state._tag === "Failed" ? post(`failed ${copy}: ${state.message}`) : post(`copied ${copy}`)
    },
    { discard: true }
  )
)

const quay = new RegistryStore()
for (const tag of ["v2.13.0", "v2.13.1", "v2.14.0"]) pushSampleImage(quay, "argoproj/argocd", tag, tag)

// The operator over registries in memory. `Cluster.layer` and `Local.layer()` take the same listener.
const Live = OperatorMemory.layer(
  new Map([
    ["quay.io", quay],
    ["registry.corp", new RegistryStore()]
  ])
).pipe(Layer.provide(Notify))

const images = [
  {
    metadata: { namespace: "team-a", name: "argocd" },
    spec: {
      source: { name: "quay.io/argoproj/argocd", version: "v2.13.x" },
      destination: { name: "registry.corp/argoproj/argocd" }
    }
  }
]

const program = sync(images).pipe(
  Stream.runForEach((outcome) =>
    outcome._tag === "Image" ? post(`${outcome.name}: ${outcome.tags.length} tags are in place`) : Effect.void
  )
)

await Effect.runPromise(program.pipe(Effect.provide(Live), Effect.provideService(References.MinimumLogLevel, "None")))
