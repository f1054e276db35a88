/** Registries over HTTP. */
import { Duration, Effect, Layer } from "effect"
import { type HttpClientOptions, makeHttpClient } from "../http/HttpClient.ts"
import * as Budget from "./limits/RateLimiter.ts"
import { makeBlobs } from "./protocol/blobs.ts"
import { makeCopyBlob } from "./protocol/transfer.ts"
import { makeUploads } from "./protocol/uploads.ts"
import * as Manifests from "./protocol/manifests.ts"
import * as Notices from "./pipeline/notices.ts"
import { RegistryClient } from "./RegistryClient.ts"
import * as Requests from "./pipeline/requests.ts"
import * as TagPages from "./protocol/tags.ts"
import { makeTransport } from "./pipeline/transport.ts"

export interface RegistryClientHttpOptions extends Budget.BudgetOptions, Partial<HttpClientOptions> {
  /** How long one request may take, body included, where the body is small. Default 60 seconds. */
  readonly timeout?: Duration.Input
  /** The pause before a failed read is tried again, doubled each time; two more tries. Default 250 ms. */
  readonly retryDelay?: Duration.Input
}

const make = Effect.fnUntraced(function* (options: RegistryClientHttpOptions) {
  const retryDelay = options.retryDelay ?? "250 millis"
  const budget = yield* Budget.make(options)
  const http = yield* makeHttpClient({ ...options, userAgent: options.userAgent ?? "skopeo-operator" })
  const transport = makeTransport(http, budget)
  const notices = Notices.make()
  const requests = yield* Requests.make(transport, budget, notices, {
    timeout: Duration.fromInputUnsafe(options.timeout ?? "60 seconds"),
    retryDelay
  })
  const tags = TagPages.make(requests)
  const blobs = makeBlobs(requests)
  const uploads = makeUploads(transport, requests)
  return RegistryClient.of({
    tags,
    notices: (repository) => notices.of({ repository }),
    ...Manifests.make(requests, tags),
    hasBlob: blobs.hasBlob,
    blob: blobs.blob,
    putBlob: uploads.putBlob,
    mountBlob: uploads.mountBlob,
    copyBlob: makeCopyBlob(blobs, uploads, retryDelay),
    allowance: budget.allowance,
    reserve: budget.reserve
  })
})

/** Connections are pooled for the life of the layer. */
export const layer = (options: RegistryClientHttpOptions = {}): Layer.Layer<RegistryClient> =>
  Layer.effect(RegistryClient, make(options))
