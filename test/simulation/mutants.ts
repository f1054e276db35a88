/**
 * Faults that the operator once had, put back from outside: a copy engine, an API server or limits that are not the product's
 * own. Each shows that the simulation would notice.
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

/** A watch that never tells that an object is gone. */
const withoutDeletions = <A>(watch: Stream.Stream<WatchEvent<A>, KubeError>) =>
  Stream.filter(watch, ({ type }) => type !== "DELETED")

const isOf = (resource: Resource<KubeObject>, { plural }: { readonly plural: string }): boolean =>
  resource.plural === plural

export interface Mutant {
  /** What is wrong with the operator. */
  readonly fault: string
  /** Which oracle has to find that. */
  readonly oracle: OracleName
  readonly engine: Engine
  /** A seed whose world shows it. */
  readonly seed: number
  readonly parts: Parts
}

/** The name that a copy has in all its attempts. */
const tagOf = ({ destination, tag }: Pick<Copy, "destination" | "tag">): string =>
  `${destination.repository.registry}/${destination.repository.path}:${tag}`

/** Copies that pass over whether a tag has come meanwhile, and are not ended when it has. */
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

/** While a copy is under way its Image is announced again and again. */
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

/** One tag that another Image's copy writes ends the whole reconcile. */
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

/** An Image that is gone is not told to be, and the refusal of its status looks like an accident. */
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

/** A Job that is gone is seen for ever, as it was last. */
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

/** A pod that is being deleted is taken for gone. */
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

/** Why a copy has failed is told with what it was given. */
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

/** What a copy has ended with is never forgotten. */
const releasingNothing = (engine: EngineService): EngineService => ({ ...engine, release: () => Effect.void })

/** By the marks of an old audit where there are such. */
export const MUTANTS: Readonly<Record<string, Mutant>> = {
  B1: {
    fault: "an Image is reconciled without a pause while a copy is under way",
    oracle: "hotLoop",
    engine: "job",
    seed: 5,
    parts: { engine: engineOf(announcingForEver) }
  },
  B2: {
    fault: "a copy that waited overwrites a tag that came meanwhile",
    oracle: "neverOverwritten",
    engine: "job",
    seed: 10,
    parts: { engine: engineOf(overwriting) }
  },
  B3: {
    fault: "a tag that is busy keeps the later tags of its Image back",
    oracle: "heldBack",
    engine: "direct",
    seed: 7,
    parts: { engine: engineOf(refusingAll) }
  },
  B5: {
    fault: "copies of a suspended Image that wait for a place go on",
    oracle: "suspended",
    engine: "job",
    seed: 14,
    parts: { engine: engineOf(cancellingNo("Waiting")) }
  },
  B8: {
    fault: "an Image that is gone lives on",
    oracle: "idle",
    engine: "direct",
    seed: 5,
    parts: { kube: kubeOf(withGhosts) }
  },
  B9: {
    fault: "a Job that was deleted is believed to run for ever",
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
    fault: "a copy goes on that brings other platforms than are asked for now",
    oracle: "asked",
    engine: "job",
    seed: 5,
    parts: { engine: engineOf(cancellingNo("Running")) }
  },
  strays: {
    fault: "a pod that is being deleted is taken for gone, and the next Job for its tag begins",
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
    fault: "copies that have ended are never forgotten",
    oracle: "orphans",
    engine: "direct",
    seed: 1,
    parts: { engine: engineOf(releasingNothing) }
  }
}
