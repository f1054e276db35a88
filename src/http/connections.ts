/** Connections of each kind that requests need: by whether certificates are checked, and by where they may lead. */
import { Effect } from "effect"
import type { Addresses, Reach } from "./addresses.ts"
import { BlobReader } from "./bulk.ts"
import { contextTrusting } from "./certificates.ts"
import { exchange } from "./exchange.ts"
import { type HttpAnswer, type HttpRequest, withHeaders } from "./Http.ts"
import type { Proxy } from "./Proxy.ts"
import * as Ways from "./agents.ts"

export interface ConnectionOptions {
  readonly userAgent: string
  readonly certificates: ReadonlyArray<string>
  readonly proxyFor: (url: URL) => Proxy | undefined
  readonly addresses: Addresses
}

const CONNECTIONS = 16
const CONNECT_MILLIS = 10_000

/** A pool has one TLS setting and one way to look up names; nothing else connects to registries. */
export const make = Effect.fnUntraced(function* (options: ConnectionOptions) {
  const { addresses, certificates, proxyFor, userAgent } = options
  const secureContext = certificates.length === 0 ? undefined : contextTrusting(certificates)

  const senderWith = (tlsVerify: boolean, reach: Reach) =>
    Effect.map(
      Ways.make({
        tlsVerify,
        secureContext,
        lookup: addresses.lookupWithin(reach),
        proxyFor,
        connections: CONNECTIONS,
        connectMillis: CONNECT_MILLIS
      }),
      (wayTo) =>
        (url: URL, request: HttpRequest): Effect.Effect<HttpAnswer, unknown> =>
          exchange(wayTo(url), withHeaders(request, { "user-agent": userAgent }), CONNECT_MILLIS)
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
    Effect.all({ send: senderWith(tlsVerify, reach), reader: readerWith(tlsVerify, reach) })

  const verifying = { any: yield* meansWith(true, "any"), public: yield* meansWith(true, "public") }
  const trusting = { any: yield* meansWith(false, "any"), public: yield* meansWith(false, "public") }
  return (tlsVerify: boolean, reach: Reach) => (tlsVerify ? verifying : trusting)[reach]
})
