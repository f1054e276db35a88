/** All Images that the operator follows, with indexes. Each version of an Image is decoded once. */
import { Context, Layer } from "effect"
import { writesCompanions } from "../domain/Claim.ts"
import type { MirrorDefaults } from "../domain/Mirror.ts"
import { readStoredImage, type StoredImage } from "../domain/StoredImage.ts"
import type { KubeClient, ListScope } from "../kube/KubeClient.ts"
import { type ImageObject, Images } from "../kube/Resources.ts"
import * as Store from "../kube/Store.ts"

/**
 * The indexes of the store:
 * - `source` and `destination`: repositories in their full form, such as `docker.io/library/node`
 * - `destinationTag`: `repository:tag`, for Images that write one tag
 * - `destinationListing`: the repository, for Images with a pattern or a range
 * - `destinationCompanions`: the repository, for Images that write companion tags
 * - `namespace`: namespaces
 *
 * An Image with an unreadable spec is in the index `namespace` only.
 */
export type ImageIndex =
  "source" | "destination" | "destinationTag" | "destinationListing" | "destinationCompanions" | "namespace"

/** The text of the index `destinationTag`. */
export const destinationTagOf = (destination: string, tag: string): string => `${destination}:${tag}`

/** The store's scopes, and the defaults for fields that an Image leaves out. */
export interface ImageStoreOptions extends MirrorDefaults {
  /** The scopes in which Images are followed. Two scopes must not share a namespace. Default: all namespaces. */
  readonly scopes?: ReadonlyArray<ListScope>
}

/**
 * A {@link Store.Store} of all Images by `namespace/name`: readable ones with their `Mirror`, others with their problems.
 *
 * @example
 * ```ts
 * import { Console, Effect, Stream } from "effect"
 * import { ImageStore } from "skopeo-operator"
 *
 * const watch = Effect.flatMap(ImageStore, ({ changes }) =>
 *   Stream.runForEach(changes, ({ after, key }) => Console.log(key, after === undefined ? "deleted" : "changed"))
 * )
 * ```
 */
export class ImageStore extends Context.Service<ImageStore, Store.Store<ImageObject, StoredImage, ImageIndex>>()(
  "skopeo-operator/controller/ImageStore"
) {
  /** Lists and watches Images for as long as its scope. Fails with `OverlappingScopes` if two scopes share a namespace. */
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
          destinationTag: (image) =>
            image._tag === "Readable" && image.destinationTag !== undefined
              ? [destinationTagOf(image.destination, image.destinationTag)]
              : [],
          destinationListing: (image) =>
            image._tag === "Readable" && image.destinationTag === undefined ? [image.destination] : [],
          destinationCompanions: (image) =>
            image._tag === "Readable" && writesCompanions(image) ? [image.destination] : [],
          namespace: ({ namespace }) => [namespace]
        }
      })
    )
}
