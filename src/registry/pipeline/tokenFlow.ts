/** The distribution specification's token flow: what is asked of a token server, and what it answers. */
import { Duration, Effect, Option, Redacted, Schema } from "effect"
import { form } from "../../http/Http.ts"
import type { Credential, RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"
import { refused, textOf, wholeBody } from "./refusal.ts"
import { errorOf, type Handler, type RegistryRequest, type RegistryResponse } from "./request.ts"

/** A token to ask for. */
export interface TokenRequest {
  readonly access: RepositoryAccess
  /** The address of the token server, which can be parsed. */
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
    expires_in: Schema.optional(Schema.NullOr(Schema.Finite))
  })
)

/** The life of a token that names none, by the specification. */
const DEFAULT_LIFE_SECONDS = 60
/** A token is dropped early enough to be good when it arrives. */
const SHARE_OF_LIFE = 0.8
/** How token servers answer that know nothing of POST: GCR by 404, others by 405. */
const NO_POST = new Set([404, 405])
/** Longer headers no server takes. */
const TOKEN_BYTES = 16 * 1024
/** An answer may have the token twice. */
const ANSWER_BYTES = 2 * TOKEN_BYTES
const CLIENT_ID = "skopeo-operator"

/** Asks for a token. */
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
  if (token === "") return yield* invalid("without a token")
  const seconds = answer?.expires_in ?? 0
  return {
    header: Redacted.make(`Bearer ${token}`),
    life: Duration.seconds((seconds > 0 ? seconds : DEFAULT_LIFE_SECONDS) * SHARE_OF_LIFE)
  }
})

/** The token flow of the distribution specification. */
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

/** OAuth 2's, for a credential with an identity token. */
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

/** Basic authorization at a token server: an identity token stands in the place of a password. */
const proof = ({ identityToken, password, username }: Credential): Option.Option<Redacted.Redacted> => {
  const secret = (identityToken && Redacted.value(identityToken)) || Redacted.value(password)
  return username === "" && secret === "" ? Option.none() : Option.some(basic(username, secret))
}

export const basic = (username: string, secret: string): Redacted.Redacted =>
  Redacted.make(`Basic ${Buffer.from(`${username}:${secret}`).toString("base64")}`)
