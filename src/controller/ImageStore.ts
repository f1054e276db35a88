/** All Images that the operator follows, each read once for each of its versions, with indexes. */
import { Context, Layer } from "effect"
import type { MirrorDefaults } from "../domain/Mirror.ts"
import { readStoredImage, type StoredImage } from "../domain/StoredImage.ts"
import type { KubeClient, ListScope } from "../kube/KubeClient.ts"
import { type ImageObject, Images } from "../kube/Resources.ts"
import * as Store from "../kube/Store.ts"

/**
 * The indexes: `source` and `destination` are repositories, such as `docker.io/library/node`. An Image whose
 * spec cannot be read has neither.
 */
export type ImageIndex = "source" | "destination" | "namespace"

export interface ImageStoreOptions extends MirrorDefaults {
  /** Where Images are followed; no two scopes may have a namespace in common. Default: everywhere. */
  readonly scopes?: ReadonlyArray<ListScope>
}

export class ImageStore extends Context.Service<ImageStore, Store.Store<ImageObject, StoredImage, ImageIndex>>()(
  "skopeo-operator/controller/ImageStore"
) {
  static readonly layer = ({ scopes = [{}], ...defaults }: ImageStoreOptions = {}): Layer.Layer<
    ImageStore,
    Store.OverlappingScopes,
    KubeClient
  > =>
    Layer.effect(
      ImageStore,
      Store.make(Images, {
        scopes,
        decode: (object) => readStoredImage(object, defaults),
        indexes: {
          source: (image) => (image._tag === "Readable" ? [image.source] : []),
          destination: (image) => (image._tag === "Readable" ? [image.destination] : []),
          namespace: ({ namespace }) => [namespace]
        }
      })
    )
}
