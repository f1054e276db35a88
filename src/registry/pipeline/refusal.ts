/** Turns an unexpected answer into an error that a user can act on. */
import { Clock, Effect, Option, Schema } from "effect"
import type { HttpHead } from "../../http/Http.ts"
import { MEDIA_TYPE } from "../../oci/Manifest.ts"
import { registryHost } from "../../oci/Reference.ts"
import { excerpt } from "../../text/line.ts"
import { retryAfterMillis, retryAfterSaid } from "../../text/retryAfter.ts"
import type { RegistryError } from "../RegistryError.ts"
import { withoutBrought, withoutSecrets } from "../RepositoryAccess.ts"
import { howToCreate } from "../vendors.ts"
import { causeInWords, causeOfStatus, type RefusalCause, REMEDIES } from "../refusalCause.ts"
import { errorOf, isRead, type RegistryRequest, type RegistryResponse, shownHost, shownOperation } from "./request.ts"

const Refusal = Schema.fromJsonString(
  Schema.Struct({
    errors: Schema.Array(
      Schema.Struct({
        code: Schema.optional(Schema.String),
        message: Schema.optional(Schema.String),
        detail: Schema.optional(Schema.Unknown)
      })
    )
  })
)

/** The error of an unexpected answer. */
export const refusalOf = (request: RegistryRequest, response: RegistryResponse): Effect.Effect<RegistryError> =>
  Effect.map(Clock.currentTimeMillis, (now) => refusalAt(request, response, now))

/** Fails with the error of an unexpected answer. */
export const refused = (request: RegistryRequest, response: RegistryResponse): Effect.Effect<never, RegistryError> =>
  Effect.flatMap(refusalOf(request, response), (error) => {
    response.stream?.discard()
    return Effect.fail(error)
  })

const refusalAt = (request: RegistryRequest, response: RegistryResponse, now: number): RegistryError => {
  const { access } = request
  const { status } = response
  const isPush = !isRead(request)
  const text = textOf(response)
  const errors = Option.match(Schema.decodeUnknownOption(Refusal)(text), {
    onNone: () => [],
    onSome: (refusal) => refusal.errors
  })
  const codes = new Set(errors.map(({ code }) => code))
  const words = errors.map(wordsOf).join("; ")
  // The access has the credential, but not the token of the request.
  const said = excerpt(withoutSecrets(withoutBrought(words, response.request.headers["authorization"]), access))
  const other = otherHostOf(request, response)
  const at = other === undefined ? "" : ` at ${shownHost(request, other)}`
  const what = `${shownOperation(request)}${at} answered ${status}${said === "" ? "" : ` ${said}`}`
  const concerns = codes.has("NAME_UNKNOWN") ? "Repository" : undefined
  const cause = causeOf(status, words, isPush)
  if (cause !== undefined) {
    const isPassing = cause === "QuotaExceeded" && status >= 500
    return errorOf(request, isPassing ? { _tag: cause, passing: true } : cause, `${what}; ${REMEDIES[cause]}`)
  }
  if (other !== undefined && (status === 401 || status === 403)) {
    const remedy = "the registry referred to this host, which gets no credentials of the registry; ask its owner"
    return errorOf(request, "AuthenticationFailed", `${what}; ${remedy}`, "Reference")
  }
  if (status === 401 || status === 403) {
    const remedy = Option.isSome(access.credential)
      ? "the credentials for this registry were refused or lack the permission"
      : (access.withheld ?? "no credentials for this registry are configured")
    // 403 may be about one image. 401 is about the credential.
    const isOfOne = status === 403 && request.route !== "tags" && request.route !== "token"
    return errorOf(request, "AuthenticationFailed", `${what}; ${remedy}`, isOfOne ? "Reference" : "Repository")
  }
  if (status === 429 || status >= 500) {
    const wait = retryAfterMillis(response.headers["retry-after"], now) ?? retryAfterSaid(text, now)
    const until = wait === undefined ? {} : { until: now + wait }
    return errorOf(
      request,
      status === 429 ? { _tag: "RateLimited", ...until } : { _tag: "ServerError", status, ...until },
      what
    )
  }
  if (isPush && status === 404 && codes.has("BLOB_UPLOAD_UNKNOWN")) return errorOf(request, "UploadLost", what)
  const isOfSha512 = isPush && (namesSha512(String(request.to)) || namesSha512(words))
  if (codes.has("DIGEST_INVALID") && !isOfSha512) return errorOf(request, "DigestMismatch", what)
  if (isPush && status === 404 && codes.has("NAME_UNKNOWN")) {
    return errorOf(request, "DestinationRepositoryMissing", `${what}; ${howToCreate(access.repository)}`)
  }
  if (isPush && !isPageOfSuccess(response)) {
    return errorOf(request, "PushRefused", isOfSha512 ? `${what}; ${TAKES_NO_SHA512}` : what, concerns)
  }
  if (status === 404) return errorOf(request, "NotFound", what, concerns)
  if (isPage(response)) return errorOf(request, "NotARegistry", `${what} with a page; ${isRegistry(request)}`, concerns)
  // A registry's own words show that the host is one.
  const question = errors.length === 0 ? `; ${isRegistry(request)}` : ""
  return errorOf(request, "InvalidAnswer", `${what}${question}`, concerns)
}

/** The cause of a refusal by the status and by the registry's words. Only a write can have no room or be about an immutable tag. */
const causeOf = (status: number, words: string, isPush: boolean): RefusalCause | undefined => {
  if (status === 401 || status === 404 || status === 429) return undefined
  const cause = causeInWords(words) ?? causeOfStatus(status)
  return isPush || cause === "BlockedByRegistry" ? cause : undefined
}

/** Registries that compute only sha256, such as distribution, take bytes of another digest for broken or missing ones. */
const TAKES_NO_SHA512 =
  "the registry may take no sha512 digests: push the image to the source with sha256 digests, or copy it to another registry"

const namesSha512 = (text: string): boolean => /sha512(?::|%3a)/iu.test(text)

type RefusalWords = (typeof Refusal.Type)["errors"][number]

/** Nexus has its reason in the detail. Other registries have a document there. */
const wordsOf = ({ code = "", detail, message = "" }: RefusalWords): string =>
  [code, message, typeof detail === "string" && detail !== message ? detail : ""].filter(Boolean).join(": ")

/** The host that answered, if the registry has referred the request to another host. A token server is named by its own words. */
const otherHostOf = (
  { access, route }: RegistryRequest,
  { request: { url } }: RegistryResponse
): string | undefined => {
  const named = new URL(`${url.protocol}//${registryHost(access.repository.registry)}`)
  return route === "token" || url.host === named.host ? undefined : url.host
}

/** The question to a user whose host does not answer as a registry. */
export const isRegistry = ({ access }: RegistryRequest): string =>
  `is ${access.repository.registry} a container registry?`

/** Whether an answer is a page for people, such as that of a login or of a proxy. No registry answers with one. */
export const isPage = (response: HttpHead): boolean => mediaTypeOf(response) === "text/html"

/** Whether an answer to a write is a page instead of the registry's answer. */
export const isPageOfSuccess = (response: RegistryResponse): boolean =>
  response.status === 200 && response.bytes.length > 0 && isPage(response)

export const textOf = ({ bytes }: Pick<RegistryResponse, "bytes">): string => new TextDecoder().decode(bytes)

/** The whole body of an answer. `tooLong` is the error's detail if the body exceeds the limit of the request. */
export const wholeBody = (
  request: RegistryRequest,
  { bytes, isCut }: RegistryResponse,
  tooLong = `${shownOperation(request)} answered with more than ${String(request.reads)} bytes`
): Effect.Effect<Uint8Array, RegistryError> =>
  isCut ? Effect.fail(errorOf(request, "InvalidAnswer", tooLong)) : Effect.succeed(bytes)

/** The media type of an answer. Empty if the answer has none, or one that is too long. */
export const mediaTypeOf = (response: HttpHead): string => {
  // Media types have no case (RFC 9110, section 8.3.1).
  const type = ((response.headers["content-type"] ?? "").split(";")[0]?.trim() ?? "").toLowerCase()
  // Node.js keeps the whole header alive with a part of its text, and a media type is remembered.
  return type.length > MEDIA_TYPE ? "" : Buffer.from(type, "latin1").toString("latin1")
}

/**
 * Why the bytes of an answer may not be those that were asked for. Every request asks for bytes without compression
 * (`Accept-Encoding: identity`). A coding alone is no proof: some registries name one for bytes that are compressed layers.
 */
export const whyDamaged = ({ headers }: HttpHead, what: string): string => {
  const coding = (headers["content-encoding"] ?? "").trim().toLowerCase()
  return coding === "" || coding === "identity"
    ? `the registry, or a proxy before the registry, has damaged the ${what}`
    : `the answer is compressed (Content-Encoding: ${excerpt(coding, 20)}), which was not asked for; turn the compression off in the registry, or in the proxy before the registry`
}
