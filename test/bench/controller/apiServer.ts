/** The API server of KUBECONFIG: a client, watches, namespaces of a run, and the CustomResourceDefinition. */
import { Deferred, Effect, type Scope, Stream } from "effect"
import type { ImageStatus } from "../../../src/domain/Image.ts"
import { conditionOf } from "../../../src/domain/Image.ts"
import { readStoredImage } from "../../../src/domain/StoredImage.ts"
import type { KubeClient, ListScope } from "../../../src/kube/KubeClient.ts"
import { listWatchAs } from "../../../src/kube/ListWatch.ts"
import type { KubeObject, Resource } from "../../../src/kube/Resource.ts"
import { Images } from "../../../src/kube/Resources.ts"
import { apply, kubectl, run } from "../../support/cluster.ts"
import * as Milestones from "./milestones.ts"

/** Follows the objects of a scope until the Scope closes. Existing objects have been seen when this effect ends. */
export const follow = Effect.fnUntraced(function* <A extends KubeObject, B>(
  resource: Resource<A>,
  scope: ListScope,
  keep: (object: A) => B,
  seen: (value: B) => Effect.Effect<void>
): Effect.fn.Return<void, never, KubeClient | Scope.Scope> {
  const listed = yield* Deferred.make<void>()
  yield* listWatchAs(resource, scope, keep).pipe(
    Stream.runForEach((event) => {
      if (event._tag === "Deleted") return Effect.void
      if (event._tag === "Applied") return seen(event.object)
      return Effect.andThen(Effect.forEach(event.objects, seen, { discard: true }), Deferred.succeed(listed, undefined))
    }),
    Effect.forkScoped
  )
  yield* Deferred.await(listed)
})

/** When each Image of a namespace was checked first and was Ready first, by name. */
export interface ImageMilestones {
  readonly checked: Milestones.Milestones
  readonly ready: Milestones.Milestones
}

export const followImages = Effect.fnUntraced(function* (namespace: string) {
  const [checked, ready] = [Milestones.make(), Milestones.make()]
  yield* follow(
    Images,
    { namespace },
    (object) => {
      const { name, status } = readStoredImage(object)
      return { name, isChecked: status.lastCheckedAt !== undefined, isReady: isReady(status) }
    },
    ({ isChecked, isReady, name }) =>
      Effect.andThen(isChecked ? checked.reached(name) : Effect.void, isReady ? ready.reached(name) : Effect.void)
  )
  return { checked, ready } satisfies ImageMilestones
})

const isReady = (status: ImageStatus): boolean => conditionOf(status, "Ready")?.status === "True"

/** A namespace that is deleted, with its objects, when the Scope closes. */
export const temporaryNamespace = (object: {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
}): Effect.Effect<string, never, Scope.Scope> => {
  const { name } = object.metadata
  return Effect.acquireRelease(Effect.as(apply(object), name), () =>
    run("kubectl", ["delete", "namespace", name, "--ignore-not-found", "--timeout=600s"])
  )
}

export const plainNamespace = (name: string) =>
  temporaryNamespace({ apiVersion: "v1", kind: "Namespace", metadata: { name } })

const CRD = "images.skopeo.io"

/**
 * Deletes the CustomResourceDefinition at the end if the cluster does not have it now, and has no Images of others then. Gives
 * whether the cluster has it now.
 */
export const withoutTraceOfCrd: Effect.Effect<boolean, never, Scope.Scope> = Effect.acquireRelease(
  Effect.map(kubectl("get", "crd", CRD, "--ignore-not-found", "-o", "name"), (text) => text.trim() !== ""),
  Effect.fnUntraced(function* (existed) {
    if (existed) return
    const images = yield* run("kubectl", ["get", "images", "--all-namespaces", "-o", "name"])
    if (images.stdout.trim() === "") {
      yield* run("kubectl", ["delete", "crd", CRD, "--ignore-not-found", "--timeout=120s"])
    }
  })
)

/** Creates the CustomResourceDefinition if the cluster does not have it, until the Scope closes. */
export const crd: Effect.Effect<void, never, Scope.Scope> = Effect.gen(function* () {
  if (yield* withoutTraceOfCrd) return
  yield* kubectl("apply", "-f", "crds/skopeo.io_images.yaml")
  yield* kubectl("wait", "--for=condition=Established", `crd/${CRD}`, "--timeout=30s")
})
