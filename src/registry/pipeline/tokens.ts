/** Authorization headers, and the tokens in them, by the distribution specification's token flow. */
import { isIP } from "node:net"
import { Cache, Duration, Effect, Equal, Exit, Hash, Option, Redacted } from "effect"
import { bareHost } from "../../http/Http.ts"
import { registryHost } from "../../oci/Reference.ts"
import type { Credential, RepositoryAccess } from "../RegistryClient.ts"
import { RegistryError } from "../RegistryError.ts"
import { identity, trustedHost } from "../RepositoryAccess.ts"
import type { BearerChallenge, Challenge } from "./challenge.ts"
import type { Notices } from "./notices.ts"
import type { Handler } from "./request.ts"
import { furtherActions, type Need, scopesFor } from "./scope.ts"
import { basic, issueToken, type Token, type TokenRequest } from "./tokenFlow.ts"

/** Tokens that are kept, so that a hostile realm cannot fill the memory. */
const TOKENS = 2_000
/** One is known: ACR's `metadata_read`. */
const FURTHER_ACTIONS = 4

/**
 * All that a token depends on, or the error in its place. Keys are compared by the identity of the credential, never by
 * its secret.
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
    // The registry too, for it may be trusted otherwise than another of the same realm.
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
  /** Whether a registry is spoken to without TLS, as that is allowed. */
  readonly isPlain: (access: RepositoryAccess) => boolean
  readonly notices: Pick<Notices, "record">
}

export interface Tokens {
  /** The Authorization header to answer a challenge with, if there is one. */
  readonly headerFor: (
    access: RepositoryAccess,
    challenge: Challenge | undefined,
    need: Need
  ) => Effect.Effect<Redacted.Redacted | undefined, RegistryError>
  /**
   * A registry refused the token that a request brought, or the request brought none: the next token is asked for as the
   * challenge says. A newer token than the refused one stays, so that one new token is enough for all requests.
   */
  readonly refused: (
    access: RepositoryAccess,
    challenge: BearerChallenge,
    need: Need,
    brought: Redacted.Redacted | undefined
  ) => Effect.Effect<void>
}

/** Tokens are kept by host, scope and credential; concurrent requests share one. */
export const makeTokens = Effect.fnUntraced(function* ({
  isPlain,
  notices,
  send
}: TokenOptions): Effect.fn.Return<Tokens> {
  const tokens = yield* Cache.makeWith((key: TokenKey) => issueToken(send, key), {
    capacity: TOKENS,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? exit.value.life : Duration.zero)
  })

  /** Actions beside pull and push that a host wants, by trusted host and need. */
  const further = new Map<string, Set<string>>()
  const furtherFor = (access: RepositoryAccess, need: Need): Set<string> => {
    const key = `${trustedHost(access)} ${typeof need === "object" ? "pull,push" : need}`
    const found = further.get(key) ?? new Set()
    further.set(key, found)
    return found
  }

  /** The token to ask for, and a narrower one in case that it is refused. */
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
   * Some token servers deny a whole request when one scope of it is denied. The token of the narrower scope is kept for
   * the wide one as long as it is good.
   */
  const tokenFor = ([wide, narrow]: ReturnType<typeof keysFor>): Effect.Effect<Token, RegistryError> =>
    narrow === undefined
      ? Cache.get(tokens, wide)
      : Effect.catchReason(Cache.get(tokens, wide), "RegistryError", "AuthenticationFailed", () =>
          Effect.tap(Cache.get(tokens, narrow), (token) => Cache.set(tokens, wide, token))
        )

  /** A registry may have its credentials sent to a token server of another owner: that is recorded for its users. */
  const noteForwarding = (access: RepositoryAccess, realm: URL): Effect.Effect<void> => {
    if (Option.isNone(access.credential)) return Effect.void
    const { registry } = access.repository
    const { hostname } = new URL(`https://${registryHost(registry)}`)
    return Effect.flatMap(sameRegistrableDomain(hostname, realm.hostname), (same) =>
      same
        ? Effect.void
        : notices.record(access.repository, {
            _tag: "CredentialsForwarded",
            message: `the credentials for ${registry} are sent to the token server ${realm.host}, which it names and which is not of the same owner; if that is not meant, change the password and take the credentials from this registry`
          })
    )
  }

  return {
    headerFor: Effect.fnUntraced(function* (access, challenge, need) {
      if (challenge === undefined) return undefined
      if (challenge._tag === "Basic") return Option.getOrUndefined(Option.map(access.credential, basicHeader))
      const realm = URL.parse(challenge.realm)
      if (realm === null || !(realm.protocol === "https:" || (realm.protocol === "http:" && isPlain(access)))) {
        return yield* RegistryError.of(
          "AuthenticationFailed",
          access.repository,
          `the registry names the token server ${challenge.realm}, which is not reached by HTTPS; no credentials were sent there`
        )
      }
      yield* noteForwarding(access, realm)
      return yield* tokenFor(keysFor(access, challenge, need)).pipe(
        Effect.map(({ header }) => header),
        // Users know their registry; the message names the token server that refused.
        Effect.mapError(({ detail, reason }) =>
          RegistryError.of(reason, access.repository, `the token server ${realm.host}: ${detail}`, {
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
      const heard = furtherFor(access, need)
      for (const action of furtherActions(access.repository.path, challenge)) {
        if (heard.size < FURTHER_ACTIONS) heard.add(action)
      }
    })
  }
})

const basicHeader = ({ password, username }: Credential): Redacted.Redacted => basic(username, Redacted.value(password))

/** Whether two hosts, without their ports, are of one owner: the same, or beneath one name that is registered. */
export const sameRegistrableDomain = (a: string, b: string): Effect.Effect<boolean> => {
  if (a === b) return Effect.succeed(true)
  if (isIP(bareHost(a)) !== 0 || isIP(bareHost(b)) !== 0) return Effect.succeed(false)
  // The list of public suffixes is long, and seldom needed.
  return Effect.map(
    Effect.promise(() => import("tldts")),
    ({ getDomain }) => {
      const ownerOf = (host: string) => getDomain(host, { allowPrivateDomains: true })
      return ownerOf(a) !== null && ownerOf(a) === ownerOf(b)
    }
  )
}
