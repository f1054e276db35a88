/** Requests to a registry: with the authorization it asks for, within bounds of time, repeated where that is harmless. */
import { Duration, Effect, Option, Redacted, Result, Schedule } from "effect"
import { registryHost, type Repository } from "../../oci/Reference.ts"
import * as Authentication from "./authentication.ts"
import type { RateLimiter } from "../limits/RateLimiter.ts"
import { type Challenge, parseChallenge, sameChallenge } from "./Challenge.ts"
import { errorAt, refused } from "./refusal.ts"
import { type HttpHead, type HttpRequest, type HttpResponse, withHeaders } from "../../http/Http.ts"
import type { Notices } from "./notices.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"
import type { Need } from "./Scope.ts"
import type { Answer, Transport } from "./transport.ts"
import { whileMoving } from "./Waits.ts"

export interface RequestOptions {
  /** How long one request may take, body included, where the body is small. */
  readonly timeout: Duration.Duration
  /** The pause before a failed read is tried again, doubled each time. */
  readonly retryDelay: Duration.Input
}

/** What a host asked for, and whether this repository was the one asked about. */
interface Remembered {
  readonly challenge: Challenge | undefined
  readonly own: boolean
}

const RETRIES = 2

export const make = Effect.fnUntraced(function* (
  transport: Transport,
  budget: RateLimiter,
  notices: Notices,
  options: RequestOptions
) {
  const { retryDelay, timeout } = options
  const authentication = yield* Authentication.make(transport, notices)
  /** What each host asked for, so that later requests bring it at once; by repository where they differ. */
  const challenges = new Map<string, Challenge>()
  /** Whoever answers in the place of a registry that is not verified must not name where a verified one's credentials go. */
  const hostOf = ({ repository, tlsVerify }: RepositoryAccess): string =>
    `${tlsVerify ? "verified" : "unverified"} ${registryHost(repository.registry)}`
  const repositoryOf = (access: RepositoryAccess): string => `${hostOf(access)}/${access.repository.path}`

  const recall = (access: RepositoryAccess): Remembered => {
    const own = challenges.get(repositoryOf(access))
    return own === undefined ? { challenge: challenges.get(hostOf(access)), own: false } : { challenge: own, own: true }
  }
  const remember = (access: RepositoryAccess, challenge: Challenge): void => {
    const ofHost = challenges.get(hostOf(access))
    if (ofHost === undefined) challenges.set(hostOf(access), challenge)
    else if (sameChallenge(ofHost, challenge)) challenges.delete(repositoryOf(access))
    else challenges.set(repositoryOf(access), challenge)
  }

  /** An exchange with the authorization its host asks for; once again if the host says it needs another. */
  const request = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    need: Need,
    build: (origin: string) => HttpRequest
  ): Effect.fn.Return<Answer, RegistryError> {
    const sendOnce = (header: Redacted.Redacted | undefined) =>
      transport
        .sendTo(access, (origin) => transport.transmit(access, authorize(build(origin), header)))
        .pipe(Effect.tap(({ response }) => notices.heed(access, response.headers, header)))
    // A 429 was not executed: the request is sent once more if the registry is held for a short time only.
    const send = (header: Redacted.Redacted | undefined) =>
      Effect.flatMap(sendOnce(header), (answer) =>
        answer.response.status === 429 && budget.isShortlyHeld(access) ? sendOnce(header) : Effect.succeed(answer)
      )
    const known = recall(access)
    const prepared = yield* Effect.result(authentication.headerFor(access, known.challenge, need))
    // What another repository of the host asked for may be wrong for this one: then it is asked without.
    if (Result.isFailure(prepared) && known.own) return yield* prepared.failure
    const brought = Result.isSuccess(prepared) ? prepared.success : undefined
    const first = yield* send(brought)
    if (first.response.status !== 401) return first
    const challenge = parseChallenge(first.response.headers["www-authenticate"])
    if (challenge === undefined) return first
    if (Result.isFailure(prepared) && known.challenge !== undefined && sameChallenge(known.challenge, challenge)) {
      return yield* prepared.failure
    }
    remember(access, challenge)
    if (challenge._tag === "Basic") {
      if (Option.isNone(access.credential) || known.challenge?._tag === "Basic") return first
    } else {
      yield* authentication.refusedWith(access, challenge, need, brought)
    }
    return yield* Effect.flatMap(authentication.headerFor(access, challenge, need), send)
  })

  return {
    request,

    /** The header that the host of an access has asked for so far. */
    headerFor: (access: RepositoryAccess, need: Need) =>
      authentication.headerFor(access, recall(access).challenge, need),

    /** A host did not take a header that was brought without asking here; `true` if the next to be asked for is another. */
    renew: (
      access: RepositoryAccess,
      need: Need | undefined,
      brought: Redacted.Redacted | undefined,
      { headers }: HttpHead
    ) =>
      Effect.suspend(() => {
        const challenge = parseChallenge(headers["www-authenticate"])
        if (challenge?._tag !== "Bearer" || need === undefined || brought === undefined) return Effect.succeed(false)
        return Effect.as(authentication.refusedWith(access, challenge, need, brought), true)
      }),

    /** Within a limit of time, of which what it waits for its registry's budget is no part. */
    bounded: <A>(access: RepositoryAccess, what: string, effect: Effect.Effect<A, RegistryError>) =>
      whileMoving(effect, {
        duration: timeout,
        orElse: () =>
          errorAt(access, "Unreachable", `${what} had no complete answer within ${Duration.format(timeout)}`)
      }),

    /** Turns an answer that is not what was asked for into an error, which tells until when a refusal holds. */
    refused: (access: RepositoryAccess, purpose: "GET" | "PUSH", response: HttpResponse) =>
      Effect.mapError(refused(access, purpose, response), (error) => budget.explain(access, error)),

    /** Reads may be repeated: what a network or an overloaded server spoils once is tried again. */
    repeated: <A>(effect: Effect.Effect<A, RegistryError>) =>
      Effect.retry(effect, {
        while: ({ reason }) => reason._tag === "Unreachable" || reason._tag === "ServerError",
        times: RETRIES,
        schedule: Schedule.exponential(retryDelay).pipe(Schedule.jittered)
      })
  }
})

export type Requests = Effect.Success<ReturnType<typeof make>>

export const authorize = (request: HttpRequest, header: Redacted.Redacted | undefined): HttpRequest =>
  header === undefined ? request : withHeaders(request, { authorization: Redacted.value(header) })

/** A path of a repository, by the distribution specification. */
export const pathOf = (repository: Repository, rest: string): string => `/v2/${repository.path}/${rest}`
