/** Tokens and headers that prove to a registry who asks, by the distribution specification's token flow. */
import { Cache, Duration, Effect, Exit, Option, Redacted, Schema } from "effect"
import { HttpClientRequest, type HttpClientResponse } from "effect/http"
import { formatRepository } from "../domain/Reference.ts"
import type { Challenge } from "./Challenge.ts"
import { ERROR_BYTES, errorAt, refused, textOf } from "./HttpAnswer.ts"
import { type Credential, RegistryError, type RepositoryAccess } from "./RegistryClient.ts"

/** What a request is to be allowed to do; asked for at once, so that a copy needs one token a side. */
export type Actions = "pull" | "pull,push"

const TokenAnswer = Schema.fromJsonString(
  Schema.Struct({
    token: Schema.optional(Schema.NullOr(Schema.String)),
    access_token: Schema.optional(Schema.NullOr(Schema.String)),
    expires_in: Schema.optional(Schema.NullOr(Schema.Finite))
  })
)
interface TokenKey {
  readonly realm: string
  readonly service: string
  readonly scope: string
  readonly tlsVerify: boolean
  readonly username: string
  readonly password: string
}

/** Sends a request as it is. */
type Transmit = (
  access: RepositoryAccess,
  request: HttpClientRequest.HttpClientRequest
) => Effect.Effect<HttpClientResponse.HttpClientResponse, RegistryError>

/** Tokens are kept by realm, scope and credential, and shared by those who ask at once. */
export const make = Effect.fnUntraced(function* (transmit: Transmit) {
  const tokens = yield* Cache.makeWith(
    Effect.fnUntraced(function* (key: TokenKey) {
      const access: RepositoryAccess = {
        repository: { registry: new URL(key.realm).host, path: "token" },
        tlsVerify: key.tlsVerify,
        credential:
          key.username === ""
            ? Option.none()
            : Option.some({ username: key.username, password: Redacted.make(key.password) })
      }
      const request = HttpClientRequest.get(key.realm, {
        urlParams: { ...(key.service === "" ? {} : { service: key.service }), scope: key.scope }
      }).pipe(
        HttpClientRequest.acceptJson,
        key.username === "" ? (self) => self : HttpClientRequest.basicAuth(key.username, key.password)
      )
      const response = yield* transmit(access, request)
      if (response.status !== 200) return yield* refused(access, "GET", response)
      const text = yield* textOf(access, response, ERROR_BYTES)
      const answer = Schema.decodeUnknownOption(TokenAnswer)(text)
      const token = Option.map(answer, (value) => value.token ?? value.access_token ?? "")
      if (Option.isNone(answer) || Option.isNone(token) || token.value === "") {
        return yield* errorAt(access, "InvalidAnswer", "the token server answered without a token")
      }
      return {
        header: Redacted.make(`Bearer ${token.value}`),
        // The distribution specification's default; a token is dropped early enough to be good when it arrives.
        life: Duration.seconds((answer.value.expires_in ?? 60) * 0.8)
      }
    }),
    { capacity: 10_000, timeToLive: (exit) => (Exit.isSuccess(exit) ? exit.value.life : Duration.zero) }
  )

  const tokenKey = (
    access: RepositoryAccess,
    challenge: Extract<Challenge, { _tag: "Bearer" }>,
    actions: Actions
  ): TokenKey => ({
    realm: challenge.realm,
    service: challenge.service ?? "",
    scope: `repository:${access.repository.path}:${actions}`,
    tlsVerify: access.tlsVerify,
    username: Option.match(access.credential, { onNone: () => "", onSome: ({ username }) => username }),
    password: Option.match(access.credential, { onNone: () => "", onSome: ({ password }) => Redacted.value(password) })
  })

  /** The Authorization header to answer a challenge with, if there is one. */
  const headerFor = (
    access: RepositoryAccess,
    challenge: Challenge | undefined,
    actions: Actions
  ): Effect.Effect<Redacted.Redacted | undefined, RegistryError> => {
    if (challenge === undefined) return Effect.succeed(undefined)
    if (challenge._tag === "Basic") {
      return Effect.succeed(Option.getOrUndefined(Option.map(access.credential, basicHeader)))
    }
    const realm = URL.parse(challenge.realm)
    const secure = realm?.protocol === "https:" || (realm?.protocol === "http:" && !access.tlsVerify)
    if (!secure) {
      return Effect.fail(
        errorAt(
          access,
          "AuthenticationFailed",
          `the registry names the token server ${challenge.realm}, which is not reached by HTTPS; no credentials were sent there`
        )
      )
    }
    return Cache.get(tokens, tokenKey(access, challenge, actions)).pipe(
      Effect.map(({ header }) => header),
      // Users know their registry; its token server only where it says more.
      Effect.mapError(
        ({ detail, kind, retryAfterMillis }) =>
          new RegistryError({
            kind,
            repository: formatRepository(access.repository),
            detail: `the token server ${realm?.host}: ${detail}`,
            ...(retryAfterMillis === undefined ? {} : { retryAfterMillis })
          })
      )
    )
  }

  return {
    headerFor,
    /** Forgets a token that its registry no longer takes. */
    forget: (access: RepositoryAccess, challenge: Extract<Challenge, { _tag: "Bearer" }>, actions: Actions) =>
      Cache.invalidate(tokens, tokenKey(access, challenge, actions))
  }
})

const basicHeader = ({ password, username }: Credential): Redacted.Redacted =>
  Redacted.make(`Basic ${Buffer.from(`${username}:${Redacted.value(password)}`).toString("base64")}`)
