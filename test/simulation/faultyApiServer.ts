/** The API server as the operator's process sees it: slow, failing, away, or with a kill of the process during a call. */
import { Effect, Layer, Stream } from "effect"
import { KubeClient, KubeError, type WatchEvent } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Images } from "../../src/kube/Resources.ts"
import type { OperatorProcess } from "./OperatorProcess.ts"
import { count, type World } from "./World.ts"

type Service = KubeClient["Service"]

const failure = (operation: string, code: number, reason: string): KubeError =>
  new KubeError({ operation, code, reason, detail: "injected by the simulation" })

const WRITES: ReadonlySet<string> = new Set(["create", "apply", "applyStatus", "patch", "delete"])

/** A client of the world's API server, for one process of the operator. */
export const layer = (world: World, process: OperatorProcess): Layer.Layer<KubeClient> =>
  Layer.effect(KubeClient, Effect.map(KubeClient, decorate(world, process))).pipe(
    Layer.provide(KubeClientMemory.layer({ store: world.apiServer }))
  )

const decorate =
  (world: World, process: OperatorProcess) =>
  (inner: Service): Service => {
    const chance = world.chance(`API server of ${process.identity}`)

    const latency = (): number => {
      if (world.has("slowness") && chance.happens(0.02)) return chance.between(1_000, 40_000)
      return world.has("latency") && chance.happens(0.3) ? chance.between(2, 400) : 2
    }

    const errorOf = (operation: string): KubeError =>
      chance.oneOf(
        failure(operation, 0, "Unreachable"),
        failure(operation, 429, "TooManyRequests"),
        failure(operation, 500, "InternalError"),
        failure(operation, 503, "ServiceUnavailable")
      )

    /** A call with faults: the request, its execution and the answer may each fail. */
    const call = <A>(
      method: string,
      plural: string,
      name: string,
      made: Effect.Effect<A, KubeError>
    ): Effect.Effect<A, KubeError> =>
      Effect.suspend(() => {
        const operation = `${method} ${plural} ${name}`.trim()
        const half = Math.ceil(latency() / 2)
        const isWrite = WRITES.has(method)
        const fails = world.has("errors") && chance.happens(0.06)
        const isLost = fails && chance.happens(0.5)
        const conflicts = method === "applyStatus" && world.has("conflicts") && chance.happens(0.05)
        const dies = isWrite && world.has("kills") && chance.happens(0.006) ? chance.oneOf("before", "after") : "never"
        const death = (when: string) =>
          Effect.andThen(
            Effect.sync(() => world.endProcess(process, "Kill", `${when} ${operation}`)),
            Effect.never
          )
        return Effect.gen(function* () {
          if (!process.isAlive) return yield* Effect.never
          yield* Effect.sleep(half)
          if (world.isAway) return yield* failure(operation, 0, "Unreachable")
          if (dies === "before") return yield* death("before")
          if (fails && !isLost) return yield* errorOf(operation)
          if (conflicts) return yield* failure(operation, 409, "Conflict")
          const answer = yield* made
          if (dies === "after") return yield* death("after")
          yield* Effect.sleep(half)
          return isLost || world.isAway ? yield* failure(operation, 0, "Unreachable") : answer
        })
      })

    const fate = <A>(event: WatchEvent<A>): Stream.Stream<WatchEvent<A>, KubeError> =>
      Stream.unwrap(
        Effect.gen(function* () {
          if (world.isAway) return Stream.fail(failure("watch", 0, "Unreachable"))
          if (!world.has("watches")) return Stream.succeed(event)
          if (chance.happens(0.1)) yield* Effect.sleep(chance.between(1, 5_000))
          if (chance.happens(0.02)) return Stream.fail(failure("watch", 410, "Expired"))
          if (chance.happens(0.04)) return Stream.fail(failure("watch", 0, "Unreachable"))
          if (chance.happens(0.02)) return Stream.fail(failure("watch", 0, "ENDED"))
          return chance.happens(0.05) ? Stream.make(event, event) : Stream.succeed(event)
        })
      )

    return {
      get: (resource, name) => call("get", resource.plural, name.name, inner.get(resource, name)),
      list: (resource, scope) => call("list", resource.plural, "", inner.list(resource, scope)),
      create: (resource, object) =>
        call("create", resource.plural, object.metadata.name, inner.create(resource, object)),
      apply: (resource, object, manager) =>
        call("apply", resource.plural, object.metadata.name, inner.apply(resource, object, manager)),
      applyStatus: (resource, object, manager) =>
        call(
          "applyStatus",
          resource.plural,
          object.metadata.name,
          Effect.tap(inner.applyStatus(resource, object, manager), () =>
            Effect.sync(() => {
              if (resource.plural !== Images.plural) return
              count(world.counters.statusWrites, `${object.metadata.namespace}/${object.metadata.name}`)
            })
          )
        ),
      update: (resource, object) =>
        call("update", resource.plural, object.metadata.name, inner.update(resource, object)),
      patch: (resource, name, patch, manager) =>
        call("patch", resource.plural, name.name, inner.patch(resource, name, patch, manager)),
      delete: (resource, name, options) =>
        call("delete", resource.plural, name.name, inner.delete(resource, name, options)),
      watch: (resource, scope) =>
        Stream.unwrap(Effect.as(call("watch", resource.plural, "", Effect.void), inner.watch(resource, scope))).pipe(
          Stream.interruptWhen(Effect.andThen(world.outage.await, Effect.fail(failure("watch", 0, "Unreachable")))),
          Stream.flatMap(fate),
          Stream.catchIf(
            ({ reason }) => reason === "ENDED",
            () => Stream.empty
          )
        )
    }
  }
