/** Judges one long list of tags at a time. The verdicts on the longest list take some 40 MB of the heap. */
import { Context, Effect, PartitionedSemaphore } from "effect"
import { RequestedFor } from "../../registry/limits/RegistryLimits.ts"

/** The most tags of a list that is judged without waiting. The verdicts on such a list take some 3 MB. */
const SHORT = 10_000

/** All checks of the process share one heap. */
const LongLists = Context.Reference("skopeo-operator/check/LongLists", {
  defaultValue: () => PartitionedSemaphore.makeUnsafe<string>({ permits: 1 })
})

/** Waits until no other long list is judged. Namespaces alternate. The work must make no request. */
export const oneLongList =
  (tags: number) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    tags <= SHORT
      ? work
      : Effect.flatMap(LongLists, (lists) => Effect.flatMap(RequestedFor, (owner) => lists.withPermit(owner)(work)))
