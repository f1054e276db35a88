/** What the failures of connections mean to a user, and what to do about them. Pure. */
import { innermostCause } from "../text/Cause.ts"
import { excerpt } from "../text/line.ts"
import type { Proxy } from "./Proxy.ts"

/** A proxy's answer to who wants to get through it. */
export class ProxyRefused extends Error {
  readonly status: number

  constructor(status: number) {
    super(`the proxy answered ${status}`)
    this.status = status
  }
}

/** In words that follow "failed: ". */
export const describeFailure = (cause: unknown, proxy: Proxy | undefined): string => {
  const words = innermostCause(cause)
  return proxy === undefined ? connectionFailure(words) : proxyFailure(proxy, cause, words)
}

/** What a proxy's failures mean: whatever cannot be reached is the proxy, for the rest of the way is its own. */
const proxyFailure = ({ host, variable }: Proxy, cause: unknown, words: string): string => {
  const what = !(cause instanceof ProxyRefused)
    ? connectionFailure(words)
    : cause.status === 407
      ? "it wants a user and password, or refuses those it was given (407); write them into the variable as http://USER:PASSWORD@HOST:PORT"
      : `it refuses to connect to it (${cause.status}); ask who runs it, or name the registry in NO_PROXY`
  return `through the proxy ${host} (${variable}): ${what}`
}

/** What the commonest failures of a connection mean, and what to do. */
const CONNECTION_FAILURES: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|wrong version number|packet length too long/u,
    "the host answers without TLS; set tlsVerify: false if plain HTTP is meant"
  ],
  [
    /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|CERT_HAS_EXPIRED|ALTNAME_INVALID|CERT_SIGNATURE_FAILURE|self-signed|unable to verify/u,
    "the host's certificate is not trusted; trust its CA (REGISTRY_CA_FILE) or set tlsVerify: false"
  ],
  [/ECONNREFUSED/u, "nothing listens there; check the host and the port"],
  [/ENOTFOUND|EAI_AGAIN/u, "there is no host of that name; check the registry's name"]
]

const connectionFailure = (cause: string): string => {
  for (const [pattern, meaning] of CONNECTION_FAILURES) {
    const code = pattern.exec(cause)?.[0]
    if (code !== undefined) return `${meaning} (${code})`
  }
  return excerpt(cause)
}
