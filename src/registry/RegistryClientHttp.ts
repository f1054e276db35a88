/** Registries over HTTP. */
import { Duration, Effect, Layer } from "effect"
import * as Blobs from "./protocol/blobs.ts"
import * as Budget from "./limits/RateLimiter.ts"
import * as Manifests from "./protocol/manifests.ts"
import * as Notices from "./pipeline/notices.ts"
import type { Proxies } from "../http/Proxy.ts"
import { RegistryClient } from "./RegistryClient.ts"
import * as Requests from "./pipeline/requests.ts"
import * as TagPages from "./protocol/tags.ts"
import * as Transport from "./pipeline/transport.ts"

export interface RegistryClientHttpOptions extends Budget.BudgetOptions {
  /** How long one request may take, body included, where the body is small. Default 60 seconds. */
  readonly timeout?: Duration.Input
  /** How long a blob's bytes may stand still. Default 60 seconds. */
  readonly idleTimeout?: Duration.Input
  /** The pause before a failed read is tried again, doubled each time; two more tries. Default 250 ms. */
  readonly retryDelay?: Duration.Input
  /** Sent as User-Agent. */
  readonly userAgent?: string
  /** Certificates of authorities, PEM, that are trusted beside the system's. */
  readonly certificates?: ReadonlyArray<string>
  /** The proxies that lead to registries; default none. The environment is not looked at. */
  readonly proxies?: Proxies
  /**
   * Hosts that registries may lead to, by a token server or a redirect, though their addresses are private:
   * `tokens.corp,.storage.corp,10.1.0.0/16`. A registry that is private itself may lead to any.
   */
  readonly privateHosts?: string
}

const make = Effect.fnUntraced(function* (options: RegistryClientHttpOptions) {
  const idleTimeout = Duration.fromInputUnsafe(options.idleTimeout ?? "60 seconds")
  const retryDelay = options.retryDelay ?? "250 millis"
  const budget = yield* Budget.make(options)
  const transport = yield* Transport.make({
    budget,
    userAgent: options.userAgent ?? "skopeo-operator",
    certificates: options.certificates ?? [],
    proxies: options.proxies ?? {},
    privateHosts: options.privateHosts ?? ""
  })
  const notices = Notices.make()
  const requests = yield* Requests.make(transport, budget, notices, {
    timeout: Duration.fromInputUnsafe(options.timeout ?? "60 seconds"),
    retryDelay
  })
  const tags = TagPages.make(requests)
  return RegistryClient.of({
    tags,
    notices: (repository) => notices.of({ repository }),
    ...Manifests.make(requests, tags),
    ...Blobs.make(transport, requests, { idleTimeout, retryDelay }),
    allowance: budget.allowance,
    reserve: budget.reserve
  })
})

/** Connections are pooled for the life of the layer. */
export const layer = (options: RegistryClientHttpOptions = {}): Layer.Layer<RegistryClient> =>
  Layer.effect(RegistryClient, make(options))
