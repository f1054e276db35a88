/** Follows the objects of a cluster from a test, with the operator's own client. */
import { Clock, Effect, type Scope, Stream } from "effect"
import type { KubeClient } from "../../src/kube/KubeClient.ts"
import { listWatch } from "../../src/kube/ListWatch.ts"
import type { KubeObject, Resource } from "../../src/kube/Resource.ts"
import { live } from "./cluster.ts"
import { kubeClient } from "./kubeClient.ts"

/** Runs a test with the client of the cluster that KUBECONFIG names. */
export const withClient = <A>(effect: Effect.Effect<A, unknown, KubeClient | Scope.Scope>) =>
  live(Effect.provide(effect, kubeClient))

/** A version of an object that the watch has brought. */
export interface Change<A> {
  /** The time when the watch brought the version, in milliseconds since the epoch. */
  readonly at: number
  readonly isDeleted: boolean
  readonly object: A
}

/** Collects the versions of a namespace's objects from now on. `onChange` is called after each one. */
export const follow = Effect.fnUntraced(function* <A extends KubeObject>(
  resource: Resource<A>,
  namespace: string,
  onChange: () => void = () => undefined
) {
  const changes: Array<Change<A>> = []
  yield* listWatch(resource, { namespace }).pipe(
    Stream.runForEach((event) =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        const objects = event._tag === "Replaced" ? event.objects : [event.object]
        for (const object of objects) {
          changes.push({ at, isDeleted: event._tag === "Deleted", object })
          onChange()
        }
      })
    ),
    Effect.forkScoped
  )
  return changes
})
