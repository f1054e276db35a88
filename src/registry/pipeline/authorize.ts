/** The stage that adds the Authorization header that a host's challenge asks for. */
import { Effect, Option, type Redacted, Result } from "effect"
import { BoundedMap } from "../../collections/BoundedMap.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import { trustedHost } from "../RepositoryAccess.ts"
import { type Challenge, parseChallenge, sameChallenge } from "./challenge.ts"
import { refusalOf } from "./refusal.ts"
import { errorOf, isReplayable, type RegistryRequest, type Stage } from "./request.ts"
import type { Tokens } from "./tokens.ts"

/** The last challenge of a host, and whether it was an answer to a request for this repository. */
export interface Recalled {
  readonly challenge: Challenge | undefined
  readonly isOwn: boolean
}

/**
 * Sends a request with the authorization of the last challenge. Sends it again if the host answers with a new
 * challenge.
 */
export const authorize =
  (tokens: Pick<Tokens, "headerFor" | "refused">, challenges: KnownChallenges): Stage =>
  (next) =>
    Effect.fnUntraced(function* (request) {
      const { access, need } = request
      if (need === undefined) return yield* next(request)
      const known = challenges.recall(access)
      const prepared = yield* Effect.result(tokens.headerFor(access, known.challenge, need))
      // The challenge for another repository of the host may be wrong for this one. If no token is given, the
      // request is sent without authorization, unless its body can be sent only once.
      const isCertain = known.isOwn || !isReplayable(request)
      if (Result.isFailure(prepared) && isCertain) return yield* prepared.failure
      const brought = Result.isSuccess(prepared) ? prepared.success : undefined
      const first = yield* next(bringing(request, brought))
      if (first.status !== 401) return first
      const challenge = parseChallenge(first.headers["www-authenticate"])
      if (challenge === undefined) return first
      if (Result.isFailure(prepared) && known.challenge !== undefined && sameChallenge(known.challenge, challenge)) {
        return yield* prepared.failure
      }
      if (!isReplayable(request)) {
        // The body is used up. The next try of the whole upload gets a new token.
        if (challenge._tag === "Basic" || brought === undefined) return first
        yield* tokens.refused(access, challenge, need, brought)
        const { detail } = yield* refusalOf(request, first)
        return yield* errorOf(request, { _tag: "AuthenticationFailed", renewed: true }, detail)
      }
      challenges.remember(access, challenge)
      if (challenge._tag === "Basic") {
        if (Option.isNone(access.credential) || known.challenge?._tag === "Basic") return first
      } else {
        yield* tokens.refused(access, challenge, need, brought)
      }
      const header = yield* tokens.headerFor(access, challenge, need)
      return yield* next(bringing(request, header))
    })

const bringing = (request: RegistryRequest, header: Redacted.Redacted | undefined): RegistryRequest =>
  header === undefined ? request : { ...request, authorization: header }

/** A forgotten challenge costs one more request. */
const CHALLENGES_BYTES = 8 * 1024 * 1024
/** What an entry takes beside the challenge's text. */
const ENTRY_BYTES = 300

/**
 * The challenges of hosts, so that later requests bring their authorization at once. By repository where they differ.
 */
export class KnownChallenges {
  readonly #challenges = new BoundedMap<string, Challenge>({
    capacity: CHALLENGES_BYTES,
    weigh: (challenge) => JSON.stringify(challenge).length + ENTRY_BYTES
  })

  recall(access: RepositoryAccess): Recalled {
    const own = this.#challenges.get(repositoryOf(access))
    return own === undefined
      ? { challenge: this.#challenges.get(trustedHost(access)), isOwn: false }
      : { challenge: own, isOwn: true }
  }

  remember(access: RepositoryAccess, challenge: Challenge): void {
    const ofHost = this.#challenges.get(trustedHost(access))
    if (ofHost === undefined) this.#challenges.set(trustedHost(access), challenge)
    else if (sameChallenge(ofHost, challenge)) this.#challenges.delete(repositoryOf(access))
    else this.#challenges.set(repositoryOf(access), challenge)
  }
}

const repositoryOf = (access: RepositoryAccess): string => `${trustedHost(access)}/${access.repository.path}`
