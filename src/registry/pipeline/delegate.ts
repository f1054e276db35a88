/** Decides what another client, such as Skopeo in a Job, may get of an access. */
import { Effect, Option } from "effect"
import { registryHost } from "../../oci/Reference.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"
import type { KnownChallenges } from "./authorize.ts"
import { type Challenge, parseChallenge } from "./challenge.ts"
import type { HostSchemes } from "./chooseScheme.ts"
import { type MaySend, plainUrlOf, refusedInClear, remedyFor } from "./plainHttp.ts"
import type { Handler, RegistryRequest } from "./request.ts"
import type { Tokens } from "./tokens.ts"

export type Delegate = (access: RepositoryAccess) => Effect.Effect<RepositoryAccess, RegistryError>

export interface DelegateOptions {
  readonly send: Handler
  readonly schemes: Pick<HostSchemes, "isKnown" | "isPlain">
  readonly maySend: MaySend
  readonly challenges: Pick<KnownChallenges, "recall">
  readonly tokens: Pick<Tokens, "serverFor">
}

/**
 * Judges the challenge that the other client will get: the one that the registry gave to this client, or else its answer to
 * the request with which clients begin. The other client's credential may go to the same places as this client's.
 */
export const makeDelegate = ({ challenges, maySend, schemes, send, tokens }: DelegateOptions): Delegate => {
  const begin = (access: RepositoryAccess): RegistryRequest => ({ access, route: "ping", method: "GET", to: "/v2/" })

  const challengeOf = (access: RepositoryAccess): Effect.Effect<Challenge | undefined, RegistryError> => {
    const { challenge } = challenges.recall(access)
    return challenge === undefined || !schemes.isKnown(access)
      ? Effect.map(send(begin(access)), ({ headers, status }) =>
          status === 401 ? parseChallenge(headers["www-authenticate"]) : undefined
        )
      : Effect.succeed(challenge)
  }

  return Effect.fn("RegistryClient.delegate")(function* (access): Effect.fn.Return<RepositoryAccess, RegistryError> {
    if (Option.isNone(access.credential)) return access
    const challenge = yield* challengeOf(access)
    if (challenge?._tag === "Bearer") {
      const server = yield* tokens.serverFor(access, challenge)
      if (!maySend(server)) return yield* refusedInClear({ ...begin(access), route: "token", to: server }, maySend)
    }
    if (!schemes.isPlain(access) || maySend(plainUrlOf(access))) return access
    if (challenge !== undefined) return yield* refusedInClear(begin(access), maySend)
    const host = registryHost(access.repository.registry)
    return {
      ...access,
      credential: Option.none(),
      withheld: `the credentials for ${host} were not used, because ${host} speaks plain HTTP and did not ask for them; ${remedyFor([host])} if they are needed`
    }
  })
}
