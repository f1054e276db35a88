/** How many copies run at once: in all, and per registry; fair between namespaces. */
import { Context, Effect, Layer, PartitionedSemaphore, RcMap, Semaphore } from "effect"
import type { CopyTask } from "../domain/Copy.ts"

export interface CopyLimitsOptions {
  /** Copies at once. Default 10. */
  readonly total?: number
  /** Copies at once that read from or write to one registry. Default 4. */
  readonly perRegistry?: number
}

export class CopyLimits extends Context.Service<
  CopyLimits,
  {
    /** Runs a copy when there is room for it. */
    readonly withRoom: (task: CopyTask) => <A, E, R>(copy: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    /** What a copy waits for, in a user's words. */
    readonly reason: string
  }
>()("skopeo-operator/copy/CopyLimits") {
  static readonly layer = (options: CopyLimitsOptions = {}): Layer.Layer<CopyLimits> =>
    Layer.effect(
      CopyLimits,
      Effect.gen(function* () {
        const total = options.total ?? 10
        const perRegistry = options.perRegistry ?? 4
        const all = yield* PartitionedSemaphore.make<string>({ permits: total })
        const registries = yield* RcMap.make({
          lookup: (_registry: string) => Semaphore.make(perRegistry),
          idleTimeToLive: "1 minute"
        })
        const within =
          (registry: string) =>
          <A, E, R>(copy: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
            Effect.scoped(Effect.flatMap(RcMap.get(registries, registry), (permits) => permits.withPermit(copy)))
        return {
          withRoom: (task) => (copy) =>
            // Registries first and in one order: whoever waits for a busy registry holds no place of the others, and
            // no two wait for each other.
            [...new Set([task.source.repository.registry, task.destination.repository.registry])]
              .sort()
              .reduceRight(
                (inner, registry) => within(registry)(inner),
                PartitionedSemaphore.withPermit(all, task.image.namespace)(copy)
              ),
          reason: `waits for one of ${total} copies at once, ${perRegistry} per registry`
        }
      })
    )
}
