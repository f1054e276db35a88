/** The whole operator in memory: its own reconciler and engine over an API server and registries that are maps. */
import { Effect, Layer, Option, Result } from "effect"
import { Controller } from "../../src/controller/Controller.ts"
import { Reconciler } from "../../src/controller/Reconciler.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import { CopyLimits, type CopyLimitsOptions } from "../../src/copy/CopyLimits.ts"
import * as DirectEngine from "../../src/copy/DirectEngine.ts"
import type { Image, ImageSpec } from "../../src/domain/Image.ts"
import { decodeImage } from "../../src/domain/ImageDecoder.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Images } from "../../src/kube/Resource.ts"
import { Metrics } from "../../src/Metrics.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import type { RegistryClient } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientMemory from "../../src/registry/memory/RegistryClientMemory.ts"

export const SOURCE = "source.test"
export const DESTINATION = "dest.test"

/** Registries named source.test and dest.test, perhaps with limits, and what is asked of them. */
export const makeRegistries = (options: Omit<RegistryClientMemory.RegistryClientMemoryOptions, "onRequest"> = {}) => {
  const registries = RegistryClientMemory.registriesOf(SOURCE, DESTINATION)
  const requests: Array<string> = []
  const store = (name: string) => {
    const found = registries.get(name)
    if (found === undefined) throw new Error(`no registry ${name}`)
    return found
  }
  return {
    source: store(SOURCE),
    destination: store(DESTINATION),
    requests,
    layer: RegistryClientMemory.layer(registries, { ...options, onRequest: (request) => requests.push(request) })
  }
}

export type Registries = ReturnType<typeof makeRegistries>

/** A copy engine that any of the operator's services may be given to. */
export type EngineLayer = Layer.Layer<CopyEngine, never, KubeClient | RegistryClient | Credentials | CopyLimits>

interface OperatorParts {
  readonly limits?: CopyLimitsOptions
  readonly credentials?: Layer.Layer<Credentials>
  readonly kube?: Layer.Layer<KubeClient>
}

/** Everything but the controller: what a single reconcile needs. */
export const reconcilerLayer = (
  registries: Registries,
  engine: EngineLayer = DirectEngine.layer,
  { credentials = Credentials.layerAnonymous, kube = KubeClientMemory.layer(), limits = {} }: OperatorParts = {}
) =>
  Reconciler.layer().pipe(
    Layer.provideMerge(engine),
    Layer.provideMerge(Layer.mergeAll(registries.layer, kube, credentials, CopyLimits.layer(limits), Metrics.layer()))
  )

export const operatorLayer = (registries: Registries, engine?: EngineLayer, parts?: OperatorParts) =>
  Controller.layer().pipe(Layer.provideMerge(reconcilerLayer(registries, engine, parts)))

/** An engine to which signatures are tags and nothing else, as they are to Skopeo; it also reads nothing here. */
export const engineOfTags: typeof DirectEngine.layer = Layer.effect(
  CopyEngine,
  Effect.map(CopyEngine, (engine) => ({
    ...engine,
    supports: { platforms: true, referrers: false, manifests: false },
    start: (task) => engine.start({ ...task, referrers: false })
  }))
).pipe(Layer.provide(DirectEngine.layer))

type Written = Omit<Partial<typeof ImageSpec.Encoded>, "source" | "destination"> & {
  readonly source: typeof ImageSpec.Encoded.source
  readonly destination: typeof ImageSpec.Encoded.destination
}

export const applyImage = Effect.fnUntraced(function* (name: string, spec: Written) {
  const kube = yield* KubeClient
  return yield* kube.apply(Images, { metadata: { namespace: "team", name }, spec }, "test")
})

export const readImage = Effect.fnUntraced(function* (name: string) {
  const kube = yield* KubeClient
  const object = Option.getOrThrow(yield* kube.get(Images, { namespace: "team", name }))
  return Result.getOrThrow(decodeImage(object))
})

/** The status of a condition and its reason, such as `False NoTagMatches`; empty if it is not there. */
export const conditionText = (image: Image, type: string): string => {
  const found = image.status.conditions?.find((condition) => condition.type === type)
  return found === undefined ? "" : `${found.status} ${found.reason}`
}
