/** Explains failed connections to users, with the remedy. Pure. */
import { Duration } from "effect"
import type { ConnectionError } from "./ConnectionError.ts"

/** The field of an Image with which a user accepts a registry without verified TLS. */
export const UNVERIFIED_BY = "tlsVerify: false"

/**
 * Describes a failure, to be read after the method and path: `failed: nothing listens at the address; …`. `unverifiedBy` is the
 * field or flag with which the user accepts a registry without verified TLS.
 */
export const describeFailure = (error: ConnectionError, unverifiedBy = UNVERIFIED_BY): string => {
  const { isAnswered, proxy, reason } = error
  if (reason._tag === "Idle") {
    const time = Duration.format(Duration.millis(reason.millis))
    return isAnswered ? `brought no byte for ${time}` : `sent no byte for ${time}`
  }
  return `${isAnswered ? "broke off" : "failed"}: ${proxy === undefined ? "" : `through the proxy ${proxy.host} (${proxy.variable}): `}${meaningOf(error, unverifiedBy)}`
}

/** OpenSSL reads an answer in plain HTTP as a TLS record of an unknown version or an impossible length. */
const NO_TLS = new Set(["ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_PACKET_LENGTH_TOO_LONG"])
const UNTRUSTED =
  /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|CERT_HAS_EXPIRED|ALTNAME_INVALID|CERT_SIGNATURE_FAILURE/u

/** The meaning of a failure, and the remedy. If a proxy is used, the failed connection is the one to the proxy. */
const meaningOf = ({ detail, reason }: ConnectionError, unverifiedBy: string): string => {
  switch (reason._tag) {
    case "Dns":
      return `the host name does not resolve; check the registry's name (${reason.code})`
    case "Refused":
      return `nothing listens at the address; check the host and the port (${reason.code})`
    case "Tls":
      if (NO_TLS.has(reason.code)) {
        return `the host answers without TLS; set ${unverifiedBy} if plain HTTP is intended (${reason.code})`
      }
      return UNTRUSTED.test(reason.code)
        ? `the host's certificate is not trusted; trust its CA (REGISTRY_CA_FILE) or set ${unverifiedBy} (${reason.code})`
        : detail
    case "ProxyRefused":
      return reason.status === 407
        ? "the proxy requires a user and password, or refuses the configured ones (407); write them into the variable as http://USER:PASSWORD@HOST:PORT"
        : `the proxy refuses to connect to the host (${reason.status}); ask the proxy's administrator, or name the registry in NO_PROXY`
    case "GatewayFailed":
      return `the proxy, or the host behind the proxy, answered ${reason.status}; ask the proxy's administrator, or name the registry in NO_PROXY`
    case "AddressRefused":
      return `${reason.host} has the address ${reason.address}, to which no connection is allowed`
    case "Timeout":
      return "no connection was made in time; check the host, the port and firewalls (ETIMEDOUT)"
    case "Closed":
    case "Idle":
    case "NotHttp":
    case "InvalidRequest":
    case "BodyFailed":
    case "Other":
      return detail
  }
}
