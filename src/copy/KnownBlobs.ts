/**
 * What this process knows of the blobs of destinations: each is sent to a registry once, and taken from there by every
 * other repository. Nothing here has to be true for long: a blob that has gone is found out when its manifest is refused.
 */
import { Clock, Context, Deferred, Effect, Exit, Layer } from "effect"
import type { Missing } from "../domain/Copy.ts"
import { registryHost } from "../oci/Reference.ts"
import type { BlobDescriptor } from "../oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import { identity } from "../registry/RepositoryAccess.ts"
import { onSide, type RegistryError } from "../registry/RegistryError.ts"

export interface EnsureOptions {
  readonly source: RepositoryAccess
  readonly destination: RepositoryAccess
  readonly blob: BlobDescriptor
  /** The digest of the image that the blob is of. */
  readonly image: string
  /** What is known to be missing at the destination, but for what this process has sent there. */
  readonly missing?: Missing
  readonly onBytes?: OnBytes
}

/** Told of bytes that are at the destination, and whether they were sent there; a negative number takes some back. */
export type OnBytes = (bytes: number, sent: boolean) => void

/** For whoever knows only of bytes that are sent. */
const whenSent = (onBytes: OnBytes | undefined) =>
  onBytes === undefined ? {} : { onBytes: (bytes: number) => onBytes(bytes, true) }

export class KnownBlobs extends Context.Service<
  KnownBlobs,
  {
    /** Sees to it that a blob is in a repository, by as few requests and bytes as it takes. */
    readonly ensure: (options: EnsureOptions) => Effect.Effect<void, RegistryError, RegistryClient>
    /** Forgets what a repository was believed to hold. */
    readonly forget: (destination: RepositoryAccess) => Effect.Effect<void>
  }
>()("skopeo-operator/copy/KnownBlobs") {
  static readonly layer: Layer.Layer<KnownBlobs> = Layer.effect(
    KnownBlobs,
    Effect.suspend(() => make)
  )
}

/** What was seen a while ago may have been deleted since. */
const LIFE_MILLIS = 15 * 60_000
const CAPACITY = 100_000
/** How many images a registry gets before it is asked whether it mounts: what the second shares with the first shows it. */
const FIRST_IMAGES = 2

const make = Effect.gen(function* () {
  /** By registry, credential and digest: the repositories that hold a blob, and until when that is believed. */
  const places = new Map<string, Map<string, number>>()
  /** When each repository was first sent a blob: by what was missing before, what came since is known for a while only. */
  const begun = new Map<string, number>()
  /** Blobs on their way to a registry. */
  const underWay = new Map<string, Deferred.Deferred<void>>()
  /** Whether registries mount what they hold; a registry whose first blob is on its way has no answer yet. */
  const mounting = new Map<string, Deferred.Deferred<boolean>>()
  /** The first images of each registry of which it was not known whether it mounts. */
  const firsts = new Map<string, Set<string>>()

  const registryOf = (access: RepositoryAccess): string =>
    `${registryHost(access.repository.registry)} ${identity(access)}`
  const keyOf = (access: RepositoryAccess, blob: BlobDescriptor): string => `${registryOf(access)} ${blob.digest}`

  const placesOf = (key: string, now: number): ReadonlyArray<string> =>
    [...(places.get(key) ?? [])].flatMap(([path, until]) => (until > now ? [path] : []))

  const remember = Effect.fnUntraced(function* (access: RepositoryAccess, blob: BlobDescriptor) {
    const now = yield* Clock.currentTimeMillis
    const key = keyOf(access, blob)
    const held = places.get(key) ?? new Map<string, number>()
    const { path } = access.repository
    held.set(path, now + LIFE_MILLIS)
    const repository = `${registryOf(access)}/${path}`
    if (!begun.has(repository)) begun.set(repository, now)
    // The newest last, so that the oldest go first.
    places.delete(key)
    places.set(key, held)
    for (const oldest of places.keys()) {
      if (places.size <= CAPACITY) break
      places.delete(oldest)
    }
  })

  /** Brings a blob; where it may be mounted, the request that asks for that begins its upload if it is not. */
  const bring = Effect.fnUntraced(function* (
    { blob, destination, onBytes, source }: EnsureOptions,
    mountFrom?: string
  ): Effect.fn.Return<"Mounted" | "Sent", RegistryError, RegistryClient> {
    const client = yield* RegistryClient
    const outcome = yield* client.copyBlob({
      source,
      destination,
      blob,
      ...(mountFrom === undefined ? {} : { mountFrom }),
      ...whenSent(onBytes)
    })
    if (outcome === "Mounted") onBytes?.(blob.size, false)
    return outcome
  })

  /** A registry that does not mount is asked whether it has a blob before it is sent one. */
  const bringUnmounted = Effect.fnUntraced(function* (
    options: EnsureOptions
  ): Effect.fn.Return<void, RegistryError, RegistryClient> {
    const { blob, destination, onBytes } = options
    const client = yield* RegistryClient
    if (yield* onSide("destination")(client.hasBlob(destination, blob))) return onBytes?.(blob.size, false)
    yield* bring(options)
  })

  /**
   * Whether a registry mounts is shown by the first blob that another of its repositories has, or else by the first that
   * has just been sent. Asked once, for to go without would send again what a registry that does not mount already has.
   */
  const learn = Effect.fnUntraced(function* (
    options: EnsureOptions,
    elsewhere: string | undefined,
    answer: Deferred.Deferred<boolean>
  ): Effect.fn.Return<void, RegistryError, RegistryClient> {
    const client = yield* RegistryClient
    const { blob, destination } = options
    const { path } = destination.repository
    const outcome = yield* bring(options, elsewhere ?? path)
    const isShown = outcome === "Mounted" || elsewhere !== undefined
    const mounts = isShown
      ? outcome === "Mounted"
      : yield* onSide("destination")(client.mountBlob(destination, blob, path))
    yield* Deferred.succeed(answer, mounts)
  })

  const isFirst = (registry: string, image: string): boolean => {
    const first = firsts.get(registry) ?? new Set()
    firsts.set(registry, first)
    if (first.size < FIRST_IMAGES) first.add(image)
    return first.has(image)
  }

  const itMounts = (registry: string): Effect.Effect<void> =>
    Effect.sync(() => {
      const answer = mounting.get(registry) ?? Deferred.makeUnsafe<boolean>()
      mounting.set(registry, answer)
      Deferred.doneUnsafe(answer, Exit.succeed(true))
    })

  /** Whether a registry mounts; `undefined` if the blob has been brought to find that out. */
  const whetherItMounts = (
    options: EnsureOptions,
    elsewhere: string | undefined
  ): Effect.Effect<boolean | undefined, RegistryError, RegistryClient> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend((): Effect.Effect<boolean | undefined, RegistryError, RegistryClient> => {
        const registry = registryOf(options.destination)
        const asked = mounting.get(registry)
        if (asked !== undefined) return restore(Deferred.await(asked))
        const answer = Deferred.makeUnsafe<boolean>()
        mounting.set(registry, answer)
        return restore(Effect.as(learn(options, elsewhere, answer), undefined)).pipe(
          Effect.onError(() => {
            // Whoever waits goes the careful way; whoever comes next finds out.
            mounting.delete(registry)
            return Deferred.succeed(answer, false)
          })
        )
      })
    )

  const send = Effect.fnUntraced(function* (
    options: EnsureOptions,
    held: ReadonlyArray<string>
  ): Effect.fn.Return<void, RegistryError, RegistryClient> {
    const { destination, image, missing } = options
    const [elsewhere] = held
    const registry = registryOf(destination)
    const now = yield* Clock.currentTimeMillis
    const isNew = now < (begun.get(`${registry}/${destination.repository.path}`) ?? now) + LIFE_MILLIS
    // What is nowhere yet needs no question, of whatever kind.
    if (missing === "Repository" && isNew && elsewhere === undefined) return yield* Effect.asVoid(bring(options))
    // Of a new tag most is new: for the first of them, asking to mount is enough, whatever that answer is worth.
    if (!mounting.has(registry) && missing === "Tag" && elsewhere === undefined && isFirst(registry, image)) {
      const outcome = yield* bring(options, destination.repository.path)
      if (outcome === "Mounted") yield* itMounts(registry)
      return
    }
    const mounts = yield* whetherItMounts(options, elsewhere)
    if (mounts === undefined) return
    if (!mounts) return yield* bringUnmounted(options)
    yield* bring(options, elsewhere ?? destination.repository.path)
  })

  /** Whether the blob is there now; else another has brought it, or failed to. */
  const tryOnce = (options: EnsureOptions): Effect.Effect<boolean, RegistryError, RegistryClient> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<boolean, RegistryError, RegistryClient> => {
        const { blob, destination, onBytes } = options
        const key = keyOf(destination, blob)
        const held = placesOf(key, now)
        if (held.includes(destination.repository.path)) {
          return Effect.sync(() => {
            onBytes?.(blob.size, false)
            return true
          })
        }
        const other = underWay.get(key)
        if (other !== undefined) return Effect.as(restore(Deferred.await(other)), false)
        const arrived = Deferred.makeUnsafe<void>()
        underWay.set(key, arrived)
        return restore(Effect.andThen(send(options, held), remember(destination, blob))).pipe(
          Effect.as(true),
          Effect.ensuring(
            Effect.suspend(() => {
              underWay.delete(key)
              return Deferred.succeed(arrived, undefined)
            })
          )
        )
      })
    )

  const ensure = Effect.fnUntraced(function* (
    options: EnsureOptions
  ): Effect.fn.Return<void, RegistryError, RegistryClient> {
    while (!(yield* tryOnce(options))) continue
  })

  return KnownBlobs.of({
    ensure,
    forget: (destination) =>
      Effect.sync(() => {
        const prefix = `${registryOf(destination)} `
        for (const [key, held] of places) if (key.startsWith(prefix)) held.delete(destination.repository.path)
      })
  })
})
