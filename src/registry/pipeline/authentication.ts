/** Tokens and headers that prove to a registry who asks, by the distribution specification's token flow. */
import { Cache, Duration, Effect, Exit, Option, Redacted, Schema } from "effect"
import { registryHost } from "../../oci/Reference.ts"
import type { BearerChallenge, Challenge } from "./Challenge.ts"
import { bytesOf, errorAt, refused } from "./refusal.ts"
import { form, type HttpRequest, type HttpResponse } from "../../http/Http.ts"
import type { Notices } from "./notices.ts"
import type { Credential, RepositoryAccess } from "../RegistryClient.ts"
import { RegistryError } from "../RegistryError.ts"
import { areRelated } from "./Relation.ts"
import { furtherActions, type Need, scopesFor } from "./Scope.ts"
import type { Transport } from "./transport.ts"

const TokenAnswer = Schema.fromJsonString(
  Schema.Struct({
    token: Schema.optional(Schema.NullOr(Schema.String)),
    access_token: Schema.optional(Schema.NullOr(Schema.String)),
    expires_in: Schema.optional(Schema.NullOr(Schema.Finite))
  })
)

/**
 * All that a token, or the error in its place, depends on; the registry too, for it may be trusted otherwise than another
 * of the same realm.
 */
interface TokenKey {
  readonly host: string
  readonly realm: string
  readonly service: string
  readonly scopes: ReadonlyArray<string>
  readonly tlsVerify: boolean
  readonly username: string
  readonly password: string
  readonly identityToken: string
  readonly withheld: string | undefined
}

interface Token {
  readonly header: Redacted.Redacted
  readonly life: Duration.Duration
}

/** A token without a life of its own is good for so long, by the specification. */
const DEFAULT_LIFE_SECONDS = 60
/** A token is dropped early enough to be good when it arrives. */
const SHARE_OF_LIFE = 0.8
/** How token servers answer that know nothing of POST: GCR by 404, others by 405. */
const NO_POST = new Set([404, 405])
/** Longer headers no server takes. */
const TOKEN_BYTES = 16 * 1024
/** With that, a realm that means harm fills no memory. */
const TOKENS = 2_000
/** One is known of: `metadata_read`. */
const FURTHER_ACTIONS = 4
const CLIENT_ID = "skopeo-operator"

/** Tokens are kept by host, scope and credential, and shared by those who ask at once. */
export const make = Effect.fnUntraced(function* (
  { isPlain, transmit }: Pick<Transport, "isPlain" | "transmit">,
  notices: Notices
) {
  const tokenOf = Effect.fnUntraced(function* (key: TokenKey): Effect.fn.Return<Token, RegistryError> {
    const access: RepositoryAccess = {
      repository: { registry: new URL(key.realm).host, path: "token" },
      tlsVerify: key.tlsVerify,
      credential: credentialOf(key),
      ...(key.withheld === undefined ? {} : { withheld: key.withheld })
    }
    let response: HttpResponse | undefined
    if (key.identityToken !== "") {
      response = yield* transmit(access, refreshRequest(key), key.host)
      if (NO_POST.has(response.status)) response = undefined
    }
    response ??= yield* transmit(access, tokenRequest(key), key.host)
    if (response.status !== 200) return yield* refused(access, "GET", response)
    const text = new TextDecoder().decode(yield* bytesOf(access, response))
    const answer = Option.getOrUndefined(Schema.decodeUnknownOption(TokenAnswer)(text))
    const token = answer?.token || answer?.access_token || ""
    if (token.length > TOKEN_BYTES) {
      return yield* errorAt(access, "InvalidAnswer", `the token server answered with a token of ${token.length} bytes`)
    }
    if (token === "") return yield* errorAt(access, "InvalidAnswer", "the token server answered without a token")
    const seconds = answer?.expires_in ?? 0
    return {
      header: Redacted.make(`Bearer ${token}`),
      life: Duration.seconds((seconds > 0 ? seconds : DEFAULT_LIFE_SECONDS) * SHARE_OF_LIFE)
    }
  })
  const tokens = yield* Cache.makeWith(tokenOf, {
    capacity: TOKENS,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? exit.value.life : Duration.zero)
  })

  /** Actions beside pull and push that a host wants for what is needed, by host and need. */
  const further = new Map<string, Set<string>>()
  const furtherFor = (access: RepositoryAccess, need: Need): Set<string> => {
    const key = `${registryHost(access.repository.registry)} ${typeof need === "object" ? "pull,push" : need}`
    const found = further.get(key) ?? new Set()
    further.set(key, found)
    return found
  }

  /** What to ask for; the second in case that the first is refused. */
  const keysFor = (
    access: RepositoryAccess,
    challenge: BearerChallenge,
    need: Need
  ): readonly [TokenKey, TokenKey | undefined] => {
    const { narrower, scopes } = scopesFor(access.repository.path, need, challenge, furtherFor(access, need))
    const key = (scopes: ReadonlyArray<string>): TokenKey => ({
      host: registryHost(access.repository.registry),
      realm: challenge.realm,
      service: challenge.service ?? "",
      scopes,
      tlsVerify: access.tlsVerify,
      username: Option.match(access.credential, { onNone: () => "", onSome: ({ username }) => username }),
      password: Option.match(access.credential, {
        onNone: () => "",
        onSome: ({ password }) => Redacted.value(password)
      }),
      identityToken: Option.match(access.credential, {
        onNone: () => "",
        onSome: ({ identityToken }) => (identityToken === undefined ? "" : Redacted.value(identityToken))
      }),
      withheld: access.withheld
    })
    return [key(scopes), narrower === undefined ? undefined : key(narrower)]
  }

  /** A token server may refuse all because of a part: then less is asked for, once for as long as that is good. */
  const tokenFor = (wide: TokenKey, narrow: TokenKey | undefined): Effect.Effect<Token, RegistryError> =>
    narrow === undefined
      ? Cache.get(tokens, wide)
      : Cache.get(tokens, wide).pipe(
          Effect.catchReason("RegistryError", "AuthenticationFailed", () =>
            Effect.tap(Cache.get(tokens, narrow), (token) => Cache.set(tokens, wide, token))
          )
        )

  /** A registry's word is enough to send its credentials to another owner's host, but not without telling. */
  const tellWhereTo = (access: RepositoryAccess, realm: URL): Effect.Effect<void> => {
    if (Option.isNone(access.credential)) return Effect.void
    const { hostname } = new URL(`https://${registryHost(access.repository.registry)}`)
    return Effect.flatMap(areRelated(hostname, realm.hostname), (related) =>
      related
        ? Effect.void
        : notices.add(access, {
            _tag: "CredentialsForwarded",
            message: `the credentials for ${access.repository.registry} are sent to the token server ${realm.host}, which it names and which is not of the same owner; if that is not meant, change the password and take the credentials from this registry`
          })
    )
  }

  /** The Authorization header to answer a challenge with, if there is one. */
  const headerFor = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    challenge: Challenge | undefined,
    need: Need
  ): Effect.fn.Return<Redacted.Redacted | undefined, RegistryError> {
    if (challenge === undefined) return undefined
    if (challenge._tag === "Basic") return Option.getOrUndefined(Option.map(access.credential, basicHeader))
    const realm = URL.parse(challenge.realm)
    if (realm === null || !(realm.protocol === "https:" || (realm.protocol === "http:" && isPlain(access)))) {
      return yield* errorAt(
        access,
        "AuthenticationFailed",
        `the registry names the token server ${challenge.realm}, which is not reached by HTTPS; no credentials were sent there`
      )
    }
    yield* tellWhereTo(access, realm)
    return yield* tokenFor(...keysFor(access, challenge, need)).pipe(
      Effect.map(({ header }) => header),
      // Users know their registry; its token server only where it says more.
      Effect.mapError(({ detail, reason }) =>
        RegistryError.of(reason, access.repository, `the token server ${realm.host}: ${detail}`, {
          concerns: "Repository"
        })
      )
    )
  })

  return {
    headerFor,

    /**
     * A registry did not take the token it was brought, or was brought none; next time it is asked for as the challenge
     * says. Who brought an older token than there is now forgets nothing: one new token is enough for all.
     */
    refusedWith: Effect.fnUntraced(function* (
      access: RepositoryAccess,
      challenge: BearerChallenge,
      need: Need,
      brought: Redacted.Redacted | undefined
    ) {
      if (brought !== undefined) {
        for (const key of keysFor(access, challenge, need)) {
          if (key !== undefined) yield* Cache.invalidateWhen(tokens, key, ({ header }) => header === brought)
        }
      }
      const heard = furtherFor(access, need)
      for (const action of furtherActions(access.repository.path, challenge)) {
        if (heard.size < FURTHER_ACTIONS) heard.add(action)
      }
    })
  }
})

/** The token flow of the distribution specification. */
const tokenRequest = (key: TokenKey): HttpRequest => {
  const url = new URL(key.realm)
  if (key.service !== "") url.searchParams.append("service", key.service)
  for (const scope of key.scopes) url.searchParams.append("scope", scope)
  const secret = key.identityToken === "" ? key.password : key.identityToken
  const isAnonymous = key.username === "" && secret === ""
  const headers = {
    accept: "application/json",
    ...(isAnonymous ? {} : { authorization: basic(key.username, secret) })
  }
  return { method: "GET", url, headers, reads: 2 * TOKEN_BYTES }
}

/** OAuth 2's, for who has an identity token. */
const refreshRequest = (key: TokenKey): HttpRequest => ({
  ...form(new URL(key.realm), {
    grant_type: "refresh_token",
    service: key.service,
    scope: key.scopes.join(" "),
    client_id: CLIENT_ID,
    refresh_token: key.identityToken
  }),
  reads: 2 * TOKEN_BYTES
})

const credentialOf = ({ identityToken, password, username }: TokenKey): Option.Option<Credential> =>
  username === "" && identityToken === ""
    ? Option.none()
    : Option.some({
        username,
        password: Redacted.make(password),
        ...(identityToken === "" ? {} : { identityToken: Redacted.make(identityToken) })
      })

const basicHeader = ({ password, username }: Credential): Redacted.Redacted =>
  Redacted.make(basic(username, Redacted.value(password)))

const basic = (username: string, password: string): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`
