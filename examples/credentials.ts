// Asks a vault for the credentials of registries. The vault is asked once for each registry in ten minutes.
import { NodeServices } from "@effect/platform-node"
import { Cache, Console, Effect, Layer, Option, Redacted } from "effect"
import { copy, CustomCredentials, Local } from "skopeo-operator"
import { pushSampleImage, requireBasic, startRegistry } from "skopeo-operator/testing"

/** Your request to the vault. An error is `CustomCredentialError`, and its detail is shown to users. */
const readVault = Effect.fn("readVault")(function* (registry: string) {
  yield* Console.log(`the vault is asked for ${registry.replace(/:\d+$/u, "")}`)
  return Option.some({ username: "robot", password: Redacted.make("secret") })
})

const Vault = CustomCredentials.layer(
  Effect.gen(function* () {
    const answers = yield* Cache.make({ lookup: readVault, capacity: 100, timeToLive: "10 minutes" })
    return ({ registry, side }) =>
      // The sources of this program are public.
      side === "source" ? Effect.succeedNone : Cache.get(answers, registry)
  })
)

const program = Effect.gen(function* () {
  const source = yield* startRegistry()
  const destination = yield* startRegistry({ intercept: requireBasic("robot", "secret") })
  for (const tag of ["1.0", "1.1"]) {
    pushSampleImage(source.store, "app", tag, tag)
    const { action } = yield* copy(`${source.host}/app:${tag}`, `${destination.host}/app`, {
      tlsVerify: { source: false, destination: false }
    })
    yield* Console.log(`${action} ${tag}`)
  }
}).pipe(Effect.scoped)

// Cluster.layer takes the same source, for the operator of a cluster.
const Live = Local.layer().pipe(Layer.provide(Vault), Layer.provide(NodeServices.layer))

await Effect.runPromise(program.pipe(Effect.provide(Live)))
