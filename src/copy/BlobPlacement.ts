/**
 * Places blobs at destinations. A blob is uploaded to a registry once for each namespace; every other repository to which the
 * namespace copies the blob mounts the blob.
 *
 * The first row that fits decides what happens with a blob:
 *
 * | known facts                                                                       | action                             |
 * | --------------------------------------------------------------------------------- | ---------------------------------- |
 * | the repository holds the blob                                                     | none                               |
 * | another copy for the same namespace uploads the blob from the same registry       | wait for minutes, then start over  |
 * | the blob's digest is not sha256                                                   | HEAD, and upload a missing blob    |
 * | an earlier process placed the blob in another repository                          | mount or upload                    |
 * | the repository was missing, and no other repository holds the blob                | upload                             |
 * | only the tag was missing, no other repository holds the blob, and the image is    | mount or upload                    |
 * | one of the first of a registry of which nothing is known                          |                                    |
 * | nothing about mounts at the registry                                              | mount or upload, and note mounting |
 * | the registry mounts                                                               | mount or upload                    |
 * | the registry does not mount                                                       | HEAD, and upload a missing blob    |
 *
 * "Mount or upload" is one request, `POST ?mount=`: a registry that does not mount opens the upload with the same request. The
 * request names a repository that holds the blob. Without one it names the blob's own repository, which succeeds if that
 * repository already has the blob.
 *
 * What is known of a registry, such as that it mounts, is known for all copies. That a repository holds a blob is known only for
 * copies of the namespace whose copy brought the blob: a manifest can name any digest, and a mount without the bytes would give
 * the blob to a namespace whose source does not have it.
 *
 * What an earlier process placed (`BlobLocations`) is not trusted at all. It only names a repository for "mount or upload", unless
 * the registry is known not to mount.
 *
 * Two facts are trusted for a quarter of an hour: that a repository holds a blob, and that a missing repository lacks all blobs
 * that this process has not sent. If such a fact is wrong, the registry refuses the manifest. Then the copy starts over without
 * any trusted fact about its destination.
 */
import { Clock, Context, Deferred, Effect, Exit, Layer, Option } from "effect"
import { BoundedMap } from "../collections/BoundedMap.ts"
import type { Missing } from "../domain/Copy.ts"
import { algorithmOf, USUAL_ALGORITHM } from "../oci/Digest.ts"
import { registryHost } from "../oci/Reference.ts"
import type { BlobDescriptor } from "../oci/Manifest.ts"
import { RequestedFor } from "../registry/limits/RegistryLimits.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import { identity } from "../registry/RepositoryAccess.ts"
import { onSide, type RegistryError } from "../registry/RegistryError.ts"
import { BlobLocations } from "./BlobLocations.ts"

/** A blob, its image, and the two ends of its copy. */
export interface PlaceOptions {
  readonly source: RepositoryAccess
  readonly destination: RepositoryAccess
  readonly blob: BlobDescriptor
  /** The digest of the blob's image. */
  readonly image: string
  /** The part that the destination lacked at the last check. This process may have sent blobs there since. */
  readonly missing?: Missing
  readonly onBytes?: OnBytes
}

/** Called with bytes that the destination has, and whether they were sent. A negative number takes back earlier bytes. */
export type OnBytes = (bytes: number, sent: boolean) => void

/** Places blobs with few requests, and shares blobs between the copies of this process. */
export class BlobPlacement extends Context.Service<
  BlobPlacement,
  {
    /** Uploads or mounts a blob, unless the repository has the blob. Fails with `RegistryError` of one of the two sides. */
    readonly place: (options: PlaceOptions) => Effect.Effect<void, RegistryError>
    /** Forgets the blobs that a repository was known to hold. */
    readonly forget: (destination: RepositoryAccess) => Effect.Effect<void>
  }
>()("skopeo-operator/copy/BlobPlacement") {
  /** A placement without any known fact. */
  static readonly make: Effect.Effect<BlobPlacement["Service"], never, RegistryClient> = Effect.suspend(() => make)

  /** The placement of one process. */
  static readonly layer: Layer.Layer<BlobPlacement, never, RegistryClient> = Layer.effect(
    BlobPlacement,
    BlobPlacement.make
  )
}

/** How long a fact about a destination is trusted. */
const TRUSTED_MILLIS = 15 * 60_000
/** How long a copy waits for another copy's upload of a blob before it sends the blob itself. */
const SHARED_WAIT = "5 minutes"
/** How long a blob waits for the answer whether a registry mounts. Without the answer, a HEAD is right in any case. */
const PROBE_WAIT = "30 seconds"
/** The most repositories of all known blobs together, and of one blob. A forgotten one costs a HEAD. */
const HOLDERS = { all: 50_000, blob: 100 }
/** The most registries, counted once for each credential. A renewed credential counts as another one. */
const REGISTRIES = 10_000
const REPOSITORIES = 20_000
/** The number of a registry's first images. A blob that both have shows whether the registry mounts. */
const FIRST_IMAGES = 2

/** A registry as seen by one credential. */
const registryOf = (access: RepositoryAccess): string =>
  `${registryHost(access.repository.registry)} ${identity(access)}`

/** The key of the repositories that hold a blob, for the copies of one namespace. */
const holdersKeyOf = ({ blob, destination }: PlaceOptions, namespace: string): string =>
  [registryOf(destination), namespace, blob.digest].join(" ")

/** The blob in its destination, or in another repository of the destination's registry. */
const locationOf = (
  { blob, destination: { repository } }: PlaceOptions,
  namespace: string,
  path = repository.path
) => ({
  namespace,
  repository: { ...repository, path },
  digest: blob.digest
})

/**
 * The key of an upload that copies share. Any source can name any digest, and can then send the bytes slowly. So no copy waits for
 * bytes from another registry, or for a copy of another namespace.
 */
const sharedKeyOf = (options: PlaceOptions, namespace: string): string =>
  [holdersKeyOf(options, namespace), registryOf(options.source)].join(" ")

const make = Effect.gen(function* () {
  const client = yield* RegistryClient
  const locations = yield* BlobLocations
  /** By {@link holdersKeyOf}: the repositories that hold a blob, and until when that fact is trusted. */
  const holders = new BoundedMap<string, Map<string, number>>({ capacity: HOLDERS.all, weigh: ({ size }) => size })
  /** When this process first pushed to a repository. `missing: "Repository"` is trusted for a quarter of an hour after that. */
  const firstSent = new BoundedMap<string, number>({ capacity: REPOSITORIES })
  /** The blobs that are being placed, by {@link sharedKeyOf}. */
  const uploading = new Map<string, Deferred.Deferred<void>>()
  /** Whether a registry mounts. The answer is pending while a blob probes the registry. */
  const mounts = new BoundedMap<string, Deferred.Deferred<boolean>>({ capacity: REGISTRIES })
  /** The first images of registries. */
  const firstImages = new BoundedMap<string, Set<string>>({ capacity: REGISTRIES })

  const holdersOf = (key: string, now: number): ReadonlyArray<string> =>
    [...(holders.get(key) ?? [])].flatMap(([path, until]) => (until > now ? [path] : []))

  const remember = Effect.fnUntraced(function* (options: PlaceOptions, namespace: string) {
    const now = yield* Clock.currentTimeMillis
    const key = holdersKeyOf(options, namespace)
    const held = holders.get(key) ?? new Map<string, number>()
    const { path } = options.destination.repository
    // The newest entry is the last, so that the oldest entries are dropped first: a blob may be in any number of repositories.
    held.delete(path)
    held.set(path, now + TRUSTED_MILLIS)
    for (const [oldest, until] of held) {
      if (until > now && held.size <= HOLDERS.blob) break
      held.delete(oldest)
    }
    holders.set(key, held)
    const repository = `${registryOf(options.destination)}/${path}`
    if (!firstSent.has(repository)) firstSent.set(repository, now)
    yield* locations.add(locationOf(options, namespace))
  })

  const transfer = Effect.fnUntraced(function* (
    { blob, destination, onBytes, source }: PlaceOptions,
    mountFrom?: string
  ): Effect.fn.Return<"Mounted" | "Sent", RegistryError> {
    const outcome = yield* client.copyBlob({
      source,
      destination,
      blob,
      ...(mountFrom === undefined ? {} : { mountFrom }),
      ...(onBytes === undefined ? {} : { onBytes: (bytes) => onBytes(bytes, true) })
    })
    if (outcome === "Mounted") onBytes?.(blob.size, false)
    return outcome
  })

  const upload = (options: PlaceOptions) => Effect.asVoid(transfer(options))

  const mountOrUpload = (options: PlaceOptions, holder: string | undefined) =>
    transfer(options, holder ?? options.destination.repository.path)

  const uploadIfMissing = Effect.fnUntraced(function* (options: PlaceOptions): Effect.fn.Return<void, RegistryError> {
    const { blob, destination, onBytes } = options
    if (yield* onSide("destination")(client.hasBlob(destination, blob))) return onBytes?.(blob.size, false)
    yield* upload(options)
  })

  /**
   * Places a blob and gives whether the registry mounts: by mounting from a repository that holds the blob or, without one, by
   * mounting the uploaded blob once more. Without this fact, a registry that does not mount would get blobs that it has.
   */
  const probeMount = Effect.fnUntraced(function* (
    options: PlaceOptions,
    holder: string | undefined
  ): Effect.fn.Return<boolean, RegistryError> {
    const { blob, destination } = options
    const outcome = yield* mountOrUpload(options, holder)
    if (outcome === "Mounted" || holder !== undefined) return outcome === "Mounted"
    return yield* onSide("destination")(client.mountBlob(destination, blob, destination.repository.path))
  })

  const isOfFirstImages = (registry: string, image: string): boolean => {
    const first = firstImages.get(registry) ?? new Set()
    firstImages.set(registry, first)
    if (first.size < FIRST_IMAGES) first.add(image)
    return first.has(image)
  }

  /** Records whether a registry mounts. Blobs that wait for the answer get it; later blobs get it even if those gave up. */
  const recordMounting = (registry: string, isMounting: boolean): undefined => {
    const known = mounts.get(registry)
    if (known !== undefined && Deferred.doneUnsafe(known, Exit.succeed(isMounting))) return
    const answer = Deferred.makeUnsafe<boolean>()
    Deferred.doneUnsafe(answer, Exit.succeed(isMounting))
    mounts.set(registry, answer)
  }

  /** Whether a registry mounts; `undefined` if this blob has probed the registry and is placed. */
  const isMountingAt = (
    options: PlaceOptions,
    holder: string | undefined
  ): Effect.Effect<boolean | undefined, RegistryError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend((): Effect.Effect<boolean | undefined, RegistryError> => {
        const registry = registryOf(options.destination)
        const known = mounts.get(registry)
        if (known !== undefined) {
          // A source can send the probing blob slowly. Then the blobs of all other sources send HEAD, and wait no longer.
          const giveUp = Effect.as(Deferred.succeed(known, false), false)
          return restore(Effect.timeoutOrElse(Deferred.await(known), { duration: PROBE_WAIT, orElse: () => giveUp }))
        }
        const answer = Deferred.makeUnsafe<boolean>()
        mounts.set(registry, answer)
        return restore(probeMount(options, holder)).pipe(
          Effect.map((isMounting) => recordMounting(registry, isMounting)),
          Effect.onError(() => {
            // The waiting blobs send HEAD, which is right in any case. The next blob probes again.
            mounts.delete(registry)
            return Deferred.succeed(answer, false)
          })
        )
      })
    )

  /** Mounts or uploads a blob if an earlier process placed it in another repository. Gives whether the blob is placed. */
  const placeFromEarlier = Effect.fnUntraced(function* (
    options: PlaceOptions,
    namespace: string
  ): Effect.fn.Return<boolean, RegistryError> {
    const registry = registryOf(options.destination)
    const isMounting = mounts.get(registry)
    if (isMounting !== undefined && Deferred.isDoneUnsafe(isMounting) && !(yield* Deferred.await(isMounting)))
      return false
    const [path] = yield* locations.repositories(locationOf(options, namespace))
    if (path === undefined) return false
    if ((yield* mountOrUpload(options, path)) === "Mounted") recordMounting(registry, true)
    // A registry that has lost the blob answers as one that does not mount. So nothing is known of the registry.
    else yield* locations.remove(locationOf(options, namespace, path))
    return true
  })

  /** The rows of the table for a blob that its repository does not hold. */
  const placeMissing = Effect.fnUntraced(function* (
    options: PlaceOptions,
    namespace: string,
    [holder]: ReadonlyArray<string>
  ): Effect.fn.Return<void, RegistryError> {
    const { blob, destination, image, missing } = options
    // Distribution answers that it has mounted a blob by sha512, and has mounted the blob by sha256 alone.
    if (algorithmOf(blob.digest) !== USUAL_ALGORITHM) return yield* uploadIfMissing(options)
    const registry = registryOf(destination)
    if (holder === undefined && (yield* placeFromEarlier(options, namespace))) return
    const now = yield* Clock.currentTimeMillis
    const since = firstSent.get(`${registry}/${destination.repository.path}`) ?? now
    if (missing === "Repository" && now < since + TRUSTED_MILLIS && holder === undefined) return yield* upload(options)
    // If only the tag is missing, most blobs are missing too. The request for a mount already opens the upload of such a blob.
    if (!mounts.has(registry) && missing === "Tag" && holder === undefined && isOfFirstImages(registry, image)) {
      const outcome = yield* mountOrUpload(options, undefined)
      if (outcome === "Mounted") recordMounting(registry, true)
      return
    }
    const isMounting = yield* isMountingAt(options, holder)
    if (isMounting === undefined) return
    if (isMounting) yield* mountOrUpload(options, holder)
    else yield* uploadIfMissing(options)
  })

  const endSharing = (key: string, upload: Deferred.Deferred<void>): void => {
    if (uploading.get(key) === upload) uploading.delete(key)
  }

  /** Places the blob, unless another copy does: then waits for that copy and gives `false`. */
  const tryOnce = (options: PlaceOptions, namespace: string): Effect.Effect<boolean, RegistryError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<boolean, RegistryError> => {
        const { blob, destination, onBytes } = options
        const key = sharedKeyOf(options, namespace)
        const held = holdersOf(holdersKeyOf(options, namespace), now)
        if (held.includes(destination.repository.path)) {
          return Effect.sync(() => {
            onBytes?.(blob.size, false)
            return true
          })
        }
        const other = uploading.get(key)
        if (other !== undefined) {
          const ended = restore(Effect.timeoutOption(Deferred.await(other), SHARED_WAIT))
          return Effect.map(ended, (end) => {
            // A slow upload is shared no longer. The next copy that needs the blob sends it.
            if (Option.isNone(end)) endSharing(key, other)
            return false
          })
        }
        const arrived = Deferred.makeUnsafe<void>()
        uploading.set(key, arrived)
        return restore(Effect.andThen(placeMissing(options, namespace, held), remember(options, namespace))).pipe(
          Effect.as(true),
          Effect.ensuring(
            Effect.suspend(() => {
              endSharing(key, arrived)
              return Deferred.succeed(arrived, undefined)
            })
          )
        )
      })
    )

  return BlobPlacement.of({
    place: Effect.fnUntraced(
      function* (options) {
        const namespace = yield* RequestedFor
        while (!(yield* tryOnce(options, namespace))) continue
      },
      (placing, { blob: { digest, size } }) =>
        Effect.withSpan(placing, "BlobPlacement.place", {
          attributes: { digest, size },
          // Effect would capture a stack at every call, and blobs are many.
          captureStackTrace: false
        })
    ),
    forget: Effect.fn("BlobPlacement.forget")((destination) =>
      Effect.sync(() => {
        const prefix = `${registryOf(destination)} `
        for (const [key, held] of holders.entries())
          if (key.startsWith(prefix)) held.delete(destination.repository.path)
      })
    )
  })
})
