/** An API server whose answers to lists and watches a test gives. Any other call is a defect. */
import { Effect, Layer, Schema, Stream } from "effect"
import {
  KubeClient,
  type KubeError,
  type ListPage,
  type ListScope,
  type WatchEvent
} from "../../src/kube/KubeClient.ts"
import type { KubeObject, Resource } from "../../src/kube/Resource.ts"

export interface ScriptedKube<A extends KubeObject> {
  readonly list: (
    scope: ListScope & { readonly limit?: number; readonly continue?: string }
  ) => Effect.Effect<ListPage<A>, KubeError>
  readonly watch: (scope: ListScope & { readonly resourceVersion?: string }) => Stream.Stream<WatchEvent<A>, KubeError>
}

/** Objects arrive by the schema of their resource, as those of an API server do. */
const arriving = <A extends KubeObject>({ schema }: Resource<A>, object: KubeObject): A =>
  Schema.decodeUnknownSync(schema)(object)

export const layer = <A extends KubeObject>({ list, watch }: ScriptedKube<A>): Layer.Layer<KubeClient> =>
  Layer.mock(KubeClient, {
    list: (resource, scope) =>
      Effect.map(list(scope), ({ items, ...page }) => ({
        ...page,
        items: items.map((object) => arriving(resource, object))
      })),
    watch: (resource, scope) =>
      Stream.map(watch(scope), (event) =>
        event.type === "BOOKMARK" || event.type === "ERROR"
          ? event
          : { ...event, object: arriving(resource, event.object) }
      )
  })
