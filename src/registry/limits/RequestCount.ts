/** Counts the requests that registries have answered. */
import { Context, Effect, Layer } from "effect"
import type { RegistryObserver } from "./RegistryLimits.ts"

/** The number of requests that registries have answered, by the registry's name in Images. */
export class RequestCount extends Context.Service<
  RequestCount,
  {
    readonly observer: RegistryObserver
    readonly counts: Effect.Effect<ReadonlyMap<string, number>>
  }
>()("skopeo-operator/registry/RequestCount") {
  static readonly layer: Layer.Layer<RequestCount> = Layer.sync(RequestCount, () => {
    const counts = new Map<string, number>()
    return RequestCount.of({
      observer: {
        answered: (registry, _method, code) => {
          if (code !== "none") counts.set(registry, (counts.get(registry) ?? 0) + 1)
        },
        quota: () => {},
        held: () => {}
      },
      counts: Effect.sync(() => new Map(counts))
    })
  })
}
