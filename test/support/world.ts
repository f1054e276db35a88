/** The whole operator in memory: its reconciler and its engine over an API server and registries in memory. */
import { Effect, Layer, Option, Result } from "effect"
import { DestinationClaims } from "../../src/controller/DestinationClaims.ts"
import { ImageEvents } from "../../src/controller/events/ImageEvents.ts"
import { ImageStore } from "../../src/controller/ImageStore.ts"
import { LeaderElection, type LeaderElectionOptions } from "../../src/controller/LeaderElection.ts"
import * as Operator from "../../src/controller/Operator.ts"
import { Reconciler } from "../../src/controller/Reconciler.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import { CopyLimits, type CopyLimitsOptions } from "../../src/copy/CopyLimits.ts"
import * as DirectEngine from "../../src/copy/DirectEngine.ts"
import type { Image, ImageSpec } from "../../src/domain/Image.ts"
import { decodeImage } from "../../src/domain/ImageDecoder.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Images } from "../../src/kube/Resources.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import { Policy } from "../../src/credentials/Policy.ts"
import type { RegistryLimits } from "../../src/registry/limits/RegistryLimits.ts"
import type { RegistryClient } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientMemory from "../../src/registry/memory/RegistryClientMemory.ts"

export const SOURCE = "source.test"
export const DESTINATION = "dest.test"

export interface RegistriesOptions extends Omit<RegistryClientMemory.RegistryClientMemoryOptions, "onRequest"> {
  /** The registry of the source. Default: source.test. */
  readonly sourceName?: string
}

/** Two registries in memory and their requests. The destination is dest.test. */
export const makeRegistries = ({ sourceName = SOURCE, ...options }: RegistriesOptions = {}) => {
  const registries = RegistryClientMemory.registriesOf(sourceName, DESTINATION)
  const requests: Array<string> = []
  const store = (name: string) => {
    const found = registries.get(name)
    if (found === undefined) throw new Error(`no registry ${name}`)
    return found
  }
  return {
    source: store(sourceName),
    destination: store(DESTINATION),
    requests,
    layer: RegistryClientMemory.layer(registries, { ...options, onRequest: (request) => requests.push(request) })
  }
}

export type Registries = ReturnType<typeof makeRegistries>

/** The layers of registries, in memory or not. */
interface RegistriesLayer {
  readonly layer: Layer.Layer<RegistryClient | RegistryLimits>
}

/** A copy engine that may use each of the operator's services. */
export type EngineLayer = Layer.Layer<
  CopyEngine,
  never,
  KubeClient | RegistryClient | RegistryLimits | Credentials | Policy | CopyLimits
>

/** The parts of an operator that differ from the default. */
export interface Parts {
  /** Default: copies in this process. */
  readonly engine?: EngineLayer
  /** Default: the limits of users. */
  readonly limits?: CopyLimitsOptions
  /** Default: no credentials. */
  readonly credentials?: Layer.Layer<Credentials, never, KubeClient>
  /** Default: no policy. */
  readonly policy?: Layer.Layer<Policy>
  /** Default: no Events. */
  readonly events?: Layer.Layer<ImageEvents, never, KubeClient | Metrics>
  /** Default: an API server in memory. */
  readonly kube?: Layer.Layer<KubeClient>
  /** Default: the options of users. */
  readonly options?: Operator.OperatorOptions
}

/** The layers below the operator: registries, credentials, limits and the API server. */
const surroundings = (registries: RegistriesLayer["layer"], parts: Parts) =>
  Layer.mergeAll(
    registries,
    parts.credentials ?? Credentials.layerAnonymous,
    parts.policy ?? Policy.layerNone,
    CopyLimits.layer(parts.limits),
    parts.events ?? ImageEvents.layerNone
  ).pipe(Layer.provideMerge(Metrics.layer), Layer.provideMerge(parts.kube ?? KubeClientMemory.layer()))

/** The layers of a single reconcile: all but the controller. */
export const reconcilerLayer = ({ layer }: RegistriesLayer, parts: Parts = {}) =>
  Reconciler.layer.pipe(
    Layer.provideMerge(DestinationClaims.layerNone),
    Layer.provideMerge(parts.engine ?? DirectEngine.layer),
    Layer.provideMerge(surroundings(layer, parts))
  )

/** The layers of the operator, as in a cluster and without one. */
export const operatorLayer = ({ layer }: RegistriesLayer, parts: Parts = {}) =>
  Operator.layer(parts.engine ?? DirectEngine.layer, parts.options).pipe(Layer.provideMerge(surroundings(layer, parts)))

/** The layers of one of several operators, as in a cluster. */
export const candidateLayer = ({ layer }: RegistriesLayer, parts: Parts, election: LeaderElectionOptions) =>
  LeaderElection.layer(Operator.writers(parts.engine ?? DirectEngine.layer, parts.options), election).pipe(
    Layer.provideMerge(ImageStore.layer(parts.options)),
    Layer.provideMerge(surroundings(layer, parts))
  )

/** An engine that treats signatures as plain tags, as Skopeo does, and reads no manifests in this process. */
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

/** The status of a condition and its reason, such as `False NoTagMatches`. Empty for a missing condition. */
export const conditionText = (image: Image, type: string): string => {
  const found = image.status.conditions?.find((condition) => condition.type === type)
  return found === undefined ? "" : `${found.status} ${found.reason}`
}
