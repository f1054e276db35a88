/**
 * Places blobs at destinations: a blob is sent to a registry once, and every other repository there takes it from the first.
 *
 * What is done about a blob is the first row that fits:
 *
 * | what is known                                                                     | what is done                      |
 * | --------------------------------------------------------------------------------- | --------------------------------- |
 * | its repository holds it                                                           | nothing                           |
 * | another copy is bringing it to the registry                                       | wait, and begin again             |
 * | the repository was missing, and no other at the registry holds it                 | upload                            |
 * | only the tag was missing, no other holds it, and it is of the registry's first    | mount or upload                   |
 * | images, so that nothing is known of the registry                                  |                                   |
 * | nothing of whether the registry mounts                                            | mount or upload; see if it mounts |
 * | the registry mounts                                                               | mount or upload                   |
 * | the registry does not mount                                                       | HEAD, and upload if it is missing |
 *
 * "Mount or upload" is one request, `POST ?mount=`: where nothing is mounted, it has begun the upload. It names a repository
 * that holds the blob, or else its own: that tells whether the blob is there already.
 *
 * That a repository holds a blob is believed for a quarter of an hour, and so is that a repository which was missing lacks
 * what this process has not sent. What is believed need not be true: a manifest is refused whose blob has gone, and then the
 * copy begins again with nothing believed of its destination.
 */
import { Clock, Context, Deferred, Effect, Exit, Layer } from "effect"
import { BoundedMap } from "../collections/BoundedMap.ts"
import type { Missing } from "../domain/Copy.ts"
import { registryHost } from "../oci/Reference.ts"
import type { BlobDescriptor } from "../oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import { identity } from "../registry/RepositoryAccess.ts"
import { onSide, type RegistryError } from "../registry/RegistryError.ts"

export interface PlaceOptions {
  readonly source: RepositoryAccess
  readonly destination: RepositoryAccess
  readonly blob: BlobDescriptor
  /** The digest of the image that the blob is of. */
  readonly image: string
  /** What a check found missing at the destination; this process may have sent something there since. */
  readonly missing?: Missing
  readonly onBytes?: OnBytes
}

/** Told of bytes that are at the destination, and whether they were sent there; a negative number takes some back. */
export type OnBytes = (bytes: number, sent: boolean) => void

export class BlobPlacement extends Context.Service<
  BlobPlacement,
  {
    /** Sees to it that a blob is in a repository, by as few requests and bytes as it takes. */
    readonly place: (options: PlaceOptions) => Effect.Effect<void, RegistryError>
    /** Forgets what a repository was believed to hold. */
    readonly forget: (destination: RepositoryAccess) => Effect.Effect<void>
  }
>()("skopeo-operator/copy/BlobPlacement") {
  static readonly layer: Layer.Layer<BlobPlacement, never, RegistryClient> = Layer.effect(
    BlobPlacement,
    Effect.suspend(() => make)
  )
}

/** How long what was seen or done at a destination is believed. */
const BELIEVED_MILLIS = 15 * 60_000
const BLOBS = 100_000
/** The most registries, as each credential sees them, and the most repositories. Renewed credentials are new ones. */
const REGISTRIES = 10_000
const REPOSITORIES = 100_000
/** What a registry's second image shares with its first shows whether the registry mounts. */
const FIRST_IMAGES = 2

/** A registry, as one credential sees it. */
const registryOf = (access: RepositoryAccess): string =>
  `${registryHost(access.repository.registry)} ${identity(access)}`

const keyOf = (access: RepositoryAccess, blob: BlobDescriptor): string => `${registryOf(access)} ${blob.digest}`

const make = Effect.gen(function* () {
  const client = yield* RegistryClient
  /** By registry and digest: the repositories that hold a blob, and until when that is believed. */
  const holders = new BoundedMap<string, Map<string, number>>({ capacity: BLOBS })
  /** When each repository was first sent a blob. */
  const firstSent = new BoundedMap<string, number>({ capacity: REPOSITORIES })
  /** By registry and digest: blobs on their way. */
  const uploading = new Map<string, Deferred.Deferred<void>>()
  /** Whether registries mount; there is no answer yet while that is probed. */
  const mounts = new BoundedMap<string, Deferred.Deferred<boolean>>({ capacity: REGISTRIES })
  /** The first images of registries. */
  const firstImages = new BoundedMap<string, Set<string>>({ capacity: REGISTRIES })

  const holdersOf = (key: string, now: number): ReadonlyArray<string> =>
    [...(holders.get(key) ?? [])].flatMap(([path, until]) => (until > now ? [path] : []))

  const remember = Effect.fnUntraced(function* (access: RepositoryAccess, blob: BlobDescriptor) {
    const now = yield* Clock.currentTimeMillis
    const key = keyOf(access, blob)
    const held = holders.get(key) ?? new Map<string, number>()
    const { path } = access.repository
    // The newest last, so that the oldest are dropped first: a blob may be in any number of repositories.
    held.delete(path)
    held.set(path, now + BELIEVED_MILLIS)
    for (const [oldest, until] of held) {
      if (until > now) break
      held.delete(oldest)
    }
    holders.set(key, held)
    const repository = `${registryOf(access)}/${path}`
    if (!firstSent.has(repository)) firstSent.set(repository, now)
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
   * Whether a registry mounts: shown by the first blob that another of its repositories holds, or else by mounting the first
   * that was sent. Sending without knowing would send again what a registry that does not mount has already.
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

  const learnThatItMounts = (registry: string): Effect.Effect<void> =>
    Effect.sync(() => {
      const answer = mounts.get(registry) ?? Deferred.makeUnsafe<boolean>()
      mounts.set(registry, answer)
      Deferred.doneUnsafe(answer, Exit.succeed(true))
    })

  /** Whether a registry mounts; `undefined` if finding out has placed the blob. */
  const whetherItMounts = (
    options: PlaceOptions,
    holder: string | undefined
  ): Effect.Effect<boolean | undefined, RegistryError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend((): Effect.Effect<boolean | undefined, RegistryError> => {
        const registry = registryOf(options.destination)
        const known = mounts.get(registry)
        if (known !== undefined) return restore(Deferred.await(known))
        const answer = Deferred.makeUnsafe<boolean>()
        mounts.set(registry, answer)
        return restore(probeMount(options, holder)).pipe(
          Effect.flatMap((isMounting) => Deferred.succeed(answer, isMounting)),
          Effect.as(undefined),
          Effect.onError(() => {
            // Those that wait take the way that is right in any case; the next blob is probed with again.
            mounts.delete(registry)
            return Deferred.succeed(answer, false)
          })
        )
      })
    )

  /** The rows of the table for a blob that its repository does not hold. */
  const placeMissing = Effect.fnUntraced(function* (
    options: PlaceOptions,
    [holder]: ReadonlyArray<string>
  ): Effect.fn.Return<void, RegistryError> {
    const { destination, image, missing } = options
    const registry = registryOf(destination)
    const now = yield* Clock.currentTimeMillis
    const since = firstSent.get(`${registry}/${destination.repository.path}`) ?? now
    if (missing === "Repository" && now < since + BELIEVED_MILLIS && holder === undefined) return yield* upload(options)
    if (!mounts.has(registry) && missing === "Tag" && holder === undefined && isOfFirstImages(registry, image)) {
      const outcome = yield* mountOrUpload(options, undefined)
      if (outcome === "Mounted") yield* learnThatItMounts(registry)
      return
    }
    const isMounting = yield* whetherItMounts(options, holder)
    if (isMounting === undefined) return
    if (isMounting) yield* mountOrUpload(options, holder)
    else yield* uploadIfMissing(options)
  })

  /** Whether the blob is there now; else another copy has brought it, or failed to. */
  const tryOnce = (options: PlaceOptions): Effect.Effect<boolean, RegistryError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<boolean, RegistryError> => {
        const { blob, destination, onBytes } = options
        const key = keyOf(destination, blob)
        const held = holdersOf(key, now)
        if (held.includes(destination.repository.path)) {
          return Effect.sync(() => {
            onBytes?.(blob.size, false)
            return true
          })
        }
        const other = uploading.get(key)
        if (other !== undefined) return Effect.as(restore(Deferred.await(other)), false)
        const arrived = Deferred.makeUnsafe<void>()
        uploading.set(key, arrived)
        return restore(Effect.andThen(placeMissing(options, held), remember(destination, blob))).pipe(
          Effect.as(true),
          Effect.ensuring(
            Effect.suspend(() => {
              uploading.delete(key)
              return Deferred.succeed(arrived, undefined)
            })
          )
        )
      })
    )

  return BlobPlacement.of({
    place: Effect.fnUntraced(
      function* (options) {
        while (!(yield* tryOnce(options))) continue
      },
      (placing, { blob: { digest, size } }) =>
        Effect.withSpan(placing, "BlobPlacement.place", {
          attributes: { digest, size },
          // Its place in the source is looked for at every call, and blobs are many.
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
