/** What a request over HTTP fails with when no answer comes, or not all of it: the one place that reads Node's errors. */
import { Schema } from "effect"
import { innermostCause } from "../text/Cause.ts"
import { excerpt } from "../text/line.ts"

/** Which kinds of address there are; each is closer to this machine than the one before. */
export const AddressKind = Schema.Literals(["public", "private", "link-local"])
export type AddressKind = typeof AddressKind.Type

const code = Schema.String

/**
 * - `Dns`: the host's name has no address
 * - `Refused`: nothing listens at the address
 * - `Timeout`: no connection within its limit of time
 * - `Tls`: no TLS with the host; `code` is OpenSSL's or that of a certificate
 * - `ProxyRefused`: the proxy does not let the request through; `status` is the proxy's
 * - `GatewayFailed`: by plain HTTP, a proxy or the host behind it answered 502 or 504
 * - `AddressRefused`: the host has an address that must not be connected to
 * - `Closed`: the connection ended before the answer did
 * - `Idle`: no byte passed within the limit of time
 * - `NotHttp`: the answer is not HTTP, or not within its bounds
 * - `InvalidRequest`: the request has a header that cannot be written; nothing was sent
 * - `BodyFailed`: the bytes to send failed, or were not as many as announced
 * - `Other`: anything else that Node says
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

/** How far a request had come. */
export interface Progress {
  /** Whether there was a connection, with TLS where the URL asks for it: without, nothing was sent. */
  readonly isConnected: boolean
  /** Whether the answer had begun. */
  readonly isAnswered: boolean
}

/** Failures in words: {@link describeFailure}. */
export class ConnectionError extends Schema.TaggedError<ConnectionError>()("ConnectionError", {
  reason: ConnectionErrorReason,
  isConnected: Schema.Boolean,
  isAnswered: Schema.Boolean,
  /** The proxy that the request went through: its name and port, and the variable that names it. */
  proxy: Schema.optionalKey(Schema.Struct({ host: Schema.String, variable: Schema.String })),
  /** What Node or OpenSSL says, in one line. */
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

  /** The same of a request that went through a proxy. */
  through({ host, variable }: { readonly host: string; readonly variable: string }): ConnectionError {
    const { detail, isAnswered, isConnected, reason } = this
    return new ConnectionError({ detail, isAnswered, isConnected, reason, proxy: { host, variable } })
  }

  /** What Node, or one of this room, failed a request with. */
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

/** More are not nested. */
const DEPTH = 10

function* causesOf(cause: unknown): Generator {
  let current = cause
  for (let depth = 0; depth < DEPTH && typeof current === "object" && current !== null; depth++) {
    yield current
    // Node tries every address of a host and wraps what each of them answered.
    const errors: unknown = Reflect.get(current, "errors")
    current = Reflect.get(current, "cause") ?? (Array.isArray(errors) ? errors[0] : undefined)
  }
}

const codeOf = (cause: unknown): string => {
  if (typeof cause !== "object" || cause === null) return ""
  const value: unknown = Reflect.get(cause, "code")
  return typeof value === "string" ? value : ""
}

/** By Node's documents of `tls` and `errors`, and the man page of getaddrinfo. */
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

/** The reason of the innermost known code: the outer ones only tell that something failed. */
const reasonOf = (codes: ReadonlyArray<string>): ConnectionErrorReason => {
  for (const one of codes.toReversed()) {
    const found = REASONS.find(([pattern]) => pattern.test(one))
    if (found !== undefined) return found[1](one)
  }
  return { _tag: "Other" }
}
