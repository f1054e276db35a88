/**
 * The operator's main job with only Node.js: two registries on loopback, three Images, and the operator's own
 * reconciler over an API server in memory. The demo ends with the destination's tags, read back from the destination,
 * and fails if they differ from the source's.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Clock, ConfigProvider, Console, Effect, Layer, Logger, Option, Ref, Schema, Stream } from "effect"
import { formatTable } from "../src/cli/table.ts"
import { Controller } from "../src/controller/Controller.ts"
import { ImageStore } from "../src/controller/ImageStore.ts"
import { conditionOf } from "../src/domain/Image.ts"
import { KubeClient } from "../src/kube/KubeClient.ts"
import { Images } from "../src/kube/Resources.ts"
import * as LocalOperator from "../src/LocalOperator.ts"
import { startRegistry } from "../src/registry/memory/EmbeddedRegistry.ts"
import { RegistryClient } from "../src/registry/RegistryClient.ts"
import { pushSampleImage } from "../src/registry/memory/SampleImage.ts"

class DemoFailed extends Schema.TaggedError<DemoFailed>()("DemoFailed", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

const NAMESPACE = "default"
const LIMIT = "18 seconds"

const demo = Effect.gen(function* () {
  const started = yield* Clock.currentTimeMillis
  const say = (text: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Console.log(`${((now - started) / 1_000).toFixed(1).padStart(5)}s  ${text}`)
    )

  const source = yield* startRegistry()
  const destination = yield* startRegistry()
  const push = (path: string, tag: string, content: string) =>
    pushSampleImage(source.store, path, tag, content, { layerSize: 200_000 })
  push("nginx/nginx-ingress", "3.7-alpine", "nginx")
  for (const tag of ["v2.12.9", "v2.13.0", "v2.13.1", "v2.13.2", "v2.14.0-rc1"]) push("argoproj/argocd", tag, tag)
  push("library/node", "22-alpine", "node of monday")
  yield* say(`two registries on loopback: source ${source.host}, destination ${destination.host}`)

  const kube = yield* KubeClient
  const images = yield* ImageStore
  const registry = yield* RegistryClient
  yield* (yield* Controller).synced

  const apply = Effect.fnUntraced(function* (
    name: string,
    path: string,
    version: string,
    target: string,
    spec: Readonly<Record<string, string>>
  ) {
    yield* say(
      `apply Image ${name}: ${path}:${version} -> ${target}${spec["mode"] === undefined ? "" : `, ${spec["mode"]}`}`
    )
    yield* kube.create(Images, {
      metadata: { name, namespace: NAMESPACE },
      spec: {
        ...spec,
        source: { name: `${source.host}/${path}`, version },
        destination: { name: `${destination.host}/${target}` }
      }
    })
  })
  yield* apply("nginx", "nginx/nginx-ingress", "3.7-alpine", "mirror/nginx-ingress", {})
  yield* apply("argocd", "argoproj/argocd", "v2.13.x", "mirror/argocd", { frequency: "10s" })
  yield* apply("node", "library/node", "22-alpine", "mirror/node", { mode: "Recurrent", frequency: "10s" })

  // Prints each change of an Image when it happens, as `kubectl get images --watch` does.
  const said = yield* Ref.make<ReadonlyMap<string, string>>(new Map())
  yield* images.changes.pipe(
    Stream.runForEach(({ after: image }) =>
      Effect.gen(function* () {
        const ready = image === undefined ? undefined : conditionOf(image.status, "Ready")
        if (image === undefined || ready === undefined) return
        const line = `Image ${image.name}: Ready=${ready.status} ${ready.reason}: ${ready.message}`
        if ((yield* Ref.get(said)).get(image.name) === line) return
        yield* Ref.update(said, (lines) => new Map([...lines, [image.name, line]]))
        yield* say(line)
      })
    ),
    Effect.forkScoped
  )

  /** Waits until the destination has the source's digest for each tag. */
  const arrived = (tags: ReadonlyArray<readonly [path: string, tag: string, target: string]>) =>
    images.changes.pipe(
      Stream.takeUntilEffect(() =>
        Effect.succeed(
          tags.every(
            ([path, tag, target]) =>
              destination.store.manifest(target, tag)?.digest === source.store.manifest(path, tag)?.digest
          )
        )
      ),
      Stream.runDrain
    )

  const first = [
    ["nginx/nginx-ingress", "3.7-alpine", "mirror/nginx-ingress"],
    ["argoproj/argocd", "v2.13.0", "mirror/argocd"],
    ["argoproj/argocd", "v2.13.1", "mirror/argocd"],
    ["argoproj/argocd", "v2.13.2", "mirror/argocd"],
    ["library/node", "22-alpine", "mirror/node"]
  ] as const
  yield* arrived(first)

  push("argoproj/argocd", "v2.13.3", "a new patch release")
  yield* say("a new release appears at the source: argoproj/argocd:v2.13.3")
  push("library/node", "22-alpine", "node of tuesday")
  yield* say("a tag moves at the source: library/node:22-alpine; both arrive with the next check, every 10s")
  const all = [...first, ["argoproj/argocd", "v2.13.3", "mirror/argocd"]] as const
  yield* arrived(all)

  const digestAt = (host: string, path: string, tag: string) =>
    registry
      .head({ repository: { registry: host, path }, tlsVerify: false, credential: Option.none() }, tag)
      .pipe(Effect.map(Option.match({ onNone: () => "missing", onSome: ({ digest }) => digest })))
  const rows = yield* Effect.forEach(
    all.toSorted(([a, b], [c, d]) => (`${a}:${b}` < `${c}:${d}` ? -1 : 1)),
    Effect.fnUntraced(function* ([path, tag, target]) {
      const [desired, actual] = [
        yield* digestAt(source.host, path, tag),
        yield* digestAt(destination.host, target, tag)
      ]
      return [
        `${path}:${tag}`,
        desired.slice(0, 19),
        `${target}:${tag}`,
        actual.slice(0, 19),
        desired === actual ? "same" : "DIFFERENT"
      ]
    })
  )
  yield* Console.log(`\n${formatTable(["SOURCE", "DIGEST", "DESTINATION", "DIGEST", ""], rows)}\n`)
  if (rows.some((row) => row.at(-1) !== "same")) {
    return yield* new DemoFailed({ detail: "the destination does not have the digests of the source" })
  }
  yield* say(`${rows.length} tags of two platforms each are in both registries, byte for byte`)
}).pipe(
  Effect.timeoutOrElse({
    duration: LIMIT,
    orElse: () => Effect.fail(new DemoFailed({ detail: `not everything had arrived after ${LIMIT}` }))
  })
)

/** The demo uses no variable of this machine. */
const environment = ConfigProvider.fromEnv({
  env: { DISABLE_SRC_TLS_VERIFICATION: "true", DISABLE_DEST_TLS_VERIFICATION: "true" }
})

demo.pipe(
  Effect.tapError((error) => Console.error(`the demo failed: ${error.message}`)),
  Effect.scoped,
  Effect.provide(LocalOperator.layer()),
  Effect.provide(
    Layer.mergeAll(
      NodeServices.layer,
      ConfigProvider.layer(environment),
      // The demo prints the changes itself. The operator's log would print them again.
      Logger.layer([])
    )
  ),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
