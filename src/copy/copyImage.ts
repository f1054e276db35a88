/** Copies one image from registry to registry: first blobs, then manifests, an index after its children, and the tag last. */
import { Effect, Option } from "effect"
import type { CopyProgress } from "../domain/Copy.ts"
import type { ImageKey } from "../domain/ImageKey.ts"
import type { BlobDescriptor } from "../oci/Manifest.ts"
import type { Platform } from "../oci/Platform.ts"
import { subsetAt } from "./PlatformSubset.ts"
import { RegistryClient } from "../registry/RegistryClient.ts"
import { onSide, type RegistryError } from "../registry/RegistryError.ts"
import type { OnBytes } from "./BlobPlacement.ts"
import { type CompanionClaimed, copyReferrers } from "./copyReferrers.ts"
import { type CopyTools, type Ends, gather, placeBlobs, writeChildren } from "./ImageContent.ts"

/** An image, its two ends, and the parts to copy. */
export interface CopyImageOptions extends Ends {
  /** The digest of the source's manifest or index, `sha256:…`. */
  readonly digest: string
  /** The tag to write at the destination. */
  readonly tag: string
  /** The platforms to copy. Default: all. */
  readonly platforms?: ReadonlyArray<Platform>
  /** Whether an existing tag of the destination is kept. Default false. */
  readonly onlyIfMissing?: boolean
  /** Whether the image's referrers (signatures, SBOMs, attestations) are copied before the tag. Default false. */
  readonly referrers?: boolean
  /** The owner of the destination's companion tags, if those that exist must not change. Default: they are replaced. */
  readonly companionOwner?: ImageKey
  /** Wraps the part that reads the source's manifests. A caller may thus read one image at a time. */
  readonly whileReading?: <A, E, R>(reading: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Whether another copy counts a blob already. Called once for each blob of the image. Default: none does. */
  readonly isShared?: (blob: BlobDescriptor) => boolean
  /** Called when more bytes have arrived at the destination. */
  readonly onProgress?: (progress: CopyProgress) => void
}

/** The digest of the tag after the copy: of the image that was written, or of an image that stays because of `onlyIfMissing`. */
export interface Tagged {
  readonly _tag: "Written" | "Present"
  /** `sha256:…` */
  readonly digest: string
}

/**
 * Copies an image. Afterwards the destination has the same bytes under the same digests. After a failure or an interrupt the
 * tag is as before; blobs and manifests without a tag may stay. Gives the digest that the tag names afterwards.
 */
export const copyImage = Effect.fnUntraced(function* (
  tools: CopyTools,
  options: CopyImageOptions
): Effect.fn.Return<Tagged, RegistryError | CompanionClaimed> {
  const { blobs, client } = tools
  const { companionOwner, destination, digest, missing, source, tag } = options
  const { platforms = [], whileReading = (reading) => reading } = options
  const content = yield* whileReading(
    subsetAt(source, digest, platforms).pipe(
      Effect.provideService(RegistryClient, client),
      onSide("source"),
      Effect.flatMap((root) => gather(tools, source, root))
    )
  )
  const { root } = content

  const own = [content.root, ...content.children, ...content.blobs].reduce((sum, { size }) => sum + size, 0)
  let total = own
  const { isShared = () => false } = options
  const sharedBlobs = new Map(content.blobs.filter(isShared).map(({ digest, size }) => [digest, size]))
  const shared = { done: 0, total: [...sharedBlobs.values()].reduce((sum, size) => sum + size, 0) }
  let done = 0
  let sent = 0
  const report = () =>
    options.onProgress?.({ done, total, sent, ...(shared.total === 0 ? {} : { shared: { ...shared } }) })
  const arrived: OnBytes = (bytes, wasSent) => {
    done += bytes
    if (wasSent) sent += bytes
    report()
  }
  const arrivedOf = ({ digest }: BlobDescriptor): OnBytes =>
    sharedBlobs.has(digest)
      ? (bytes, wasSent) => {
          shared.done += bytes
          arrived(bytes, wasSent)
        }
      : arrived
  /** The bytes of referrers are not in the total before they arrive. */
  const arrivedOfReferrer: OnBytes = (bytes, wasSent) => {
    total += bytes
    arrived(bytes, wasSent)
  }

  const attempt = Effect.fnUntraced(function* (ends: Ends) {
    done = 0
    shared.done = 0
    total = own
    report()
    yield* placeBlobs(tools, ends, content, arrivedOf)
    yield* writeChildren(tools, ends, content, arrived)
    if (options.referrers === true) {
      // The referrers of a whole index are not referrers of an index without some of its platforms.
      const whole = root.digest === digest ? [root] : []
      const subjects = [...whole, ...content.children].map((manifest) => manifest.digest)
      yield* copyReferrers(tools, { ...ends, companionOwner }, subjects, arrivedOfReferrer)
    }
    // No registry has a conditional write of tags, so the copy requests the tag right before the write.
    const existing =
      options.onlyIfMissing === true ? yield* onSide("destination")(client.head(destination, tag)) : Option.none()
    if (Option.isNone(existing)) yield* onSide("destination")(client.putManifest(destination, tag, content.root))
    arrived(content.root.size, Option.isNone(existing))
    return Option.match(existing, {
      onNone: (): Tagged => ({ _tag: "Written", digest: content.root.digest }),
      onSome: ({ digest }): Tagged => ({ _tag: "Present", digest })
    })
  })

  // A registry refuses a manifest whose blobs it lacks. A trusted fact about a blob was then wrong, and the copy starts over
  // without such facts.
  return yield* attempt({ source, destination, ...(missing === undefined ? {} : { missing }) }).pipe(
    Effect.catchIf(
      (error) => error._tag === "RegistryError" && error.side === "destination" && error.reason._tag === "PushRefused",
      () => Effect.andThen(blobs.forget(destination), attempt({ source, destination }))
    )
  )
})
