// Copies one image from registry to registry. The registries are in this process; yours have names such as quay.io.
import { Console, Effect, Layer } from "effect"
import { copy, Credentials, RegistryClientHttp } from "skopeo-operator"
import { pushSampleImage, startRegistry } from "skopeo-operator/testing"

const program = Effect.gen(function* () {
  const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
  pushSampleImage(source.store, "argoproj/argocd", "v2.13.0", "seed")

  // Only because these two registries have no certificate.
  const tlsVerify = { source: false, destination: false }
  const from = `${source.host}/argoproj/argocd:v2.13.0`
  const to = `${destination.host}/mirror/argocd`

  const result = yield* copy(from, to, { tlsVerify, platforms: ["linux/amd64"] })
  yield* Console.log(`${result.action} ${result.bytes} bytes under ${result.destination.tag}`)

  const again = yield* copy(from, to, { tlsVerify, platforms: ["linux/amd64"] })
  yield* Console.log(`${again.action}: ${again.digest === result.digest ? "the same digest" : "another digest"}`)

  yield* copy(`${source.host}/argoproj/argocd:v9`, to, { tlsVerify }).pipe(
    Effect.asVoid,
    // Each error is tagged, and each reason of a registry too.
    Effect.catchReason("RegistryError", "NotFound", () => Console.log("there is no v9"))
  )
}).pipe(Effect.scoped)

// The logins of `docker login` are in `Local.layer()`.
const Live = Layer.merge(RegistryClientHttp.layer(), Credentials.layerAnonymous)

await Effect.runPromise(program.pipe(Effect.provide(Live)))
