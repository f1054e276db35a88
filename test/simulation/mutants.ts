/**
 * Faults that the operator once had. Each is put back by another copy engine, API server client, reconciler, store of Images or
 * claims, and shows that the simulation finds the fault.
 */
import { Clock, Effect, Layer, Option, Stream } from "effect"
import { Controller } from "../../src/controller/Controller.ts"
import { DestinationClaims } from "../../src/controller/DestinationClaims.ts"
import { ImageStore } from "../../src/controller/ImageStore.ts"
import { Reconciler } from "../../src/controller/Reconciler.ts"
import { CopyEngine, CopyEngineError } from "../../src/copy/CopyEngine.ts"
import { Policy } from "../../src/credentials/Policy.ts"
import type { Copy } from "../../src/domain/Copy.ts"
import { type ImageKey, keyOf } from "../../src/domain/ImageKey.ts"
import { ReadableImage, type StoredImage } from "../../src/domain/StoredImage.ts"
import { KubeClient, KubeError, type WatchEvent } from "../../src/kube/KubeClient.ts"
import type { KubeObject, Resource } from "../../src/kube/Resource.ts"
import { Images, Jobs, Leases, Pods } from "../../src/kube/Resources.ts"
import { millisOf } from "../../src/text/instant.ts"
import type { EngineLayer } from "../support/world.ts"
import type { OracleName } from "./oracles/names.ts"
import type { ImagesLayer, Parts, WritersLayer } from "./Process.ts"
import type { Engine } from "./Shape.ts"
import { PASSWORD } from "./World.ts"

type EngineService = CopyEngine["Service"]
type KubeService = KubeClient["Service"]
type ReconcilerService = Reconciler["Service"]

const engineOf =
  (change: (engine: EngineService) => EngineService) =>
  (engine: EngineLayer): EngineLayer =>
    Layer.effect(CopyEngine, Effect.map(CopyEngine, change)).pipe(Layer.provide(engine))

const kubeOf =
  (change: (kube: KubeService) => KubeService) =>
  (kube: Layer.Layer<KubeClient>): Layer.Layer<KubeClient> =>
    Layer.effect(KubeClient, Effect.map(KubeClient, change)).pipe(Layer.provide(kube))

/** A watch without deletions. */
const withoutDeletions = <A>(watch: Stream.Stream<WatchEvent<A>, KubeError>) =>
  Stream.filter(watch, ({ type }) => type !== "DELETED")

const isOf = (resource: Resource<KubeObject>, { plural }: { readonly plural: string }): boolean =>
  resource.plural === plural

export interface Mutant {
  /** The fault of the operator. */
  readonly fault: string
  /** The oracle that must find the fault. */
  readonly oracle: OracleName
  readonly engine: Engine
  /** A seed whose world shows the fault. */
  readonly seed: number
  readonly parts: Parts
}

/** The destination of a copy, which is the same in all attempts. */
const tagOf = ({ destination, tag }: Pick<Copy, "destination" | "tag">): string =>
  `${destination.repository.registry}/${destination.repository.path}:${tag}`

/** Copies overwrite a tag that appeared meanwhile, and waiting copies are not cancelled for such a tag. */
const overwriting = (engine: EngineService): EngineService => {
  const guarded = new Set<string>()
  return {
    ...engine,
    start: (task) => {
      if (task.onlyIfMissing) guarded.add(tagOf(task))
      return engine.start({ ...task, onlyIfMissing: false })
    },
    copies: (image) =>
      Effect.map(engine.copies(image), (copies) =>
        copies.map((copy) => (guarded.has(tagOf(copy)) ? { ...copy, onlyIfMissing: true } : copy))
      ),
    cancel: (copy) => (copy.state._tag === "Waiting" ? Effect.void : engine.cancel(copy))
  }
}

/** The writers of the operator with another reconciler or other claims. */
const writersOf =
  ({ claims = DestinationClaims.layer, reconciler = (own) => own }: Replaced) =>
  (engine: EngineLayer): WritersLayer =>
    Controller.layer().pipe(
      Layer.provideMerge(
        Layer.effect(Reconciler, Effect.map(Reconciler, reconciler)).pipe(Layer.provide(Reconciler.layer))
      ),
      Layer.provide(claims),
      Layer.provideMerge(engine)
    )

interface Replaced {
  readonly reconciler?: (reconciler: ReconcilerService) => ReconcilerService
  readonly claims?: typeof DestinationClaims.layer
}

/** When a failed tag of an Image is due, whether or not another copy of the Image still runs. */
const retryOf = ({ status: { failures = [] } }: StoredImage): number =>
  Math.min(...failures.map(({ nextAttemptAt }) => millisOf(nextAttemptAt)))

/** An Image that seems never to have been checked. */
const neverChecked = (image: StoredImage): StoredImage => {
  if (image._tag !== "Readable") return image
  const { createdAt, generation, isDeleting, name, namespace, notices, resourceVersion, uid } = image
  const { lastCheckedAt: _, ...status } = image.status
  const header = { createdAt, generation, isDeleting, name, namespace, notices, resourceVersion, status, uid }
  return new ReadableImage(header, image.spec, image.mirror, {})
}

/** A due failed tag causes a check, although its copy does not start before another copy has ended. */
const checkingForEver = (reconciler: ReconcilerService): ReconcilerService => ({
  ...reconciler,
  reconcile: Effect.fnUntraced(function* (image, changed) {
    const now = yield* Clock.currentTimeMillis
    const retryAt = retryOf(image)
    const reconciled = yield* reconciler.reconcile(retryAt <= now ? neverChecked(image) : image, changed)
    return Number.isFinite(retryAt)
      ? { ...reconciled, next: { _tag: "At", millis: retryAt, why: "Retry" } }
      : reconciled
  })
})

/** Regular checks have no phase of their own: all Images with one frequency are checked at the same times. */
const checkingTogether = (reconciler: ReconcilerService): ReconcilerService => ({
  ...reconciler,
  reconcile: (image, changed) =>
    Effect.map(reconciler.reconcile(image, changed), (reconciled) => {
      const { next } = reconciled
      if (next._tag !== "At" || next.why !== "Interval" || image._tag !== "Readable") return reconciled
      const { frequencyMillis } = image.mirror
      const millis = Math.ceil(next.millis / frequencyMillis) * frequencyMillis
      return { ...reconciled, next: { ...next, millis } }
    })
})

/** An Image whose source seems to be another registry. */
const withOwnSource = (image: StoredImage, registry: string): StoredImage => {
  if (image._tag !== "Readable") return image
  const { source, ...mirror } = image.mirror
  const repository = { ...source.repository, registry }
  return new ReadableImage(image, image.spec, { ...mirror, source: { ...source, repository } }, {})
}

/** Each Image seems to have a source of its own, so that the Images of one registry may have all workers. */
const hidingSources = (images: ImagesLayer): ImagesLayer =>
  Layer.effect(
    ImageStore,
    Effect.map(ImageStore, (store) => ({
      ...store,
      get: (key) =>
        Effect.map(
          store.get(key),
          Option.map((image) => withOwnSource(image, key.replace("/", ".")))
        )
    }))
  ).pipe(Layer.provide(images))

/** All copies seem to be of one namespace, so that they start in the order in which they came. */
const inOneNamespace = (engine: EngineService): EngineService => {
  const names = new Map<string, ImageKey>()
  const merged = <A extends ImageKey>(image: A): A => {
    const name = keyOf(image).replace("/", ".")
    names.set(name, { namespace: image.namespace, name: image.name })
    return { ...image, namespace: "all", name }
  }
  const own = <A extends ImageKey>(image: A): A => ({ ...image, ...names.get(image.name) })
  return {
    ...engine,
    start: (task) => engine.start({ ...task, image: merged(task.image) }),
    copies: (image) =>
      Effect.map(engine.copies(merged(image)), (copies) => copies.map((copy) => ({ ...copy, image: own(copy.image) }))),
    cancel: (copy) => engine.cancel({ ...copy, image: merged(copy.image) }),
    release: (copy) => engine.release({ ...copy, image: merged(copy.image) }),
    changes: Stream.map(engine.changes, own)
  }
}

/** If another Image's copy writes one tag, the whole reconcile fails. */
const refusingAll = (engine: EngineService): EngineService => ({
  ...engine,
  start: (task) =>
    Effect.catchTag(engine.start(task), "CopyRefused", ({ detail, reason }) =>
      Effect.fail(new CopyEngineError({ detail, reason }))
    )
})

const cancellingNo =
  (isSpared: (state: Copy["state"]) => boolean) =>
  (engine: EngineService): EngineService => ({
    ...engine,
    cancel: (copy) => (isSpared(copy.state) ? Effect.void : engine.cancel(copy))
  })

/** Whether a copy has no Job yet. */
const isUnstarted = (state: Copy["state"]): boolean =>
  state._tag === "Waiting" || (state._tag === "Running" && state.isPreparing === true)

/** The watch does not report a deleted Image, and a write of its status fails with 500. */
const withGhosts = (kube: KubeService): KubeService => ({
  ...kube,
  watch: (resource, scope) => {
    const watch = kube.watch(resource, scope)
    return isOf(resource, Images) ? withoutDeletions(watch) : watch
  },
  applyStatus: (resource, object, manager) =>
    Effect.catchIf(
      kube.applyStatus(resource, object, manager),
      ({ reason }) => reason === "NotFound",
      ({ detail, operation }) => Effect.fail(new KubeError({ code: 500, reason: "InternalError", detail, operation }))
    )
})

/** A deleted Job remains visible in its last version. */
const withPhantomJobs = (kube: KubeService): KubeService => {
  const seen = new Map<string, unknown>()
  return {
    ...kube,
    get: <A extends KubeObject>(resource: Resource<A>, name: Parameters<KubeService["get"]>[1]) =>
      Effect.map(kube.get(resource, name), (found): Option.Option<A> => {
        if (!isOf(resource, Jobs)) return found
        if (Option.isSome(found)) seen.set(name.name, found.value)
        return Option.fromUndefinedOr(seen.get(name.name) as A | undefined)
      }),
    create: (resource, object) =>
      Effect.tap(kube.create(resource, object), (created) =>
        Effect.sync(() => {
          if (isOf(resource, Jobs)) seen.set(created.metadata.name, created)
        })
      ),
    watch: (resource, scope) => {
      const watch = kube.watch(resource, scope)
      return isOf(resource, Jobs) ? withoutDeletions(watch) : watch
    }
  }
}

/**
 * A create of a Job without an answer counts as refused, so that its slot is free. The watch shows the Job only when the Job
 * changes.
 */
const losingCreatedJobs = (kube: KubeService): KubeService => ({
  ...kube,
  create: (resource, object) =>
    Effect.mapError(kube.create(resource, object), (error) =>
      isOf(resource, Jobs) && error.reason !== "AlreadyExists"
        ? new KubeError({ code: 422, reason: "Invalid", detail: error.detail, operation: error.operation })
        : error
    ),
  watch: (resource, scope) => {
    const watch = kube.watch(resource, scope)
    return isOf(resource, Jobs) ? Stream.filter(watch, ({ type }) => type !== "ADDED") : watch
  }
})

/** Each process has a Lease of its own, so that both processes work. */
const withOwnLeases = (): ((kube: KubeService) => KubeService) => {
  let processes = 0
  return (kube) => {
    processes += 1
    const suffix = `-${processes}`
    const ownName = <N extends { readonly name: string }>(resource: Resource<KubeObject>, name: N): N =>
      isOf(resource, Leases) ? { ...name, name: name.name + suffix } : name
    return {
      ...kube,
      get: (resource, name) => kube.get(resource, ownName(resource, name)),
      create: (resource, object) => kube.create(resource, { ...object, metadata: ownName(resource, object.metadata) }),
      update: (resource, object) => kube.update(resource, { ...object, metadata: ownName(resource, object.metadata) })
    }
  }
}

/** The watch reports a pod as deleted when its deletion begins. */
const hidingDeletedPods = (kube: KubeService): KubeService => ({
  ...kube,
  list: (resource, scope) =>
    Effect.map(kube.list(resource, scope), (page) => ({
      ...page,
      items: page.items.filter(({ metadata }) => !isOf(resource, Pods) || metadata.deletionTimestamp === undefined)
    })),
  watch: (resource, scope) => {
    const watch = kube.watch(resource, scope)
    if (!isOf(resource, Pods)) return watch
    return Stream.map(watch, (event) =>
      event.type !== "BOOKMARK" && event.type !== "ERROR" && event.object.metadata.deletionTimestamp !== undefined
        ? { ...event, type: "DELETED" as const }
        : event
    )
  }
})

/** The message of a failed copy has the password. */
const tellingSecrets = (engine: EngineService): EngineService => ({
  ...engine,
  copies: (image) =>
    Effect.map(engine.copies(image), (copies) =>
      copies.map((copy) =>
        copy.state._tag === "Failed"
          ? { ...copy, state: { ...copy.state, message: `${copy.state.message} ${PASSWORD}` } }
          : copy
      )
    )
})

/** The changes of the policy are not reported, so that only an Image that is reconciled for another reason is judged again. */
const silentPolicy = (policy: Layer.Layer<Policy>): Layer.Layer<Policy> =>
  Layer.effect(
    Policy,
    Effect.map(Policy, ({ judge, version }) => ({ judge, version, changes: Stream.never }))
  ).pipe(Layer.provide(policy))

/** Finished copies are never released. */
const releasingNothing = (engine: EngineService): EngineService => ({ ...engine, release: () => Effect.void })

/** The mutants by name. */
export const MUTANTS = {
  endlessChecks: {
    fault: "a due failed tag causes check after check while its copy waits for a copy that runs",
    oracle: "hotLoop",
    engine: "job",
    seed: 7,
    parts: { writers: writersOf({ reconciler: checkingForEver }) }
  },
  overwriting: {
    fault: "a waiting copy overwrites a tag that appeared meanwhile",
    oracle: "neverOverwritten",
    engine: "job",
    seed: 5,
    parts: { engine: engineOf(overwriting) }
  },
  busyTag: {
    fault: "a busy tag delays the later tags of its Image",
    oracle: "heldBack",
    engine: "direct",
    seed: 2,
    parts: { engine: engineOf(refusingAll) }
  },
  noClaims: {
    fault: "two Images that ask for different images under one tag overwrite each other's image",
    oracle: "claimed",
    engine: "direct",
    seed: 19,
    parts: { writers: writersOf({ claims: DestinationClaims.layerNone }) }
  },
  startingSuspended: {
    fault: "waiting copies of a suspended Image start",
    oracle: "suspended",
    engine: "job",
    seed: 14,
    parts: { engine: engineOf(cancellingNo(isUnstarted)) }
  },
  oneLane: {
    fault: "the Images of a silent registry have all workers",
    oracle: "settled",
    engine: "direct",
    seed: 8,
    parts: { images: hidingSources }
  },
  unfair: {
    fault: "a namespace with one copy waits for all copies of another namespace at the same registry",
    oracle: "fair",
    engine: "direct",
    seed: 2,
    parts: { engine: engineOf(inOneNamespace) }
  },
  ghosts: {
    fault: "a deleted Image is still reconciled",
    oracle: "idle",
    engine: "direct",
    seed: 1,
    parts: { kube: kubeOf(withGhosts) }
  },
  phantomJobs: {
    fault: "a deleted Job counts as running for ever",
    oracle: "settled",
    engine: "job",
    seed: 1,
    parts: { kube: kubeOf(withPhantomJobs) }
  },
  lostJobs: {
    fault: "a Job whose create had no answer takes no slot",
    oracle: "limits",
    engine: "job",
    seed: 12,
    parts: { kube: kubeOf(losingCreatedJobs) }
  },
  inStep: {
    fault: "the Images of one frequency are all checked at the same times",
    oracle: "spread",
    engine: "direct",
    seed: 8,
    parts: { writers: writersOf({ reconciler: checkingTogether }) }
  },
  oldPlatforms: {
    fault: "a running copy with earlier platforms continues",
    oracle: "asked",
    engine: "job",
    seed: 33,
    parts: { engine: engineOf(cancellingNo(({ _tag }) => _tag === "Running")) }
  },
  strayPods: {
    fault: "a pod counts as gone when its deletion begins, and the next Job for its tag starts",
    oracle: "strays",
    engine: "job",
    seed: 7,
    parts: { kube: kubeOf(hidingDeletedPods) }
  },
  twoLeaders: {
    fault: "two processes work at once",
    oracle: "oneWriter",
    engine: "direct",
    seed: 10,
    parts: { kube: kubeOf(withOwnLeases()) }
  },
  secretTold: {
    fault: "the failure of a copy repeats a password",
    oracle: "secrets",
    engine: "direct",
    seed: 3,
    parts: { engine: engineOf(tellingSecrets) }
  },
  silentPolicy: {
    fault: "an Image is not reconciled when the policy accepts the Image again",
    oracle: "settled",
    engine: "job",
    seed: 16,
    parts: { policy: silentPolicy }
  },
  anyPolicy: {
    fault: "a copy writes to a destination that the policy refuses",
    oracle: "refused",
    engine: "job",
    seed: 1,
    parts: { policy: () => Policy.layerNone }
  },
  keptCopies: {
    fault: "finished copies are never released",
    oracle: "orphans",
    engine: "direct",
    seed: 1,
    parts: { engine: engineOf(releasingNothing) }
  }
} as const satisfies Readonly<Record<string, Mutant>>
export type MutantName = keyof typeof MUTANTS

export const isMutant = (name: string): name is MutantName => Object.hasOwn(MUTANTS, name)
