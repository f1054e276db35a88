/**
 * Faults that the operator once had, put back by another copy engine, API server client or limits. Each shows that the simulation
 * finds the fault.
 */
import { Effect, Layer, Option, Stream } from "effect"
import { CopyEngine, CopyEngineError } from "../../src/copy/CopyEngine.ts"
import { type Copy, isFinished } from "../../src/domain/Copy.ts"
import { KubeClient, KubeError, type WatchEvent } from "../../src/kube/KubeClient.ts"
import type { KubeObject, Resource } from "../../src/kube/Resource.ts"
import { Images, Jobs, Pods } from "../../src/kube/Resources.ts"
import type { EngineLayer } from "../support/world.ts"
import type { OracleName } from "./oracles/names.ts"
import type { Parts } from "./Process.ts"
import type { Engine } from "./Shape.ts"
import { PASSWORD } from "./World.ts"

type EngineService = CopyEngine["Service"]
type KubeService = KubeClient["Service"]

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

/** While a copy runs, `changes` has its Image again and again. */
const announcingForEver = (engine: EngineService): EngineService => ({
  ...engine,
  changes: Stream.flatMap(
    engine.changes,
    (image) =>
      Stream.concat(
        Stream.succeed(image),
        Stream.fromEffectRepeat(Effect.delay(Effect.orDie(engine.copies(image)), "150 millis")).pipe(
          Stream.takeWhile((copies) => copies.some((copy) => !isFinished(copy))),
          Stream.map(() => image)
        )
      ),
    { concurrency: "unbounded" }
  )
})

/** If another Image's copy writes one tag, the whole reconcile fails. */
const refusingAll = (engine: EngineService): EngineService => ({
  ...engine,
  start: (task) =>
    Effect.catchTag(engine.start(task), "CopyRefused", ({ detail, reason }) =>
      Effect.fail(new CopyEngineError({ detail, reason }))
    )
})

const cancellingNo =
  (state: Copy["state"]["_tag"]) =>
  (engine: EngineService): EngineService => ({
    ...engine,
    cancel: (copy) => (copy.state._tag === state ? Effect.void : engine.cancel(copy))
  })

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

/** Finished copies are never released. */
const releasingNothing = (engine: EngineService): EngineService => ({ ...engine, release: () => Effect.void })

/** The mutants by name. */
export const MUTANTS: Readonly<Record<string, Mutant>> = {
  B1: {
    fault: "an Image is reconciled without a pause while a copy is under way",
    oracle: "hotLoop",
    engine: "job",
    seed: 5,
    parts: { engine: engineOf(announcingForEver) }
  },
  B2: {
    fault: "a waiting copy overwrites a tag that appeared meanwhile",
    oracle: "neverOverwritten",
    engine: "job",
    seed: 10,
    parts: { engine: engineOf(overwriting) }
  },
  B3: {
    fault: "a busy tag delays the later tags of its Image",
    oracle: "heldBack",
    engine: "direct",
    seed: 7,
    parts: { engine: engineOf(refusingAll) }
  },
  B5: {
    fault: "waiting copies of a suspended Image start",
    oracle: "suspended",
    engine: "job",
    seed: 14,
    parts: { engine: engineOf(cancellingNo("Waiting")) }
  },
  B8: {
    fault: "a deleted Image is still reconciled",
    oracle: "idle",
    engine: "direct",
    seed: 5,
    parts: { kube: kubeOf(withGhosts) }
  },
  B9: {
    fault: "a deleted Job counts as running for ever",
    oracle: "settled",
    engine: "job",
    seed: 1,
    parts: { kube: kubeOf(withPhantomJobs) }
  },
  B10: {
    fault: "more copies run at once than the limits allow",
    oracle: "limits",
    engine: "job",
    seed: 1,
    parts: { limits: { total: 40, perRegistry: 40 } }
  },
  B12: {
    fault: "a running copy with earlier platforms continues",
    oracle: "asked",
    engine: "job",
    seed: 5,
    parts: { engine: engineOf(cancellingNo("Running")) }
  },
  strays: {
    fault: "a pod counts as gone when its deletion begins, and the next Job for its tag starts",
    oracle: "strays",
    engine: "job",
    seed: 98,
    parts: { kube: kubeOf(hidingDeletedPods) }
  },
  secret: {
    fault: "the failure of a copy repeats a password",
    oracle: "secrets",
    engine: "direct",
    seed: 3,
    parts: { engine: engineOf(tellingSecrets) }
  },
  leak: {
    fault: "finished copies are never released",
    oracle: "orphans",
    engine: "direct",
    seed: 1,
    parts: { engine: engineOf(releasingNothing) }
  }
}
