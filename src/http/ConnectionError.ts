/** The error of an HTTP request that gets no answer, or not the whole answer. Only this file reads Node's errors. */
import { Schema } from "effect"
import { innermostCause } from "../text/Cause.ts"
import { excerpt } from "../text/line.ts"

/**
 * The kinds of address. Each kind is closer to this machine than the one before. `link-local` includes the metadata
 * services of clouds, and addresses that no host has.
 */
export const AddressKind = Schema.Literals(["public", "private", "loopback", "link-local"])
export type AddressKind = typeof AddressKind.Type

const code = Schema.String

/**
 * - `Dns`: the host's name has no address
 * - `Refused`: nothing listens at the address
 * - `Timeout`: no connection within the time limit
 * - `Tls`: no TLS with the host; `code` is OpenSSL's, or Node's code of a certificate's error
 * - `ProxyRefused`: the proxy refused the request; `status` is the proxy's
 * - `GatewayFailed`: by plain HTTP, a proxy or the host behind it answered 502 or 504
 * - `AddressRefused`: the host has an address to which this client must not connect
 * - `Closed`: the connection ended before the answer did
 * - `Idle`: no byte passed within the time limit
 * - `NotHttp`: the answer is not HTTP, or exceeds the bounds for a head or body
 * - `InvalidRequest`: the request has a header that HTTP cannot carry; nothing was sent
 * - `BodyFailed`: the source of the request's body failed, or brought another number of bytes than announced
 * - `Other`: any other error of Node
 */
export const ConnectionErrorReason = Schema.Union([
  Schema.TaggedStruct("Dns", { code }),
  Schema.TaggedStruct("Refused", { code }),
  Schema.TaggedStruct("Timeout", {}),
  Schema.TaggedStruct("Tls", { code }),
  Schema.TaggedStruct("ProxyRefused", { status: Schema.Int }),
  Schema.TaggedStruct("GatewayFailed", { status: Schema.Int }),
  Schema.TaggedStruct("AddressRefused", { host: Schema.String, address: Schema.String, kind: AddressKind }),
  Schema.TaggedStruct("Closed", {}),
  Schema.TaggedStruct("Idle", { millis: Schema.Finite }),
  Schema.TaggedStruct("NotHttp", {}),
  Schema.TaggedStruct("InvalidRequest", {}),
  Schema.TaggedStruct("BodyFailed", {}),
  Schema.TaggedStruct("Other", {})
])
export type ConnectionErrorReason = typeof ConnectionErrorReason.Type

/** How far a request got. */
export interface Progress {
  /** Whether there was a connection, with TLS if the URL is `https:`. Without a connection nothing was sent. */
  readonly isConnected: boolean
  /** Whether the answer had begun. */
  readonly isAnswered: boolean
}

/** A request over HTTP that failed. {@link describeFailure} says the failure in words. */
export class ConnectionError extends Schema.TaggedError<ConnectionError>()("ConnectionError", {
  reason: ConnectionErrorReason,
  isConnected: Schema.Boolean,
  isAnswered: Schema.Boolean,
  /** The proxy that the request went through: its name and port, and the variable that names it. */
  proxy: Schema.optionalKey(Schema.Struct({ host: Schema.String, variable: Schema.String })),
  /** The text of Node or OpenSSL, in one line. */
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.reason._tag}: ${this.detail}`
  }

  static of(
    reason: ConnectionErrorReason,
    detail: string,
    { isAnswered, isConnected }: Progress = UNCONNECTED
  ): ConnectionError {
    return new ConnectionError({ reason, detail: excerpt(detail), isConnected, isAnswered })
  }

  static timedOut(): ConnectionError {
    return ConnectionError.of({ _tag: "Timeout" }, "ETIMEDOUT")
  }

  /** The same error, of a request that went through a proxy. */
  viaProxy({ host, variable }: { readonly host: string; readonly variable: string }): ConnectionError {
    const { detail, isAnswered, isConnected, reason } = this
    return new ConnectionError({ detail, isAnswered, isConnected, reason, proxy: { host, variable } })
  }

  /** Makes the error of whatever Node, or another function of this room, threw. */
  static from(cause: unknown, progress: Progress): ConnectionError {
    const causes = [...causesOf(cause)]
    const known = causes.find((one) => one instanceof ConnectionError)
    if (known !== undefined) return new ConnectionError({ ...fieldsOf(known), ...progress })
    return ConnectionError.of(reasonOf(causes.map(codeOf).filter(Boolean)), innermostCause(cause), progress)
  }
}

const UNCONNECTED: Progress = { isConnected: false, isAnswered: false }

const fieldsOf = ({ detail, proxy, reason }: ConnectionError) => ({
  detail,
  reason,
  ...(proxy === undefined ? {} : { proxy })
})

/** The most causes that are followed. Node nests fewer. */
const DEPTH = 10

function* causesOf(cause: unknown): Generator {
  let current = cause
  for (let depth = 0; depth < DEPTH && typeof current === "object" && current !== null; depth++) {
    yield current
    // Node tries every address of a host and wraps the errors of all of them.
    const errors: unknown = Reflect.get(current, "errors")
    current = Reflect.get(current, "cause") ?? (Array.isArray(errors) ? errors[0] : undefined)
  }
}

const codeOf = (cause: unknown): string => {
  if (typeof cause !== "object" || cause === null) return ""
  const value: unknown = Reflect.get(cause, "code")
  return typeof value === "string" ? value : ""
}

/** Codes from Node's documentation of `tls` and `errors`, and from the manual page of getaddrinfo. */
const REASONS: ReadonlyArray<readonly [RegExp, (code: string) => ConnectionErrorReason]> = [
  [/^(?:ENOTFOUND|EAI_[A-Z]+)$/u, (found) => ({ _tag: "Dns", code: found })],
  [/^ECONNREFUSED$/u, (found) => ({ _tag: "Refused", code: found })],
  [/^ETIMEDOUT$/u, () => ({ _tag: "Timeout" })],
  [
    /^(?:ERR_SSL_.+|ERR_TLS_.+|EPROTO|UNABLE_TO_.+|CERT_.+|CRL_.+|ERROR_IN_C.+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH)$/u,
    (found) => ({ _tag: "Tls", code: found })
  ],
  [/^(?:ECONNRESET|EPIPE|ECONNABORTED|ERR_STREAM_PREMATURE_CLOSE|ABORT_ERR)$/u, () => ({ _tag: "Closed" })],
  [/^HPE_/u, () => ({ _tag: "NotHttp" })],
  [/^(?:ERR_INVALID_CHAR|ERR_INVALID_HTTP_TOKEN|ERR_UNESCAPED_CHARACTERS)$/u, () => ({ _tag: "InvalidRequest" })]
]

/** The reason of the innermost known code. The outer codes only say that something failed. */
const reasonOf = (codes: ReadonlyArray<string>): ConnectionErrorReason => {
  for (const one of codes.toReversed()) {
    const found = REASONS.find(([pattern]) => pattern.test(one))
    if (found !== undefined) return found[1](one)
  }
  return { _tag: "Other" }
}
