/** {@link RegistryClient} over registries in memory, for tests. It uses no sockets and takes no time. */
import { Clock, Context, Effect, Layer, Option, Stream } from "effect"
import { formatRepository } from "../../oci/Reference.ts"
import { RegistryLimits } from "../limits/RegistryLimits.ts"
import { makeRateLimiter, type RateLimiter, type RateLimiterOptions } from "../limits/RateLimiter.ts"
import { hasDigest, isDigest, verified } from "../../oci/Digest.ts"
import { subjectOf } from "../../oci/Referrers.ts"
import { isForeign, partsOf } from "../../oci/Manifest.ts"
import type { HttpHead } from "../../http/Http.ts"
import type { RequestKind } from "../limits/Quota.ts"
import type { BlobDescriptor, Descriptor, Manifest } from "../../oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../RegistryClient.ts"
import { onSide, RegistryError } from "../RegistryError.ts"
import { ManifestCache } from "../protocol/ManifestCache.ts"
import { RegistryStore, type StoredManifest } from "./RegistryStore.ts"

/** Registries by their name in Images. A request to any other registry fails with `Unreachable`. */
export type MemoryRegistries = ReadonlyMap<string, RegistryStore>

/** A request as the limiter sees it. */
export interface LimitedRequest {
  readonly registry: string
  /** A read of a manifest (`Pull`), a HEAD of a manifest (`Head`), or any other request. */
  readonly kind: RequestKind
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** The options of {@link layer}. */
export interface RegistryClientMemoryOptions extends RateLimiterOptions {
  /** Called with each request, such as `HEAD registry.corp/app:v1`, so that a test can count requests. */
  readonly onRequest?: (request: string) => void
  /** The heads of answers, such as 429 for a refusal or a quota in headers. Default 200 for all requests. */
  readonly limiter?: (request: LimitedRequest) => HttpHead
}

const CHUNK = 64 * 1024
const ANSWERED: HttpHead = { status: 200, headers: {} }

/**
 * A client of the given registries, with the same rate limiter as over HTTP.
 *
 * @example
 * const registries = RegistryClientMemory.registriesOf("quay.io", "registry.corp")
 * const test = Effect.provide(program, RegistryClientMemory.layer(registries))
 */
export const layer = (
  registries: MemoryRegistries,
  options: RegistryClientMemoryOptions = {}
): Layer.Layer<RegistryClient | RegistryLimits> => Layer.effectContext(make(registries, options))

const make = Effect.fnUntraced(function* (registries: MemoryRegistries, options: RegistryClientMemoryOptions) {
  const limiter = yield* makeRateLimiter(options)
  const visit = visiting(registries, options, limiter)
  const client = RegistryClient.of({ ...listsOf(visit), ...manifestsOf(visit), ...blobsOf(visit) })
  return Context.make(RegistryClient, client).pipe(Context.add(RegistryLimits, limiter))
})

/** Sends a request to an access's registry, unless a limit refuses it, and gives the registry's store. */
type Visit = (
  access: RepositoryAccess,
  request: string,
  kind?: RequestKind
) => Effect.Effect<RegistryStore, RegistryError>

const visiting = (
  registries: MemoryRegistries,
  { limiter: answer, onRequest }: RegistryClientMemoryOptions,
  limiter: RateLimiter
): Visit =>
  Effect.fnUntraced(function* (access, request, kind = "Other") {
    const { registry } = access.repository
    const answered = Effect.map(Clock.currentTimeMillis, (now) => {
      onRequest?.(request)
      return answer?.({ registry, kind, now }) ?? ANSWERED
    })
    const head = yield* limiter.run(access, kind, request.split(" ")[0] ?? "", answered)
    if (head.status === 429) {
      const refusal = RegistryError.of("RateLimited", access.repository, `${request} answered 429`)
      return yield* limiter.explain(access, refusal)
    }
    const found = registries.get(registry)
    if (found !== undefined) return found
    return yield* RegistryError.of(
      "Unreachable",
      access.repository,
      "the registry is not one of the registries in memory"
    )
  })

type Service = RegistryClient["Service"]

const listsOf = (visit: Visit): Pick<Service, "tags" | "referrers" | "notices" | "delegate"> => ({
  // These registries are in this process. They name no token server.
  delegate: Effect.succeed,

  tags: (access) =>
    Effect.flatMap(visit(access, `LIST ${formatRepository(access.repository)}`), (registry) => {
      const tags = registry.tags(access.repository.path)
      return tags === undefined ? Effect.fail(notFound(access, "such repository")) : Effect.succeed(tags)
    }),

  referrers: (access, digest) =>
    Effect.map(visit(access, `REFERRERS ${named(access, digest)}`), (registry) =>
      registry.referrers(access.repository.path, digest)
    ),

  notices: () => Effect.succeed([])
})

const manifestsOf = (visit: Visit): Pick<Service, "head" | "manifest" | "putManifest"> => {
  const cache = new ManifestCache()
  return {
    head: (access, reference) =>
      Effect.map(visit(access, `HEAD ${named(access, reference)}`, "Head"), (registry) =>
        Option.map(Option.fromNullishOr(registry.manifest(access.repository.path, reference)), descriptorOf)
      ),

    manifest: Effect.fnUntraced(function* (access, reference) {
      const known = cache.get(access, reference)
      if (known !== undefined) return known
      const registry = yield* visit(access, `GET ${named(access, reference)}`, "Pull")
      const found = registry.manifest(access.repository.path, reference)
      if (found === undefined) return yield* notFound(access, `manifest ${reference}`)
      return cache.set(access, { ...descriptorOf(found), bytes: found.bytes })
    }),

    putManifest: Effect.fnUntraced(function* (access, reference, manifest) {
      const registry = yield* visit(access, `PUT ${named(access, reference)}`)
      const { path } = access.repository
      if (isDigest(reference) && !hasDigest(manifest.bytes, reference)) {
        return yield* RegistryError.of("DigestMismatch", access.repository, `the bytes are not those of ${reference}`)
      }
      const missing = missingPart(registry, path, manifest)
      if (missing !== undefined) {
        return yield* RegistryError.of("PushRefused", access.repository, `${missing.digest} is not in the repository`)
      }
      registry.putManifest(path, reference, manifest.bytes, manifest.mediaType)
      cache.set(access, manifest)
      return { subject: Option.fromNullishOr(subjectOf(manifest.bytes)?.digest) }
    })
  }
}

const blobsOf = (visit: Visit): Pick<Service, "hasBlob" | "blob" | "putBlob" | "mountBlob" | "copyBlob"> => ({
  hasBlob: (access, blob) =>
    Effect.map(
      visit(access, `HEAD ${named(access, blob.digest)}`),
      (registry) => registry.blob(access.repository.path, blob.digest) !== undefined
    ),

  blob: (access, blob) =>
    Stream.unwrap(
      Effect.map(visit(access, `GET ${named(access, blob.digest)}`), (registry) => {
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
      const registry = yield* visit(access, `PUT ${named(access, blob.digest)}`)
      const content = Buffer.concat(yield* Stream.runCollect(bytes))
      if (!hasDigest(content, blob.digest)) {
        return yield* RegistryError.of(
          "DigestMismatch",
          access.repository,
          `blob ${blob.digest} has bytes of another digest`
        )
      }
      registry.putBlob(access.repository.path, content, blob.digest)
    }),

  mountBlob: (access, blob, from) =>
    Effect.map(visit(access, `MOUNT ${named(access, blob.digest)}`), (registry) => mount(registry, access, blob, from)),

  copyBlob: Effect.fnUntraced(function* ({ blob, destination, mountFrom, onBytes, source }) {
    const to = yield* onSide("destination")(visit(destination, `POST ${named(destination, blob.digest)}`))
    if (mountFrom !== undefined && mount(to, destination, blob, mountFrom)) return "Mounted"
    const from = yield* onSide("source")(visit(source, `GET ${named(source, blob.digest)}`))
    const bytes = from.blob(source.repository.path, blob.digest)
    if (bytes === undefined) return yield* notFound(source, `blob ${blob.digest}`).at("source")
    onBytes?.(bytes.length)
    to.putBlob(destination.repository.path, bytes, blob.digest)
    return "Sent"
  })
})

const named = (access: RepositoryAccess, reference: string): string =>
  `${formatRepository(access.repository)}${isDigest(reference) ? "@" : ":"}${reference}`

const notFound = (access: RepositoryAccess, what: string): RegistryError =>
  RegistryError.of("NotFound", access.repository, `there is no ${what}`)

const descriptorOf = ({ bytes, digest, mediaType }: StoredManifest): Descriptor => ({
  digest,
  mediaType,
  size: bytes.length
})

/** The first part of a manifest that the repository lacks. Most registries refuse a manifest with a missing part. */
const missingPart = (
  registry: RegistryStore,
  path: string,
  manifest: Manifest
): Pick<Descriptor, "digest"> | undefined => {
  const parts = Option.getOrUndefined(partsOf(manifest))
  const children = parts?._tag === "Index" ? parts.children : []
  return (
    children.find(({ digest }) => registry.manifest(path, digest) === undefined) ??
    parts?.blobs.find((blob) => !isForeign(blob) && registry.blob(path, blob.digest) === undefined)
  )
}

const mount = (registry: RegistryStore, access: RepositoryAccess, blob: BlobDescriptor, from: string): boolean => {
  const bytes = registry.blob(from, blob.digest)
  if (bytes === undefined) return false
  registry.putBlob(access.repository.path, bytes, blob.digest)
  return true
}

/**
 * Makes empty registries of the given names.
 *
 * @example
 * ```ts
 * const registries = RegistryClientMemory.registriesOf("quay.io", "registry.corp")
 * ```
 */
export const registriesOf = (...names: ReadonlyArray<string>): Map<string, RegistryStore> =>
  new Map(names.map((name) => [name, new RegistryStore()]))
