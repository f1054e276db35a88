/** Clients of each kind that requests need: by whether certificates are checked, and by where they may lead. */
import { NodeHttpClient } from "@effect/platform-node"
import { Effect } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import type { Addresses, Reach } from "./Addresses.ts"
import { BlobReader } from "./BlobReader.ts"
import { contextTrusting } from "./Certificates.ts"
import * as Dispatcher from "./Dispatcher.ts"
import type { Proxies, Proxy } from "./Proxy.ts"

export interface ConnectionOptions {
  readonly userAgent: string
  readonly certificates: ReadonlyArray<string>
  readonly proxies: Proxies
  readonly proxyFor: (url: URL) => Proxy | undefined
  readonly addresses: Addresses
}

const CONNECTIONS = 16
const CONNECT_MILLIS = 10_000

/** An agent has one TLS setting and one way to look up names; nothing else builds clients for registries. */
export const make = Effect.fnUntraced(function* (options: ConnectionOptions) {
  const { addresses, certificates, proxies, proxyFor, userAgent } = options
  const secureContext = certificates.length === 0 ? undefined : contextTrusting(certificates)

  const clientWith = (tlsVerify: boolean, reach: Reach) =>
    NodeHttpClient.makeUndici.pipe(
      Effect.provideServiceEffect(
        NodeHttpClient.Dispatcher,
        Dispatcher.make({
          tlsVerify,
          secureContext,
          lookup: addresses.lookupWithin(reach),
          proxies: [proxies.https, proxies.http].filter((proxy) => proxy !== undefined),
          proxyFor,
          connections: CONNECTIONS,
          connectMillis: CONNECT_MILLIS
        })
      ),
      Effect.map(HttpClient.mapRequest(HttpClientRequest.setHeader("user-agent", userAgent)))
    )
  const readerWith = (tlsVerify: boolean, reach: Reach) =>
    Effect.acquireRelease(
      Effect.sync(
        () =>
          new BlobReader({
            rejectUnauthorized: tlsVerify,
            ...(secureContext === undefined ? {} : { secureContext }),
            lookup: addresses.lookupWithin(reach),
            connectMillis: CONNECT_MILLIS,
            idleConnections: CONNECTIONS
          })
      ),
      (reader) => Effect.sync(() => reader.close())
    )
  const meansWith = (tlsVerify: boolean, reach: Reach) =>
    Effect.all({ client: clientWith(tlsVerify, reach), reader: readerWith(tlsVerify, reach) })

  const verifying = { any: yield* meansWith(true, "any"), public: yield* meansWith(true, "public") }
  const trusting = { any: yield* meansWith(false, "any"), public: yield* meansWith(false, "public") }
  return (tlsVerify: boolean, reach: Reach) => (tlsVerify ? verifying : trusting)[reach]
})
