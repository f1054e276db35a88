/** Registries in memory, for tests: no sockets, no time passes, the same rules as over HTTP. */
import { Clock, Context, Effect, Layer, Option, Stream } from "effect"
import { formatRepository } from "../../oci/Reference.ts"
import { RegistryLimits } from "../limits/RegistryLimits.ts"
import { makeRateLimiter, type RateLimiterOptions } from "../limits/RateLimiter.ts"
import { digestOf, verified } from "../../oci/Digest.ts"
import { subjectOf } from "../../oci/Referrers.ts"
import { isForeign, partsOf } from "../../oci/Manifest.ts"
import type { HttpHead } from "../../http/Http.ts"
import type { RequestKind } from "../limits/Quota.ts"
import type { BlobDescriptor, Descriptor } from "../../oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../RegistryClient.ts"
import { onSide, RegistryError } from "../RegistryError.ts"
import { ManifestCache } from "../protocol/ManifestCache.ts"
import { RegistryStore, type StoredManifest } from "./RegistryStore.ts"

/** Several registries, by the name Images call them. One that is not there is `Unreachable`. */
export type MemoryRegistries = ReadonlyMap<string, RegistryStore>

/** What a limit is told of a request. */
export interface LimitedRequest {
  readonly registry: string
  /** A manifest (`Pull`), its digest (`Head`), or anything else. */
  readonly kind: RequestKind
  /** Milliseconds since the epoch. */
  readonly now: number
}

export interface RegistryClientMemoryOptions extends RateLimiterOptions {
  /** Called with each request, such as `HEAD registry.corp/app:v1`: what a test counts. */
  readonly onRequest?: (request: string) => void
  /** What registries that limit how often they are asked answer: a status of 429 refuses. Default 200 to all. */
  readonly limiter?: (request: LimitedRequest) => HttpHead
}

const CHUNK = 64 * 1024
const ANSWERED: HttpHead = { status: 200, headers: {} }

/** A client of the given registries. */
export const layer = (
  registries: MemoryRegistries,
  options: RegistryClientMemoryOptions = {}
): Layer.Layer<RegistryClient | RegistryLimits> => Layer.effectContext(make(registries, options))

const make = Effect.fnUntraced(function* (registries: MemoryRegistries, options: RegistryClientMemoryOptions) {
  const limiter = yield* makeRateLimiter(options)
  const manifests = new ManifestCache()
  const store = Effect.fnUntraced(function* (access: RepositoryAccess, request: string, kind: RequestKind = "Other") {
    const head = yield* limiter.run(
      access,
      kind,
      request.split(" ")[0] ?? "",
      Effect.map(Clock.currentTimeMillis, (now) => {
        options.onRequest?.(request)
        return options.limiter?.({ registry: access.repository.registry, kind, now }) ?? ANSWERED
      })
    )
    if (head.status === 429) {
      const refusal = RegistryError.of("RateLimited", access.repository, `${request} answered 429`)
      return yield* limiter.explain(access, refusal)
    }
    const found = registries.get(access.repository.registry)
    if (found !== undefined) return found
    return yield* RegistryError.of("Unreachable", access.repository, "there is no such registry in memory")
  })
  const named = (access: RepositoryAccess, reference: string): string =>
    `${formatRepository(access.repository)}${reference.startsWith("sha256:") ? "@" : ":"}${reference}`
  const notFound = (access: RepositoryAccess, what: string) =>
    RegistryError.of("NotFound", access.repository, `there is no ${what}`)
  const describe = (found: StoredManifest): Descriptor => ({
    digest: found.digest,
    mediaType: found.mediaType,
    size: found.bytes.length
  })

  const client = RegistryClient.of({
    tags: (access) =>
      Effect.flatMap(store(access, `LIST ${formatRepository(access.repository)}`), (registry) => {
        const tags = registry.tags(access.repository.path)
        return tags === undefined ? Effect.fail(notFound(access, "such repository")) : Effect.succeed(tags)
      }),

    head: (access, reference) =>
      Effect.map(store(access, `HEAD ${named(access, reference)}`, "Head"), (registry) =>
        Option.map(Option.fromNullishOr(registry.manifest(access.repository.path, reference)), describe)
      ),

    notices: () => Effect.succeed([]),

    manifest: (access, reference) =>
      Effect.suspend(() => {
        const known = manifests.get(access, reference)
        if (known !== undefined) return Effect.succeed(known)
        return Effect.flatMap(store(access, `GET ${named(access, reference)}`, "Pull"), (registry) => {
          const found = registry.manifest(access.repository.path, reference)
          return found === undefined
            ? Effect.fail(notFound(access, `manifest ${reference}`))
            : Effect.succeed(manifests.set(access, { ...describe(found), bytes: found.bytes }))
        })
      }),

    hasBlob: (access, blob) =>
      Effect.map(
        store(access, `HEAD ${named(access, blob.digest)}`),
        (registry) => registry.blob(access.repository.path, blob.digest) !== undefined
      ),

    blob: (access, blob) =>
      Stream.unwrap(
        Effect.map(store(access, `GET ${named(access, blob.digest)}`), (registry) => {
          const bytes = registry.blob(access.repository.path, blob.digest)
          if (bytes === undefined) return Stream.fail(notFound(access, `blob ${blob.digest}`))
          const chunks = Array.from({ length: Math.ceil(bytes.length / CHUNK) }, (_, index) =>
            bytes.subarray(index * CHUNK, (index + 1) * CHUNK)
          )
          return Stream.fromIterable(chunks).pipe(verified(blob, RegistryError.damaged(access.repository, blob)))
        })
      ),

    putBlob: (access, blob, bytes) =>
      Effect.gen(function* () {
        const registry = yield* store(access, `PUT ${named(access, blob.digest)}`)
        const content = Buffer.concat(yield* Stream.runCollect(bytes))
        if (digestOf(content) !== blob.digest) {
          return yield* RegistryError.of("DigestMismatch", access.repository, `blob ${blob.digest} has other bytes`)
        }
        registry.putBlob(access.repository.path, content)
      }),

    mountBlob: (access, blob, from) =>
      Effect.map(store(access, `MOUNT ${named(access, blob.digest)}`), (registry) =>
        mount(registry, access, blob, from)
      ),

    copyBlob: ({ blob, destination, mountFrom, onBytes, source }) =>
      Effect.gen(function* () {
        const to = yield* onSide("destination")(store(destination, `POST ${named(destination, blob.digest)}`))
        if (mountFrom !== undefined && mount(to, destination, blob, mountFrom)) return "Mounted"
        const from = yield* onSide("source")(store(source, `GET ${named(source, blob.digest)}`))
        const bytes = from.blob(source.repository.path, blob.digest)
        if (bytes === undefined) return yield* onSide("source")(Effect.fail(notFound(source, `blob ${blob.digest}`)))
        onBytes?.(bytes.length)
        to.putBlob(destination.repository.path, bytes)
        return "Sent"
      }),

    referrers: (access, digest) =>
      Effect.map(store(access, `REFERRERS ${named(access, digest)}`), (registry) =>
        registry.referrers(access.repository.path, digest)
      ),

    putManifest: (access, reference, manifest) =>
      Effect.gen(function* () {
        const registry = yield* store(access, `PUT ${named(access, reference)}`)
        const { path } = access.repository
        const digest = digestOf(manifest.bytes)
        if (reference.startsWith("sha256:") && reference !== digest) {
          return yield* RegistryError.of("DigestMismatch", access.repository, `the bytes are those of ${digest}`)
        }
        const parts = Option.getOrUndefined(partsOf(manifest))
        const missing =
          parts?._tag === "Index"
            ? parts.children.find(({ digest }) => registry.manifest(path, digest) === undefined)
            : parts?.blobs.find((blob) => !isForeign(blob) && registry.blob(path, blob.digest) === undefined)
        if (missing !== undefined) {
          return yield* RegistryError.of("PushRefused", access.repository, `${missing.digest} is not in the repository`)
        }
        registry.putManifest(path, reference, manifest.bytes, manifest.mediaType)
        manifests.set(access, manifest)
        return { subject: Option.fromNullishOr(subjectOf(manifest.bytes)?.digest) }
      })
  })
  return Context.make(RegistryClient, client).pipe(Context.add(RegistryLimits, limiter))
})

const mount = (registry: RegistryStore, access: RepositoryAccess, blob: BlobDescriptor, from: string): boolean => {
  const bytes = registry.blob(from, blob.digest)
  if (bytes === undefined) return false
  registry.putBlob(access.repository.path, bytes)
  return true
}

/** Empty registries of the given names. */
export const registriesOf = (...names: ReadonlyArray<string>): Map<string, RegistryStore> =>
  new Map(names.map((name) => [name, new RegistryStore()]))
