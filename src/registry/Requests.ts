/** Requests to a registry: with the authorization it asks for, within bounds of time, repeated where that is harmless. */
import { Duration, Effect, Option, Redacted, Schedule } from "effect"
import { HttpClientRequest, type HttpClientResponse } from "effect/http"
import { registryHost, type Repository } from "../domain/Reference.ts"
import * as Authentication from "./Authentication.ts"
import { type Challenge, parseChallenge } from "./Challenge.ts"
import { drain, errorAt } from "./HttpAnswer.ts"
import type { RegistryError, RepositoryAccess } from "./RegistryClient.ts"
import type { Answer, Transport } from "./Transport.ts"

export interface RequestOptions {
  /** How long one request may take, body included, where the body is small. */
  readonly timeout: Duration.Duration
  /** The pause before a failed read is tried again, doubled each time. */
  readonly retryDelay: Duration.Input
}

/** What an exchange has to tell for authorization to be given to it. */
interface Head {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
}

const RETRIES = 2

export const make = Effect.fnUntraced(function* (transport: Transport, options: RequestOptions) {
  const { retryDelay, timeout } = options
  const authentication = yield* Authentication.make(transport.transmit)
  /** What each host asked for, so that later requests bring it at once. */
  const challenges = new Map<string, Challenge>()

  /** An exchange with the authorization its host asks for; once again if the host says it needs another. */
  const authorized = Effect.fnUntraced(function* <A extends Head>(
    access: RepositoryAccess,
    actions: Authentication.Actions,
    exchange: {
      readonly send: (origin: string, header: Redacted.Redacted | undefined) => Effect.Effect<A, RegistryError>
      readonly drop: (response: A) => Effect.Effect<void>
    }
  ): Effect.fn.Return<Answer<A>, RegistryError> {
    const host = registryHost(access.repository.registry)
    const withAuthorization = (challenge: Challenge | undefined) =>
      Effect.flatMap(authentication.headerFor(access, challenge, actions), (header) =>
        transport.sendTo(access, (origin) => exchange.send(origin, header))
      )
    const known = challenges.get(host)
    const first = yield* withAuthorization(known)
    if (first.response.status !== 401) return first
    const challenge = parseChallenge(first.response.headers["www-authenticate"])
    if (challenge === undefined) return first
    challenges.set(host, challenge)
    if (challenge._tag === "Basic" && (Option.isNone(access.credential) || known?._tag === "Basic")) return first
    if (challenge._tag === "Bearer" && known !== undefined) {
      yield* authentication.forget(access, challenge, actions)
    }
    yield* exchange.drop(first.response)
    return yield* withAuthorization(challenge)
  })

  return {
    authorized,

    /** A request with the authorization its host asks for. */
    request: (
      access: RepositoryAccess,
      actions: Authentication.Actions,
      build: (origin: string) => HttpClientRequest.HttpClientRequest
    ): Effect.Effect<Answer<HttpClientResponse.HttpClientResponse>, RegistryError> =>
      authorized(access, actions, {
        send: (origin, header) => transport.transmit(access, authorize(build(origin), header)),
        drop: drain
      }),

    /** The header that the host of an access has asked for so far. */
    headerFor: (access: RepositoryAccess, actions: Authentication.Actions) =>
      authentication.headerFor(access, challenges.get(registryHost(access.repository.registry)), actions),

    bounded: <A>(access: RepositoryAccess, what: string, effect: Effect.Effect<A, RegistryError>) =>
      Effect.timeoutOrElse(effect, {
        duration: timeout,
        orElse: () =>
          Effect.fail(
            errorAt(access, "Unreachable", `${what} had no complete answer within ${Duration.format(timeout)}`)
          )
      }),

    /** Reads may be repeated: what a network or an overloaded server spoils once is tried again. */
    repeated: <A>(effect: Effect.Effect<A, RegistryError>) =>
      Effect.retry(effect, {
        while: (error) => error.kind === "Unreachable" || error.kind === "ServerError",
        times: RETRIES,
        schedule: Schedule.exponential(retryDelay).pipe(Schedule.jittered)
      })
  }
})

export type Requests = Effect.Success<ReturnType<typeof make>>

export const authorize = (request: HttpClientRequest.HttpClientRequest, header: Redacted.Redacted | undefined) =>
  header === undefined ? request : HttpClientRequest.setHeader(request, "authorization", Redacted.value(header))

/** A path of a repository, by the distribution specification. */
export const pathOf = (repository: Repository, rest: string): string => `/v2/${repository.path}/${rest}`
