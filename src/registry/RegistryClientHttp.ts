/** {@link RegistryClient} over HTTP. */
import { Context, Effect, Layer } from "effect"
import { makeRateLimiter, type RateLimiterOptions } from "./limits/RateLimiter.ts"
import { RegistryLimits } from "./limits/RegistryLimits.ts"
import { makeNotices } from "./pipeline/notices.ts"
import { makePipeline, type PipelineOptions, RETRY_DELAY } from "./pipeline/pipeline.ts"
import { makeBlobs } from "./protocol/blobs.ts"
import { HeadSupport } from "./protocol/HeadSupport.ts"
import { makeManifests } from "./protocol/manifests.ts"
import { makeReferrers } from "./protocol/referrers.ts"
import { makeListTags } from "./protocol/tags.ts"
import { makeCopyBlob } from "./protocol/transfer.ts"
import { makeUploads } from "./protocol/uploads.ts"
import { RegistryClient } from "./RegistryClient.ts"

/** The options give the proxies and certificates. The layer does not read the environment. */
export interface RegistryClientHttpOptions extends RateLimiterOptions, Partial<PipelineOptions> {}

const make = Effect.fnUntraced(function* (options: RegistryClientHttpOptions) {
  const limiter = yield* makeRateLimiter(options)
  const notices = makeNotices()
  const { delegate, send } = yield* makePipeline({ userAgent: "skopeo-operator", ...options }, limiter, notices)
  const heads = new HeadSupport()
  const tags = makeListTags(send)
  const manifests = makeManifests(send, tags, heads)
  const blobs = makeBlobs(send, heads)
  const uploads = makeUploads(send)
  const client = RegistryClient.of({
    tags,
    ...manifests,
    referrers: makeReferrers(send, manifests),
    hasBlob: blobs.hasBlob,
    blob: blobs.blob,
    putBlob: uploads.putBlob,
    mountBlob: uploads.mountBlob,
    copyBlob: makeCopyBlob(blobs, uploads, options.retryDelay ?? RETRY_DELAY),
    delegate,
    notices: notices.of
  })
  return Context.make(RegistryClient, client).pipe(Context.add(RegistryLimits, limiter))
})

/**
 * A client of all registries, and the limits that its requests share. Connections are pooled for the life of the layer.
 *
 * **Gotchas**
 *
 * - One layer has one account of each registry's limits. Two layers in a process send twice as many requests.
 * - Credentials go by plain HTTP only to the hosts of `plainHttp`.
 *
 * @example
 * ```ts
 * import { Effect, Option, Result } from "effect"
 * import { parseReference, RegistryClient, RegistryClientHttp } from "skopeo-operator/registry"
 *
 * const tags = Effect.gen(function* () {
 *   const client = yield* RegistryClient
 *   const { repository } = Result.getOrThrow(parseReference("quay.io/argoproj/argocd"))
 *   return yield* client.tags({ repository, tlsVerify: true, credential: Option.none() })
 * }).pipe(Effect.provide(RegistryClientHttp.layer()))
 * ```
 */
export const layer = (options: RegistryClientHttpOptions = {}): Layer.Layer<RegistryClient | RegistryLimits> =>
  Layer.effectContext(make(options))
