/** Authorization headers and a cache of tokens, by the distribution specification's token flow. */
import { Cache, Duration, Effect, Equal, Exit, Hash, Option, Redacted } from "effect"
import { BoundedMap } from "../../collections/BoundedMap.ts"
import type { Credential, RepositoryAccess } from "../RegistryClient.ts"
import { excerpt } from "../../text/line.ts"
import { RegistryError } from "../RegistryError.ts"
import { identity, trustedHost, withoutSecrets } from "../RepositoryAccess.ts"
import { isTrustedWith, type TokenServers } from "../tokenServers.ts"
import type { BearerChallenge, Challenge } from "./challenge.ts"
import type { Handler } from "./request.ts"
import { furtherActions, type Need, scopesFor } from "./scope.ts"
import { basic, issueToken, type Token, type TokenRequest } from "./tokenFlow.ts"

/** The most cached tokens, so that a hostile registry cannot fill the memory. */
const TOKENS = 2_000
/** The most needs with further actions; a forgotten one costs one more token. */
const FURTHER_NEEDS = 10_000
/** The most further actions of one need. Only one is in use: ACR's `metadata_read`. */
const FURTHER_ACTIONS = 4

/**
 * Everything on which a token, or the error of its request, depends. Keys are compared by the identity of the
 * credential, never by its secret.
 */
class TokenKey implements Equal.Equal, TokenRequest {
  readonly access: RepositoryAccess
  readonly realm: string
  readonly service: string
  readonly scopes: ReadonlyArray<string>
  readonly #key: string

  constructor(access: RepositoryAccess, { realm, service = "" }: BearerChallenge, scopes: ReadonlyArray<string>) {
    this.access = access
    this.realm = realm
    this.service = service
    this.scopes = scopes
    // The registry is part of the key: tlsVerify may differ between registries with the same realm.
    this.#key = JSON.stringify([trustedHost(access), realm, service, scopes, identity(access), access.withheld])
  }

  [Equal.symbol](that: unknown): boolean {
    return that instanceof TokenKey && that.#key === this.#key
  }

  [Hash.symbol](): number {
    return Hash.string(this.#key)
  }
}

export interface TokenOptions {
  /** Sends requests to token servers. */
  readonly send: Handler
  /** Whether plain HTTP is allowed and used for a registry. */
  readonly isPlain: (access: RepositoryAccess) => boolean
  /** The token servers of another owner that get the credentials of a registry. */
  readonly tokenServers: TokenServers
}

export interface Tokens {
  /** The token server that a challenge names. Fails if the registry must not name that server. */
  readonly serverFor: (access: RepositoryAccess, challenge: BearerChallenge) => Effect.Effect<URL, RegistryError>
  /**
   * The Authorization header that answers a challenge. `undefined` if there is no challenge or no credential for it.
   */
  readonly headerFor: (
    access: RepositoryAccess,
    challenge: Challenge | undefined,
    need: Need
  ) => Effect.Effect<Redacted.Redacted | undefined, RegistryError>
  /**
   * Call this when a registry refused the token of a request, or when the request had none. The next token is
   * requested as the challenge says. A token that is newer than the refused one stays, so that one new token serves
   * all requests.
   */
  readonly refused: (
    access: RepositoryAccess,
    challenge: BearerChallenge,
    need: Need,
    brought: Redacted.Redacted | undefined
  ) => Effect.Effect<void>
}

/** Makes a cache of tokens by host, scope and credential. Concurrent requests share one token. */
export const makeTokens = Effect.fnUntraced(function* ({
  isPlain,
  send,
  tokenServers
}: TokenOptions): Effect.fn.Return<Tokens> {
  const tokens = yield* Cache.makeWith((key: TokenKey) => issueToken(send, key), {
    capacity: TOKENS,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? exit.value.life : Duration.zero)
  })

  /** The further actions that a host has asked for, by trusted host and need. */
  const further = new BoundedMap<string, Set<string>>({ capacity: FURTHER_NEEDS })
  const furtherFor = (access: RepositoryAccess, need: Need): Set<string> => {
    const key = `${trustedHost(access)} ${typeof need === "object" ? "pull,push" : need}`
    const found = further.get(key) ?? new Set<string>()
    further.set(key, found)
    return found
  }

  /** The keys of the token to request, and of a narrower token in case the first is refused. */
  const keysFor = (
    access: RepositoryAccess,
    challenge: BearerChallenge,
    need: Need
  ): readonly [TokenKey, TokenKey | undefined] => {
    const { narrower, scopes } = scopesFor(access.repository.path, need, challenge, furtherFor(access, need))
    const narrow = narrower === undefined ? undefined : new TokenKey(access, challenge, narrower)
    return [new TokenKey(access, challenge, scopes), narrow]
  }

  /**
   * Some token servers deny the whole request if one scope is denied. The token of the narrower scope is then cached
   * under the wide key while the token is valid.
   */
  const tokenFor = ([wide, narrow]: ReturnType<typeof keysFor>): Effect.Effect<Token, RegistryError> =>
    narrow === undefined
      ? Cache.get(tokens, wide)
      : Effect.catchReason(Cache.get(tokens, wide), "RegistryError", "AuthenticationFailed", () =>
          Effect.tap(Cache.get(tokens, narrow), (token) => Cache.set(tokens, wide, token))
        )

  /**
   * The token server of a challenge. Fails if the registry must not name that server. Without a credential any server by
   * HTTPS may be asked.
   */
  const serverFor = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    challenge: BearerChallenge
  ): Effect.fn.Return<URL, RegistryError> {
    const { registry } = access.repository
    const realm = URL.parse(challenge.realm)
    if (realm === null || !(realm.protocol === "https:" || (realm.protocol === "http:" && isPlain(access)))) {
      return yield* RegistryError.of(
        "AuthenticationFailed",
        access.repository,
        `the registry names the token server ${excerpt(withoutSecrets(challenge.realm, access))}, which is not an https:// address; no credentials were sent there`
      )
    }
    if (Option.isNone(access.credential) || (yield* isTrustedWith(tokenServers, registry, realm))) return realm
    const host = excerpt(realm.host)
    return yield* RegistryError.of(
      "CredentialsNotSent",
      access.repository,
      `the registry ${registry} names the token server ${host}, which may have another owner, and the credentials for ${registry} were not sent there; if the token server may have them, add ${registry}=${host} to REGISTRY_TOKEN_SERVERS (the chart's config.registries.tokenServers)`
    )
  })

  return {
    serverFor,

    headerFor: Effect.fnUntraced(function* (access, challenge, need) {
      if (challenge === undefined) return undefined
      if (challenge._tag === "Basic") return Option.getOrUndefined(Option.map(access.credential, basicHeader))
      const realm = yield* serverFor(access, challenge)
      return yield* tokenFor(keysFor(access, challenge, need)).pipe(
        Effect.map(({ header }) => header),
        // The error is about the user's registry, and its message names the token server that refused.
        Effect.mapError(({ detail, reason }) =>
          RegistryError.of(reason, access.repository, `the token server ${excerpt(realm.host)}: ${detail}`, {
            concerns: "Repository"
          })
        )
      )
    }),

    refused: Effect.fnUntraced(function* (access, challenge, need, brought) {
      if (brought !== undefined) {
        for (const key of keysFor(access, challenge, need)) {
          if (key !== undefined) yield* Cache.invalidateWhen(tokens, key, ({ header }) => header === brought)
        }
      }
      const actions = furtherFor(access, need)
      for (const action of furtherActions(access.repository.path, challenge)) {
        if (actions.size < FURTHER_ACTIONS) actions.add(action)
      }
    })
  }
})

const basicHeader = ({ password, username }: Credential): Redacted.Redacted => basic(username, Redacted.value(password))
