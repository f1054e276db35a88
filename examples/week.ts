// A week of the operator in a second: all time is Effect's Clock, and TestClock moves it.
import { Clock, Console, Effect, Layer, References } from "effect"
import { TestClock } from "effect/testing"
import { Images, KubeClient, OutcomeListener } from "skopeo-operator"
import { OperatorMemory, pushSampleImage, RegistryStore } from "skopeo-operator/testing"

const DAY_MILLIS = 24 * 60 * 60 * 1000

const hub = new RegistryStore()
pushSampleImage(hub, "library/node", "22", "first")

const Diary = Layer.succeed(OutcomeListener, (_image, { ended }) =>
  Effect.forEach(
    ended,
    ({ tag }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Console.log(`day ${Math.floor(now / DAY_MILLIS) + 1}: copied ${tag}`)
      ),
    { discard: true }
  )
)

const Live = OperatorMemory.layer(
  new Map([
    ["docker.io", hub],
    ["registry.corp", new RegistryStore()]
  ])
).pipe(Layer.provide(Diary), Layer.provideMerge(TestClock.layer()))

const program = Effect.gen(function* () {
  const kube = yield* KubeClient
  yield* kube.create(Images, {
    metadata: { namespace: "team-a", name: "node" },
    spec: {
      mode: "Recurrent",
      frequency: "6h",
      source: { name: "node", version: "22" },
      destination: { name: "registry.corp/node" }
    }
  })
  for (let day = 1; day <= 7; day++) {
    // Upstream moves the tag on two days.
    if (day === 3 || day === 6) pushSampleImage(hub, "library/node", "22", `moved on day ${day}`)
    yield* TestClock.adjust("1 day")
  }
  yield* Console.log("a week has passed")
})

await Effect.runPromise(program.pipe(Effect.provide(Live), Effect.provideService(References.MinimumLogLevel, "None")))
