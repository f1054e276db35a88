/** The distribution specification's token flow: the requests to a token server, and its answers. */
import { Duration, Effect, Option, Redacted, Schema } from "effect"
import { form } from "../../http/Http.ts"
import type { Credential, RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"
import { isPage, refused, textOf, wholeBody } from "./refusal.ts"
import { errorOf, type Handler, type RegistryRequest, type RegistryResponse } from "./request.ts"

/** A request for a token. */
export interface TokenRequest {
  readonly access: RepositoryAccess
  /** The URL of the token server, which was parsed before. */
  readonly realm: string
  readonly service: string
  readonly scopes: ReadonlyArray<string>
}

export interface Token {
  readonly header: Redacted.Redacted
  readonly life: Duration.Duration
}

const TokenAnswer = Schema.fromJsonString(
  Schema.Struct({
    token: Schema.optional(Schema.NullOr(Schema.String)),
    access_token: Schema.optional(Schema.NullOr(Schema.String)),
    // Some servers write the number as a text.
    expires_in: Schema.optional(Schema.Unknown)
  })
)

/** The life of a token without `expires_in`, by the specification. */
const DEFAULT_LIFE_SECONDS = 60
/** The share of a token's life for which the token is used, so that it is still valid when it arrives. */
const SHARE_OF_LIFE = 0.8
/** The statuses of token servers that do not support POST: GCR answers 404, others answer 405. */
const NO_POST = new Set([404, 405])
/** No server accepts longer headers. */
const TOKEN_BYTES = 16 * 1024
/** An answer may have the token twice, as `token` and as `access_token`. */
const ANSWER_BYTES = 2 * TOKEN_BYTES
const CLIENT_ID = "skopeo-operator"

/** Requests a token. */
export const issueToken = Effect.fnUntraced(function* (
  send: Handler,
  key: TokenRequest
): Effect.fn.Return<Token, RegistryError> {
  let request = tokenRequest(key)
  let response: RegistryResponse | undefined
  const refresh = refreshRequest(key)
  if (refresh !== undefined) {
    const posted = yield* send(refresh)
    if (!NO_POST.has(posted.status)) {
      request = refresh
      response = posted
    }
  }
  response ??= yield* send(request)
  if (response.status !== 200) return yield* refused({ ...request, method: "GET" }, response)
  const bytes = yield* wholeBody(request, response)
  const answer = Option.getOrUndefined(Schema.decodeUnknownOption(TokenAnswer)(textOf({ bytes })))
  const token = answer?.token || answer?.access_token || ""
  const invalid = (detail: string) => errorOf(request, "InvalidAnswer", `the token server answered ${detail}`)
  if (token.length > TOKEN_BYTES) return yield* invalid(`with a token of ${token.length} bytes`)
  if (token === "") return yield* invalid(isPage(response) ? "with a page instead of a token" : "without a token")
  if (!/^[\x21-\x7e]+$/u.test(token)) return yield* invalid("with a token that no header can have")
  const seconds = Number(answer?.expires_in ?? 0)
  return {
    header: Redacted.make(`Bearer ${token}`),
    life: Duration.seconds((seconds > 0 && Number.isFinite(seconds) ? seconds : DEFAULT_LIFE_SECONDS) * SHARE_OF_LIFE)
  }
})

/** The request of the distribution specification's token flow. */
const tokenRequest = ({ access, realm, scopes, service }: TokenRequest): RegistryRequest => {
  const url = new URL(realm)
  if (service !== "") url.searchParams.append("service", service)
  for (const scope of scopes) url.searchParams.append("scope", scope)
  const authorization = Option.getOrUndefined(Option.flatMap(access.credential, proof))
  return {
    access,
    route: "token",
    method: "GET",
    to: url,
    headers: { accept: "application/json" },
    ...(authorization === undefined ? {} : { authorization }),
    reads: ANSWER_BYTES
  }
}

/** The request of OAuth 2 for a credential with an identity token. */
const refreshRequest = ({ access, realm, scopes, service }: TokenRequest): RegistryRequest | undefined => {
  const identityToken = identityTokenOf(access)
  if (identityToken === undefined) return undefined
  const { body, headers, url } = form(new URL(realm), {
    grant_type: "refresh_token",
    service,
    scope: scopes.join(" "),
    client_id: CLIENT_ID,
    refresh_token: identityToken
  })
  return {
    access,
    route: "token",
    method: "POST",
    to: url,
    headers,
    ...(body === undefined ? {} : { body }),
    reads: ANSWER_BYTES
  }
}

const identityTokenOf = ({ credential }: RepositoryAccess): string | undefined => {
  const { identityToken } = Option.getOrUndefined(credential) ?? {}
  return (identityToken && Redacted.value(identityToken)) || undefined
}

/** Basic authorization at a token server. An identity token is used as the password. */
const proof = ({ identityToken, password, username }: Credential): Option.Option<Redacted.Redacted> => {
  const secret = (identityToken && Redacted.value(identityToken)) || Redacted.value(password)
  return username === "" && secret === "" ? Option.none() : Option.some(basic(username, secret))
}

export const basic = (username: string, secret: string): Redacted.Redacted =>
  Redacted.make(`Basic ${Buffer.from(`${username}:${secret}`).toString("base64")}`)
