/** What the failures of connections mean to a user, and what to do about them. Pure. */
import { Duration } from "effect"
import type { ConnectionError } from "./ConnectionError.ts"

/** In words that follow what was asked: `failed: nothing listens there; …`. */
export const describeFailure = (error: ConnectionError): string => {
  const { isAnswered, proxy, reason } = error
  if (reason._tag === "Idle") {
    const time = Duration.format(Duration.millis(reason.millis))
    return isAnswered ? `brought nothing for ${time}` : `stood still for ${time}`
  }
  return `${isAnswered ? "broke off" : "failed"}: ${proxy === undefined ? "" : `through the proxy ${proxy.host} (${proxy.variable}): `}${meaningOf(error)}`
}

/** OpenSSL reads an answer without TLS as a record of a version or a length that there is not. */
const NO_TLS = new Set(["ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_PACKET_LENGTH_TOO_LONG"])
const UNTRUSTED =
  /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|CERT_HAS_EXPIRED|ALTNAME_INVALID|CERT_SIGNATURE_FAILURE/u

/** What a failure means, and what to do. Where a proxy is used, what cannot be reached is the proxy. */
const meaningOf = ({ detail, reason }: ConnectionError): string => {
  switch (reason._tag) {
    case "Dns":
      return `there is no host of that name; check the registry's name (${reason.code})`
    case "Refused":
      return `nothing listens there; check the host and the port (${reason.code})`
    case "Tls":
      if (NO_TLS.has(reason.code)) {
        return `the host answers without TLS; set tlsVerify: false if plain HTTP is meant (${reason.code})`
      }
      return UNTRUSTED.test(reason.code)
        ? `the host's certificate is not trusted; trust its CA (REGISTRY_CA_FILE) or set tlsVerify: false (${reason.code})`
        : detail
    case "ProxyRefused":
      return reason.status === 407
        ? "it wants a user and password, or refuses those it was given (407); write them into the variable as http://USER:PASSWORD@HOST:PORT"
        : `it refuses to connect to it (${reason.status}); ask who runs it, or name the registry in NO_PROXY`
    case "GatewayFailed":
      return `it, or the host behind it, answered ${reason.status}; ask who runs it, or name the registry in NO_PROXY`
    case "AddressRefused":
      return `${reason.host} is at ${reason.address}, which is not connected to`
    case "Timeout":
      return "no connection could be made in time (ETIMEDOUT)"
    case "Closed":
    case "Idle":
    case "NotHttp":
    case "InvalidRequest":
    case "BodyFailed":
    case "Other":
      return detail
  }
}
