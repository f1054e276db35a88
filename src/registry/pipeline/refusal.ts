/** What registries answer, read within bounds, and turned into errors that a user can act on. */
import { Clock, Effect, Option, Schema } from "effect"
import { excerpt } from "../../text/line.ts"
import { type HttpHead, type HttpResponse, operationOf } from "../../http/Http.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import { type Concerns, RegistryError } from "../RegistryError.ts"
import { howToCreate } from "../RepositoryCreation.ts"
import { withoutBrought, withoutSecrets } from "../RepositoryAccess.ts"
import { retryAfterMillis, retryAfterSaid } from "../limits/RetryAfter.ts"

const Refusal = Schema.fromJsonString(
  Schema.Struct({
    errors: Schema.Array(
      Schema.Struct({ code: Schema.optional(Schema.String), message: Schema.optional(Schema.String) })
    )
  })
)

type Details = Parameters<typeof RegistryError.of>

/** An error of a request to a repository. */
export const errorAt = (access: RepositoryAccess, reason: Details[0], detail: string, details?: Details[3]) =>
  RegistryError.of(reason, access.repository, detail, details)

export const textOf = ({ bytes }: HttpResponse): string => new TextDecoder().decode(bytes)

/** A whole body; `tooLong` is the detail of the error where there was more than its request reads. */
export const bytesOf = (
  access: RepositoryAccess,
  response: HttpResponse,
  tooLong = `${operationOf(response.request)} answered with more than ${String(response.request.reads)} bytes`
): Effect.Effect<Uint8Array, RegistryError> =>
  response.isCut ? Effect.fail(errorAt(access, "InvalidAnswer", tooLong)) : Effect.succeed(response.bytes)

/** Turns an answer that is not what was asked for into an error a user can act on. */
export const refused = Effect.fnUntraced(function* (
  access: RepositoryAccess,
  purpose: "GET" | "PUSH",
  response: HttpResponse
): Effect.fn.Return<never, RegistryError> {
  const text = textOf(response)
  const errors = Option.match(Schema.decodeUnknownOption(Refusal)(text), {
    onNone: () => [],
    onSome: (refusal) => refusal.errors
  })
  const codes = new Set(errors.map(({ code }) => code))
  const words = errors.map(({ code = "", message = "" }) => [code, message].filter(Boolean).join(": ")).join("; ")
  // The access knows the credential, but not the token that the request brought.
  const said = excerpt(withoutSecrets(withoutBrought(words, response.request.headers["authorization"]), access))
  const { status } = response
  const operation = operationOf(response.request)
  const what = `${operation} answered ${status}${said === "" ? "" : ` ${said}`}`
  const concerns = concernsOf(operation, codes)
  const fail = (reason: Details[0], detail: string, details: Details[3] = { concerns }) =>
    Effect.fail(errorAt(access, reason, detail, { operation, ...details }))
  if (status === 401 || status === 403) {
    const remedy = Option.isSome(access.credential)
      ? "the credentials for this registry were refused or may not do this"
      : (access.withheld ?? "no credentials for this registry are configured")
    // By 403 a registry may refuse one image alone, by 401 it refuses who asks.
    const refused = status === 401 ? "Repository" : concerns
    return yield* fail("AuthenticationFailed", `${what}; ${remedy}`, { concerns: refused })
  }
  if (status === 429 || status >= 500) {
    const now = yield* Clock.currentTimeMillis
    const wait = retryAfterMillis(response.headers["retry-after"], now) ?? retryAfterSaid(text, now)
    const until = wait === undefined ? {} : { until: now + wait }
    if (status === 429) return yield* fail({ _tag: "RateLimited", ...until }, what, {})
    return yield* fail({ _tag: "ServerError", status, ...until }, what, wait === undefined ? { concerns } : {})
  }
  if (purpose === "PUSH" && status === 404 && codes.has("BLOB_UPLOAD_UNKNOWN")) return yield* fail("UploadLost", what)
  if (codes.has("DIGEST_INVALID")) return yield* fail("DigestMismatch", what)
  if (status === 404 && purpose === "PUSH" && codes.has("NAME_UNKNOWN")) {
    return yield* fail("DestinationRepositoryMissing", `${what}; ${howToCreate(access.repository)}`)
  }
  if (purpose === "PUSH") return yield* fail("PushRefused", what)
  if (status === 404) return yield* fail("NotFound", what)
  return yield* fail("InvalidAnswer", `${what}; is ${access.repository.registry} a container registry?`)
})

/** Of what a registry speaks when it refuses a request. */
const concernsOf = (operation: string, codes: ReadonlySet<string | undefined>): Concerns =>
  !codes.has("NAME_UNKNOWN") && /\/(?:manifests|blobs|referrers)\//u.test(operation) ? "Reference" : "Repository"

export const mediaTypeOf = (response: HttpHead): string =>
  (response.headers["content-type"] ?? "").split(";")[0]?.trim() ?? ""
