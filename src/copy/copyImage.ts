/** Copies one image from registry to registry: blobs, then manifests, an index after its children, the tag last. */
import { Effect, Option } from "effect"
import type { CopyProgress } from "../domain/Copy.ts"
import type { Platform } from "../oci/Platform.ts"
import { subsetAt } from "./PlatformSubset.ts"
import { RegistryClient } from "../registry/RegistryClient.ts"
import { onSide, type RegistryError } from "../registry/RegistryError.ts"
import type { OnBytes } from "./BlobPlacement.ts"
import { copyReferrers } from "./copyReferrers.ts"
import { type CopyTools, gather, placeBlobs, type Route, writeChildren } from "./ImageContent.ts"

export interface CopyImageOptions extends Route {
  /** The manifest to copy, `sha256:…`. */
  readonly digest: string
  readonly tag: string
  /** What to copy of it. Default all of it. */
  readonly platforms?: ReadonlyArray<Platform>
  /** Whether the tag is written only where the destination lacks it. Default false. */
  readonly onlyIfMissing?: boolean
  /** Whether what refers to the image (signatures, SBOMs, attestations) comes along, before the tag. Default false. */
  readonly referrers?: boolean
  /** Runs the part that reads the source's manifests: where few may be read, one image may be read at a time. */
  readonly whileReading?: <A, E, R>(reading: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Told whenever more bytes have arrived at the destination. */
  readonly onProgress?: (progress: CopyProgress) => void
}

/** What the tag names afterwards: what was written, or what was there already and stays because of `onlyIfMissing`. */
export interface Tagged {
  readonly _tag: "Written" | "Present"
  /** `sha256:…` */
  readonly digest: string
}

/**
 * Afterwards the destination has the same bytes under the same digests. If it fails or is interrupted the tag is as it
 * was before; blobs and manifests without a tag may stay.
 */
export const copyImage = Effect.fnUntraced(function* (
  tools: CopyTools,
  options: CopyImageOptions
): Effect.fn.Return<Tagged, RegistryError> {
  const { blobs, client } = tools
  const { destination, digest, missing, source, tag } = options
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
  let done = 0
  let sent = 0
  const report = () => options.onProgress?.({ done, total, sent })
  const arrived: OnBytes = (bytes, wasSent) => {
    done += bytes
    if (wasSent) sent += bytes
    report()
  }
  /** How many bytes referrers have is found out on the way. */
  const arrivedOfReferrer: OnBytes = (bytes, wasSent) => {
    total += bytes
    arrived(bytes, wasSent)
  }

  const attempt = Effect.fnUntraced(function* (route: Route) {
    done = 0
    total = own
    report()
    yield* placeBlobs(tools, route, content, arrived)
    yield* writeChildren(tools, route, content, arrived)
    if (options.referrers === true) {
      // What refers to a whole index does not speak of one without some of its platforms.
      const whole = root.digest === digest ? [root] : []
      const subjects = [...whole, ...content.children].map((manifest) => manifest.digest)
      yield* copyReferrers(tools, route, subjects, arrivedOfReferrer)
    }
    // No registry writes a tag on the condition that there is none: this is as close to the write as a question can be.
    const present =
      options.onlyIfMissing === true ? yield* onSide("destination")(client.head(destination, tag)) : Option.none()
    if (Option.isNone(present)) yield* onSide("destination")(client.putManifest(destination, tag, content.root))
    arrived(content.root.size, Option.isNone(present))
    return Option.match(present, {
      onNone: (): Tagged => ({ _tag: "Written", digest: root.digest }),
      onSome: ({ digest }): Tagged => ({ _tag: "Present", digest })
    })
  })

  // A manifest is refused when a blob that was believed to be there has gone: then nothing is believed any more.
  return yield* attempt({ source, destination, ...(missing === undefined ? {} : { missing }) }).pipe(
    Effect.catchIf(
      ({ reason, side }) => side === "destination" && reason._tag === "PushRefused",
      () => Effect.andThen(blobs.forget(destination), attempt({ source, destination }))
    )
  )
})
